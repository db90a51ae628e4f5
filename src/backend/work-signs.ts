import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { Lease } from "./lease.ts";
import { cpuUsageOf, stateOf } from "./usage.ts";

/** While more wants to run than there are cores, a process may have to wait this long for its turn. */
const STARVED_MS = 100;
/** A process that has used more of a CPU with a request before it was at something else. */
const WORK_MS = 1;

/**
 * Whether a process that has not read its request is at something else: it sleeps though something waits for it, is stopped, or has used the
 * CPU for other things. A process that only waits for a CPU is not.
 */
export function isAtWork(pid: number, lease: Lease, now: number): boolean {
  if (now - lease.since < STARVED_MS && runnable() > availableParallelism()) return false;
  const state = stateOf(pid);
  if (state !== "R") return state !== undefined;
  const runMs = cpuUsageOf(pid)?.runMs;
  if (runMs === undefined) return false;
  lease.unreadRunMs ??= runMs;
  return runMs - lease.unreadRunMs > WORK_MS;
}

/** How many threads of the machine run or want to, this one among them (proc(5), /proc/loadavg). */
function runnable(): number {
  try {
    return Number(/ (\d+)\//.exec(readFileSync("/proc/loadavg", "latin1"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
