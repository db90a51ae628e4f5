import { FFIType, ptr } from "bun:ffi";
import { constants } from "node:os";
import { cLibrary } from "../base/c-library.ts";
import type { Ending } from "./order.ts";

const { i64, ptr: pointer } = FFIType;
/** The C library's waitid leaves out the last argument. */
const libc = cLibrary({ syscall: { args: [i64, i64, i64, pointer, i64, pointer], returns: i64 } });

/** On x86-64 and on arm64. */
const SYS_WAITID = process.arch === "arm64" ? 95 : 247;
const P_ALL = 0;
const P_PID = 1;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x0100_0000;
const CLD_EXITED = 1;
/** siginfo_t, in 32-bit words: si_code, si_pid, si_status. */
const SIGINFO_WORDS = 32;
const CODE_AT = 2;
const PID_AT = 4;
const STATUS_AT = 6;
/** struct rusage, in 32-bit words: the lower ones of seconds and microseconds in user and in kernel mode. */
const RUSAGE_WORDS = 36;
const USER_S_AT = 0;
const USER_US_AT = 2;
const KERNEL_S_AT = 4;
const KERNEL_US_AT = 6;
/** What the last call found. */
const info = new Int32Array(SIGINFO_WORDS);
const used = new Int32Array(RUSAGE_WORDS);
/** Of two names for one number the first, which is the common one: SIGABRT, not SIGIOT. */
const SIGNALS = new Map(
  Object.entries(constants.signals)
    .toReversed()
    .map(([name, number]) => [number, name]),
);

/** "alive"; "unknown": nobody's child of ours, or somebody else has waited for it. */
export type Waited = Ending | "alive" | "unknown";

/**
 * Whether a child has ended (waitid(2)), without waiting. With `reaps` it is no zombie afterwards; without, whoever waits for it later still
 * finds it.
 */
export function waitFor(pid: number, reaps: boolean): Waited {
  const options = WEXITED | WNOHANG | (reaps ? 0 : WNOWAIT);
  if (!waitId(P_PID, pid, options)) return "unknown";
  if (info[PID_AT] === 0) return "alive";
  const status = info[STATUS_AT] as number;
  const isExit = info[CODE_AT] === CLD_EXITED;
  const signal = isExit ? null : (SIGNALS.get(status) ?? `signal ${status}`);
  return { code: isExit ? status : null, signal, cpuMs: cpuMs() };
}

/** One of the children that have ended and that nobody has waited for; undefined: there is none. It is not waited for. */
export function endedChild(): number | undefined {
  return waitId(P_ALL, 0, WEXITED | WNOHANG | WNOWAIT) ? info[PID_AT] || undefined : undefined;
}

function waitId(which: number, id: number, options: number): boolean {
  return Number(libc().syscall(SYS_WAITID, which, id, ptr(info), options, ptr(used))) === 0;
}

function cpuMs(): number {
  const seconds = (used[USER_S_AT] as number) + (used[KERNEL_S_AT] as number);
  return seconds * 1000 + ((used[USER_US_AT] as number) + (used[KERNEL_US_AT] as number)) / 1000;
}
