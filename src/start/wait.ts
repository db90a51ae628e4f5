import { FFIType, ptr } from "bun:ffi";
import { constants } from "node:os";
import { cLibrary } from "../base/c-library.ts";
import type { Ending } from "./order.ts";

const { i32, i64, ptr: pointer } = FFIType;
const libc = cLibrary({ waitid: { args: [i32, i64, pointer, i32], returns: i32 } });

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
  const info = new Int32Array(SIGINFO_WORDS);
  const options = WEXITED | WNOHANG | (reaps ? 0 : WNOWAIT);
  if (!waitId(P_PID, pid, info, options)) return "unknown";
  if (info[PID_AT] === 0) return "alive";
  const status = info[STATUS_AT] as number;
  if (info[CODE_AT] === CLD_EXITED) return { code: status, signal: null };
  return { code: null, signal: SIGNALS.get(status) ?? `signal ${status}` };
}

/** One of the children that have ended and that nobody has waited for; undefined: there is none. It is not waited for. */
export function endedChild(): number | undefined {
  const info = new Int32Array(SIGINFO_WORDS);
  return waitId(P_ALL, 0, info, WEXITED | WNOHANG | WNOWAIT) ? info[PID_AT] || undefined : undefined;
}

function waitId(which: number, id: number, info: Int32Array, options: number): boolean {
  return libc().waitid(which, id, ptr(info), options) === 0;
}
