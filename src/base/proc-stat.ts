import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { errnoOf } from "./errors.ts";

/** What /proc/PID/stat and /proc/PID/task/TID/stat tell (proc(5)). */
export interface ProcStat {
  readonly name: string;
  /** A letter: R, S, D, Z, … */
  readonly state: string;
  readonly parent: number;
  /** The kernel's PF_… */
  readonly flags: number;
  /** In user and in kernel mode, of all threads of a process; in steps of 10. */
  readonly cpuMs: number;
  /** When it was started, in ticks since the machine was: another process with the same pid has another value. */
  readonly startTicks: string;
}

/** A tick of /proc: USER_HZ is 100 on x86-64 and arm64. */
export const TICK_MS = 10;

/** Threads of a process that are looked at. */
const MOST_THREADS = 64;

/** undefined when the text is something else. */
export function parseStat(text: string): ProcStat | undefined {
  const open = text.indexOf("(");
  // The name may hold anything, parentheses and spaces too.
  const close = text.lastIndexOf(")");
  if (open === -1 || close < open) return undefined;
  // The first of these is field 3.
  const fields = text.slice(close + 2).split(" ");
  const field = (number: number) => fields[number - 3];
  const [state, ticks] = [field(3) ?? "", Number(field(14)) + Number(field(15))];
  if (!/^[A-Za-z]$/.test(state) || !Number.isFinite(ticks)) return undefined;
  return {
    name: text.slice(open + 1, close),
    state,
    parent: Number(field(4)),
    flags: Number(field(9)),
    cpuMs: ticks * TICK_MS,
    startTicks: field(22) ?? "",
  };
}

/** What /proc/PID/stat tells of a process; undefined when it has gone, or is none. */
export function statOf(pid: number): ProcStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return undefined;
  }
}

/** The real user of a process; undefined when it has gone, or is none. */
export function userOf(pid: number): number | undefined {
  return statusNumber(pid, "Uid");
}

/** The umask of a process's main thread, which umask(2) tells only by changing it. */
export function umaskOf(pid: number): number | undefined {
  return statusNumber(pid, "Umask", 8);
}

/** The first number in a line of /proc/PID/status. */
function statusNumber(pid: number, name: "Uid" | "Umask", base = 10): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/status`, "latin1");
    const found = new RegExp(`^${name}:\\t(\\d+)`, "m").exec(text)?.[1];
    return found === undefined ? undefined : Number.parseInt(found, base);
  } catch {
    return undefined;
  }
}

/**
 * The children of a process's main thread (/proc/PID/task/PID/children); of our own, those of other threads are not among them. None where they
 * cannot be read: when the process has gone, or no descriptors are left.
 */
export function childrenOf(pid: number): number[] {
  return childrenOfThreads(pid, () => [String(pid)]);
}

/** The same of all threads of a process; of one with very many threads only the main one's. */
export function childrenOfAll(pid: number): number[] {
  const folder = `/proc/${pid}/task`;
  // As every folder: itself, the one above, and one for each in it.
  return childrenOfThreads(pid, () =>
    statSync(folder).nlink - 2 > MOST_THREADS ? [String(pid)] : readdirSync(folder),
  );
}

/** The state letters of a process's threads, of the first ones where there are very many; none when it has gone. */
export function statesOfThreads(pid: number): string[] {
  const folder = `/proc/${pid}/task`;
  try {
    return readdirSync(folder)
      .slice(0, MOST_THREADS)
      .map((thread) => parseStat(readFileSync(`${folder}/${thread}/stat`, "latin1"))?.state ?? "");
  } catch {
    // One of them has ended meanwhile, or all.
    return [];
  }
}

/**
 * The number of the system call in which each thread of a process sleeps, undefined for one that does not; of the whole undefined when it has gone, has very
 * many, or may not be looked at.
 */
export function callsOfThreads(pid: number): (number | undefined)[] | undefined {
  const folder = `/proc/${pid}/task`;
  try {
    const threads = readdirSync(folder);
    if (threads.length > MOST_THREADS) return undefined;
    return threads.map((thread) => {
      // One that hangs in execve(2) would keep whoever reads its call waiting.
      const isAsleep = parseStat(readFileSync(`${folder}/${thread}/stat`, "latin1"))?.state === "S";
      if (!isAsleep) return undefined;
      const number = Number.parseInt(readFileSync(`${folder}/${thread}/syscall`, "latin1"), 10);
      return Number.isNaN(number) ? undefined : number;
    });
  } catch {
    return undefined;
  }
}

function childrenOfThreads(pid: number, threads: () => readonly string[]): number[] {
  try {
    return threads().flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1")
        .trim()
        .split(" ")
        .filter(Boolean)
        .map(Number),
    );
  } catch (error) {
    // A kernel without CONFIG_PROC_CHILDREN has no such file of a process that is there.
    return errnoOf(error) === "ENOENT" && existsSync(`/proc/${pid}`) ? childrenAmongAll(pid) : [];
  }
}

function childrenAmongAll(pid: number): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((each) => statOf(each)?.parent === pid);
}
