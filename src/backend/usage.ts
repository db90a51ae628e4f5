import { readFileSync } from "node:fs";

/** What a process has used since it was started. */
export interface Usage {
  /** On a CPU, in milliseconds. */
  readonly runMs: number;
  /** Ready to run, waiting for a CPU, in milliseconds. */
  readonly cpuWaitMs: number;
}

const NANOSECONDS = 1e-6;
const KIB = 1024;

/** CPU time and time in the run queue of a process's main thread (/proc/PID/schedstat); undefined when it has gone. */
export function cpuUsageOf(pid: number): Usage | undefined {
  const [run, wait] = read(`/proc/${pid}/schedstat`)?.split(" ") ?? [];
  if (run === undefined || wait === undefined) return undefined;
  return { runMs: Number(run) * NANOSECONDS, cpuWaitMs: Number(wait) * NANOSECONDS };
}

/**
 * Memory of a process in bytes: its proportional share of what it maps (/proc/PID/smaps_rollup), so that a library that
 * all processes share counts once.
 */
export function memoryOf(pid: number): number | undefined {
  const kib = /^Pss:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/smaps_rollup`) ?? "")?.[1];
  return kib === undefined ? undefined : Number(kib) * KIB;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
