import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";

/** A control group with little memory. */
export interface MemoryGroup extends Disposable {
  readonly path: string;
  /** The file that counts whom the kernel has ended there. */
  readonly counter: string;
}

/** One of our own, of version 2 or 1; undefined where the system lets nobody make one. */
export function makeMemoryGroup(bytes: number): MemoryGroup | undefined {
  const name = `std-fpm-memory-${process.pid}`;
  return (
    groupAt(`/sys/fs/cgroup/${name}`, "memory.max", "memory.events", bytes) ??
    groupAt(`/sys/fs/cgroup/memory/${name}`, "memory.limit_in_bytes", "memory.oom_control", bytes)
  );
}

function groupAt(path: string, limit: string, counter: string, bytes: number): MemoryGroup | undefined {
  const remove = () => {
    try {
      rmdirSync(path);
    } catch {
      // It was not made.
    }
  };
  try {
    mkdirSync(path);
    writeFileSync(`${path}/${limit}`, String(bytes), { flag: "r+" });
  } catch {
    remove();
    return undefined;
  }
  return { path, counter: `${path}/${counter}`, [Symbol.dispose]: remove };
}
