import { readFileSync } from "node:fs";
import { statOf } from "../base/proc-stat.ts";

/** What a process has used since it was started. */
export interface Usage {
  /** On a CPU, in milliseconds. */
  readonly runMs: number;
  /** Ready to run, waiting for a CPU, in milliseconds. */
  readonly cpuWaitMs: number;
}

export const NOTHING_USED: Usage = { runMs: 0, cpuWaitMs: 0 };

/** What both have used together. */
export function withUsage(one: Usage, other: Usage): Usage {
  return { runMs: one.runMs + other.runMs, cpuWaitMs: one.cpuWaitMs + other.cpuWaitMs };
}

const NANOSECONDS = 1e-6;
/** A flag of /proc/PID/stat. */
const PF_EXITING = 4;
/** Of x86-64, and of arm64 as Debian builds it. */
const PAGE_BYTES = 4096;

/** CPU time and time in the run queue of a process's main thread (/proc/PID/schedstat); undefined when it has gone. */
export function cpuUsageOf(pid: number): Usage | undefined {
  const [run, wait] = read(`/proc/${pid}/schedstat`)?.split(" ") ?? [];
  if (run === undefined || wait === undefined) return undefined;
  return { runMs: Number(run) * NANOSECONDS, cpuWaitMs: Number(wait) * NANOSECONDS };
}

/**
 * Memory of a process that it shares with no file and no shared memory, in bytes: about what one process more costs. From counters of the kernel
 * (/proc/PID/statm): its proportional share (smaps_rollup) is worked out page by page, which takes a second where a program has 20 GiB mapped.
 */
export function ownMemoryOf(pid: number): number | undefined {
  const [, resident, shared] = read(`/proc/${pid}/statm`)?.split(" ") ?? [];
  return shared === undefined ? undefined : Math.max(0, Number(resident) - Number(shared)) * PAGE_BYTES;
}

/** Memory that a process holds, in bytes (/proc/PID/statm); quick to read, but what is shared counts in every process. */
export function residentOf(pid: number): number | undefined {
  const pages = read(`/proc/${pid}/statm`)?.split(" ")[1];
  return pages === undefined ? undefined : Number(pages) * PAGE_BYTES;
}

/** CPU time of a process in milliseconds, all its threads and those that have ended (/proc/PID/stat), in steps of 10. */
export function cpuTimeOf(pid: number): number | undefined {
  return statOf(pid)?.cpuMs;
}

/** Whether the kernel is about to end a process, or has: its descriptors are closed before its parent hears of it. */
export function isEnding(pid: number): boolean {
  const stat = statOf(pid);
  return hasEndedIn(stat?.state) || ((stat?.flags ?? 0) & PF_EXITING) !== 0;
}

/** Whether a process has ended, though its parent may still be to hear of it. */
export function hasEnded(pid: number): boolean {
  return hasEndedIn(stateOf(pid));
}

function hasEndedIn(state: string | undefined): boolean {
  return state === undefined || state === "Z" || state === "X";
}

/** The state letter of a process's main thread (/proc/PID/stat); undefined when it has gone. */
export function stateOf(pid: number): string | undefined {
  return statOf(pid)?.state;
}

/** When a process was started: tells it from a later one with the same pid. Undefined when it has gone. */
export function startTicksOf(pid: number): string | undefined {
  return statOf(pid)?.startTicks;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
