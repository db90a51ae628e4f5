import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { kernelProcessor } from "../base/kernel-processor.ts";
import { callsOfThreads, statesOfThreads } from "../base/proc-stat.ts";
import { systemCall, type Waiting } from "../base/system-calls.ts";
import type { Lease } from "./backend.ts";
import { cpuUsageOf, stateOf } from "./usage.ts";

/** While more wants to run than there are cores, a process may have to wait this long for its turn. */
const STARVED_MS = 100;
/** A process that has used more of a CPU with a request before it was at something else. */
const WORK_MS = 1;

/** Why a process does not read its request. */
export type Hindrance = "at work" | "stopped";

/**
 * What keeps a process from reading its request: it is at something else where it sleeps though something waits for it, or has used the CPU for other
 * things; or somebody has stopped it. Undefined where it may merely wait for a CPU.
 */
export function hindranceOf(pid: number, lease: Lease, now: number): Hindrance | undefined {
  if (mayBeStarved(lease, now)) return undefined;
  const state = stateOf(pid);
  if (state === undefined) return undefined;
  if (state === "T" || state === "t") return "stopped";
  if (state !== "R") return "at work";
  const runMs = cpuUsageOf(pid)?.runMs;
  if (runMs === undefined) return undefined;
  lease.unreadRunMs ??= runMs;
  return runMs - lease.unreadRunMs > WORK_MS ? "at work" : undefined;
}

/** The same of a process with several threads, of which it is not known which one has the connection: where one of them runs, nobody can tell. */
export function hindranceAmongThreads(pid: number, lease: Lease, now: number): Hindrance | undefined {
  if (mayBeStarved(lease, now)) return undefined;
  const states = statesOfThreads(pid);
  if (states.length === 0 || states.includes("R")) return undefined;
  return states.includes("T") || states.includes("t") ? "stopped" : "at work";
}

/** What a thread waits for that waits for another one, or for a connection. */
const EACH_OTHER: readonly (Waiting | undefined)[] = ["lock", "file lock", "accept"];

/** Whether all threads of a process wait for each other, or for a connection; undefined where that may not be seen (proc(5), /proc/PID/syscall). */
export function waitForEachOther(pid: number): boolean | undefined {
  const waitingIn = (call = -1) => systemCall(kernelProcessor(), call)?.waiting;
  return callsOfThreads(pid)?.every((call) => EACH_OTHER.includes(waitingIn(call)));
}

/** Whether a program may have had no CPU since it was lent to a request: so many want one. */
export function mayBeStarved({ since }: Lease, now: number): boolean {
  return now - since < STARVED_MS && runnable() > availableParallelism();
}

/** How many threads of the machine run or want to, this one among them (proc(5), /proc/loadavg). */
function runnable(): number {
  try {
    return Number(/ (\d+)\//.exec(readFileSync("/proc/loadavg", "latin1"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
