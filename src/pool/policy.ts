/** What a pool looks like at one moment; counts of its backends and of the requests that wait for one. */
export interface PoolView {
  /** Requests in the queue. */
  readonly waiting: number;
  /** Of these, the ones that must go to a backend that has not served yet. */
  readonly waitingForUnserved: number;
  readonly oldestWaitMs: number;
  readonly idle: number;
  /** Idle ones that have not served a request. */
  readonly idleUnserved: number;
  /** Working on a request, also on one whose client left. */
  readonly busy: number;
  readonly starting: number;
  /** All that live, stopping ones included. */
  readonly total: number;
  readonly minProcesses: number;
  /** The program's own cap. */
  readonly maxProcesses: number;
  /** How many more the cap of all programs together allows. */
  readonly room: number;
  /** How many boots may be in flight. */
  readonly startsAtOnce: number;
  /** Mean service time; undefined until a request was served. */
  readonly serviceMs: number | undefined;
  /** Mean time from spawn to the first accept; undefined until one was seen. */
  readonly bootMs: number | undefined;
}

/** Waiting a little longer than a boot takes is better than a process that comes too late. */
const BOOT_MARGIN_MS = 5;
const FIRST_BACKOFF_MS = 100;
const LAST_BACKOFF_MS = 60_000;
/** This many boot failures in a row open the breaker. */
export const BREAKER_FAILURES = 3;

/**
 * How many backends to start now. A waiting request gets one of its own only when those at work would keep it
 * waiting longer than a boot takes, or when nothing is known yet.
 */
export function startsWanted(view: PoolView): number {
  const allowed = Math.min(view.maxProcesses - view.total, view.room, view.startsAtOnce - view.starting);
  if (allowed <= 0) return 0;
  const forTraffic = worthStarting(view) - view.starting;
  const forMinimum = view.minProcesses - view.total;
  return Math.max(0, Math.min(allowed, Math.max(forTraffic, forMinimum)));
}

/** How many waiting requests are better served by a new backend than by one at work. */
function worthStarting(view: PoolView): number {
  const unserved = Math.max(0, view.waitingForUnserved - view.idleUnserved);
  const others = view.waiting - view.waitingForUnserved;
  if (others <= 0) return unserved;
  const { serviceMs, bootMs, busy } = view;
  if (busy === 0 || serviceMs === undefined || bootMs === undefined) return unserved + others;
  // The k-th in the queue waits about k · serviceMs / busy.
  const soonServed = Math.floor(((bootMs + BOOT_MARGIN_MS) * busy) / Math.max(serviceMs, 0.01));
  const late = Math.max(0, others - soonServed);
  return unserved + (late === 0 && view.oldestWaitMs > bootMs + BOOT_MARGIN_MS ? 1 : late);
}

/** The pause after `failures` boot failures in a row, in milliseconds. */
export function backoffMs(failures: number): number {
  return Math.min(LAST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** failures);
}

/** A mean that follows: the newest value counts an eighth. */
export function follow(mean: number | undefined, value: number): number {
  return mean === undefined ? value : mean + (value - mean) / 8;
}
