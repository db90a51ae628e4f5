/** What a pool looks like at one moment; counts of its backends and of the requests that wait for one. */
export interface PoolView {
  /** Requests in the queue. */
  readonly waiting: number;
  readonly oldestWaitMs: number;
  /** Working on a request, also on one whose client left. */
  readonly busy: number;
  readonly starting: number;
  /** All that live, stopping ones included. */
  readonly total: number;
  readonly minProcesses: number;
  /** The program's own cap. */
  readonly maxProcesses: number;
  /** How many boots may be in flight. */
  readonly startsAtOnce: number;
  /** Mean service time; undefined until a request was served. */
  readonly serviceMs: number | undefined;
  /** Mean time from spawn to the first accept; undefined until one was seen. */
  readonly bootMs: number | undefined;
  /** How long ago the requests in work were lent a process, on the mean; taken for `serviceMs` where it is left out. */
  readonly meanAgeMs?: number;
}

/** What lets a process go, beside the traffic: one idle process and its pool. */
export interface IdleView {
  /** How long the process has been idle. */
  readonly idleMs: number;
  /** Processes of the pool, without those that are stopping. */
  readonly living: number;
  readonly minProcesses: number;
  /** The cap of the program as it is now: see processCap. */
  readonly cap: number;
  /** See keptAtHand. */
  readonly keptAtHand: number;
  readonly idleTimeoutMs: number;
}

/** What a request finds on its arrival. */
export interface ArrivalView {
  /** Whether a process that may take it is free. */
  readonly hasFree: boolean;
  readonly waiting: number;
  /** Most requests that may wait, … */
  readonly queueLength: number;
  /** … beside those for which there will be a place soon. */
  readonly mayCome: number;
  readonly isBreakerOpen: boolean;
}

export type Arrival = "lend" | "queue" | "queue full" | "breaker open";

/** When processes are started. */
export interface Policy {
  /** How many to start now. */
  startsWanted(view: PoolView): number;
  /** When to ask again though nothing has happened since, in milliseconds from now; undefined: not before something happens. */
  lookAgainMs(view: PoolView): number | undefined;
}

/** While nothing is known of the service time, the pool is looked at again not sooner than this. */
const GRACE_MS = 5;
/** The part of a boot's time within which new processes are to have served those that came too late for the others. */
const SOON = 0.25;
/** Above what the traffic needs, a process goes after this time. */
export const SURPLUS_IDLE_MS = 10_000;
/** Waiting a little longer than a boot takes is better than a process that comes too late. */
const BOOT_MARGIN_MS = 5;
/** While the first boots of a program go on, the pool is looked at again after this time. */
const BOOT_LOOK_MS = 20;
const FIRST_BACKOFF_MS = 100;
const LAST_BACKOFF_MS = 60_000;
/** This many boot failures in a row open the breaker. */
export const BREAKER_FAILURES = 3;

/** The policy that learns what a program needs. */
export const LEARNED: Policy = { startsWanted, lookAgainMs };

/**
 * How many backends to start now. A waiting request gets one of its own only when those at work would keep it
 * waiting longer than a boot takes, or when nothing is known yet.
 */
export function startsWanted(view: PoolView): number {
  const allowed = Math.min(view.maxProcesses - view.total, view.startsAtOnce - view.starting);
  if (allowed <= 0) return 0;
  const forTraffic = worthStarting(view) - view.starting;
  const forMinimum = view.minProcesses - view.total;
  return Math.max(0, Math.min(allowed, Math.max(forTraffic, forMinimum)));
}

/**
 * When to ask `startsWanted` again though nothing has happened since, in milliseconds from now; undefined: not before
 * something happens.
 */
export function lookAgainMs(view: PoolView): number | undefined {
  // Where no more may be started, somebody's end or another limit is an event.
  if (view.waiting === 0 || view.total >= view.maxProcesses) return undefined;
  const { bootMs, serviceMs, busy, meanAgeMs = 0 } = view;
  // Boots that mostly sleep let more of them begin: what the first ones use shows while they are at it.
  if (bootMs === undefined && busy === 0 && view.starting > 0) return BOOT_LOOK_MS;
  const patience = (bootMs ?? FIRST_BACKOFF_MS) + BOOT_MARGIN_MS;
  if (serviceMs === undefined && busy > 0) return Math.max(GRACE_MS, Math.min(meanAgeMs, patience));
  // Never nearly nothing: a clock that has not moved on would have it ask for ever.
  return view.oldestWaitMs < patience ? Math.max(1, patience - view.oldestWaitMs) : patience;
}

/** What becomes of a request that arrives. */
export function onArrival(view: ArrivalView): Arrival {
  if (view.isBreakerOpen) return "breaker open";
  if (view.waiting === 0 && view.hasFree) return "lend";
  return view.waiting < view.queueLength + view.mayCome ? "queue" : "queue full";
}

/** Whether the pool's idlest process is to end. Ask again with `living` one less before the next one. */
export function mayRetire(view: IdleView): boolean {
  const { idleMs, living } = view;
  if (living <= view.minProcesses) return false;
  if (idleMs >= view.idleTimeoutMs) return true;
  return living > needed(view) && idleMs >= SURPLUS_IDLE_MS;
}

/** How many the traffic needs; the last one stays for whoever comes next. */
export function needed({ cap, keptAtHand }: Pick<IdleView, "cap" | "keptAtHand">): number {
  return Math.max(1, Math.min(cap, keptAtHand));
}

/** The pause after `failures` boot failures in a row, in milliseconds. */
export function backoffMs(failures: number): number {
  return Math.min(LAST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** failures);
}

/** A mean that follows: the newest value counts an eighth. */
export function follow(mean: number | undefined, value: number): number {
  return mean === undefined ? value : mean + (value - mean) / 8;
}

/** How many waiting requests are better served by a new process than by one at work. */
function worthStarting(view: PoolView): number {
  const { waiting } = view;
  if (waiting === 0) return 0;
  const { bootMs, busy, meanAgeMs } = view;
  // While no request has ended, they are known to take as long as the first ones are at it already.
  const serviceMs = view.serviceMs ?? meanAgeMs;
  if (busy === 0 || bootMs === undefined || serviceMs === undefined) return waiting;
  const patience = bootMs + BOOT_MARGIN_MS;
  if (view.serviceMs === undefined && serviceMs > patience) return waiting;
  // The time until the first of those at work is free: as far as chance goes, what they still need is what they had.
  const first = Math.max(serviceMs, meanAgeMs ?? 0) / busy;
  const soonServed = Math.max(0, Math.floor(((patience - first) * busy) / Math.max(serviceMs, 0.01)) + 1);
  const late = Math.max(0, waiting - soonServed);
  // All will be served in time, as far as is known. Where that was wrong, those at work are at it for long, and the oldest waits.
  if (late === 0) return Math.min(view.oldestWaitMs, meanAgeMs ?? view.oldestWaitMs) > patience ? 1 : 0;
  // Enough to have all the late ones served soon after the boot, no more: one process serves many short requests.
  const soon = Math.max(serviceMs, patience * SOON);
  return Math.min(late, Math.ceil((late * serviceMs) / soon));
}
