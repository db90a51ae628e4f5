import type { Lease } from "../backend/lease.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { FpmError } from "../base/errors.ts";
import { Histogram } from "../base/histogram.ts";

/** A request that waits for a backend, and hears what comes of it: exactly one of the two, unless it leaves before. */
export interface Waiter {
  /** When it began to ask for one; it stands in this order. */
  readonly waitingSince: number;
  /** A backend was lent to it. */
  onLease(lease: Lease): void;
  onRefused(error: FpmError): void;
}

/** Requests that wait for a backend of one program, first come, first served; bounded in time here, in length by the pool. */
export class WaitQueue {
  readonly #clock: Clock;
  /** In their order: a Set keeps it, and lets one that left go at once. */
  #waiters = new Set<Waiter>();
  readonly #waits: Histogram;
  readonly #late: () => FpmError;
  #timeoutMs: number;
  /** Who came last, though it may have left. */
  #newest: Waiter | undefined;
  /** Fires when the first one has waited for too long, or the one that was the first when it was set. */
  #timer: Timer | undefined;
  #watchedSince = 0;

  /** `waits` gets how long each waited that was given a backend; `late` refuses one that waited for `timeoutMs`. */
  constructor(clock: Clock, timeoutMs: number, late: () => FpmError, waits = new Histogram()) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#late = late;
    this.#waits = waits;
  }

  /** Other settings, for those that wait as well. */
  set timeoutMs(timeoutMs: number) {
    if (timeoutMs === this.#timeoutMs) return;
    this.#timeoutMs = timeoutMs;
    this.#timer?.cancel();
    this.#watch();
  }

  get length(): number {
    return this.#waiters.size;
  }

  get oldestWaitMs(): number {
    const oldest = this.#first;
    return oldest ? this.#clock.now() - oldest.waitingSince : 0;
  }

  /** Adds a request: at the end, or before those that came later. */
  add(waiter: Waiter): void {
    const isFirst = this.#waiters.size === 0;
    if (isFirst || !this.#newest || this.#newest.waitingSince <= waiter.waitingSince) {
      this.#waiters.add(waiter);
      this.#newest = waiter;
    } else this.#insert(waiter);
    // A timer that was set for an earlier one comes early, and looks again.
    if (this.#timer && waiter.waitingSince >= this.#watchedSince) return;
    this.#timer?.cancel();
    this.#watch();
  }

  /** It gives its place up: it hears of nothing any more. */
  remove(waiter: Waiter): void {
    this.#waiters.delete(waiter);
  }

  /** How many requests wait before it. */
  ahead(waiter: Waiter): number {
    let ahead = 0;
    for (const each of this.#waiters) {
      if (each === waiter) return ahead;
      ahead++;
    }
    return 0;
  }

  /** Gives a lease to the first request. False when there is none. */
  give(lease: Lease): boolean {
    const waiter = this.#first;
    if (!waiter) return false;
    this.#waiters.delete(waiter);
    this.#waits.observe(this.#clock.now() - waiter.waitingSince);
    waiter.onLease(lease);
    return true;
  }

  /** Refuses the first `count` requests. */
  refuse(count: number, error: FpmError): void {
    for (const waiter of [...this.#waiters].slice(0, count)) {
      if (this.#waiters.delete(waiter)) waiter.onRefused(error);
    }
  }

  get #first(): Waiter | undefined {
    for (const waiter of this.#waiters) return waiter;
    return undefined;
  }

  /** One that has asked before goes back to its place. */
  #insert(waiter: Waiter): void {
    const waiters = [...this.#waiters];
    const later = waiters.findIndex(({ waitingSince }) => waitingSince > waiter.waitingSince);
    const at = later === -1 ? waiters.length : later;
    this.#waiters = new Set([...waiters.slice(0, at), waiter, ...waiters.slice(at)]);
  }

  /** All wait for the same time, so the first one is due first. */
  #watch(): void {
    this.#timer = undefined;
    const first = this.#first;
    if (!first) return;
    this.#watchedSince = first.waitingSince;
    const leftMs = first.waitingSince + this.#timeoutMs - this.#clock.now();
    if (leftMs > 0) this.#timer = this.#clock.after(leftMs, () => this.#watch());
    else {
      this.#waiters.delete(first);
      first.onRefused(this.#late());
      this.#watch();
    }
  }
}

/** What a request is told that has waited for too long. */
export function lateError(program: string, timeoutMs: number): FpmError {
  const what = `no process became free within queue_timeout (${timeoutMs / 1000} s)`;
  return new FpmError("QUEUE_TIMEOUT", "daemon", `${program}: ${what}.`);
}

/** What requests are told that wait, or come, at the end. */
export function shuttingDown(): FpmError {
  return new FpmError("SHUTTING_DOWN", "daemon", "std-fpm is shutting down.");
}
