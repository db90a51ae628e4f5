import { readlinkSync } from "node:fs";

const REMEDY = "mount it with: mount -t proc proc /proc";

/**
 * Why processes cannot be seen in /proc, and what to do; undefined: they can. `folder` is where it should be. With that of another PID
 * namespace every number would be another process's.
 */
export function procProblem(folder = "/proc", pid = process.pid): string | undefined {
  let self: string;
  try {
    self = readlinkSync(`${folder}/self`);
  } catch {
    return `${folder} is not mounted, or not for the PID namespace of this process; std-fpm looks after its programs there: ${REMEDY}`;
  }
  if (self === String(pid)) return undefined;
  return `${folder} is that of another PID namespace: this process is ${pid}, and ${self} there; ${REMEDY}`;
}
