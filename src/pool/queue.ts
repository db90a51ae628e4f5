import type { Lease } from "../backend/backend.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { FpmError } from "../base/errors.ts";
import { Histogram } from "../base/histogram.ts";
import { type Linked, LinkedList } from "../base/linked-list.ts";

/** A request that waits for a backend, and hears what comes of it: exactly one of the two, unless it leaves before. */
export interface Waiter extends Linked<Waiter> {
  /** When it began to ask for one; it stands in this order. */
  readonly waitingSince: number;
  /** A backend was lent to it. */
  onLease(lease: Lease): void;
  onRefused(error: FpmError): void;
}

/** Requests that wait for a backend of one program, first come, first served; bounded in time here, in length by the pool. */
export class WaitQueue {
  readonly #clock: Clock;
  readonly #waiters = new LinkedList<Waiter>();
  #length = 0;
  readonly #waits: Histogram;
  readonly #late: () => FpmError;
  #timeoutMs: number;
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
    return this.#length;
  }

  get oldestWaitMs(): number {
    const oldest = this.#waiters.first;
    return oldest ? this.#clock.now() - oldest.waitingSince : 0;
  }

  /** Adds a request: at the end, or before those that came later. */
  add(waiter: Waiter): void {
    let before = this.#waiters.last;
    while (before && before.waitingSince > waiter.waitingSince) before = before.previous;
    this.#waiters.insertAfter(before, waiter);
    this.#length++;
    // A timer that was set for an earlier one comes early, and looks again.
    if (this.#timer && waiter.waitingSince >= this.#watchedSince) return;
    this.#timer?.cancel();
    this.#watch();
  }

  /** It gives its place up: it hears of nothing any more. Does nothing when it does not wait. */
  remove(waiter: Waiter): void {
    if (this.#waiters.remove(waiter)) this.#length--;
  }

  /** How many requests wait before it. */
  ahead(waiter: Waiter): number {
    let ahead = 0;
    for (let each = waiter.previous; each; each = each.previous) ahead++;
    return ahead;
  }

  /** Gives a lease to the first request. False when there is none. */
  give(lease: Lease): boolean {
    const waiter = this.#waiters.first;
    if (!waiter) return false;
    this.remove(waiter);
    this.#waits.observe(lease.since - waiter.waitingSince);
    waiter.onLease(lease);
    return true;
  }

  /** Refuses the first `count` requests, of those that wait now. */
  refuse(count: number, error: FpmError): void {
    for (const waiter of this.#waiters.members(count)) {
      // What one hears may have another one leave.
      const length = this.#length;
      this.remove(waiter);
      if (this.#length < length) waiter.onRefused(error);
    }
  }

  /** All wait for the same time, so the first one is due first. */
  #watch(): void {
    this.#timer = undefined;
    const { first } = this.#waiters;
    if (!first) return;
    this.#watchedSince = first.waitingSince;
    const leftMs = first.waitingSince + this.#timeoutMs - this.#clock.now();
    if (leftMs > 0) this.#timer = this.#clock.after(leftMs, () => this.#watch());
    else {
      this.remove(first);
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

/** What a request is told that comes when so many wait already. */
export function queueFull(program: string, length: number): FpmError {
  return new FpmError("QUEUE_FULL", "daemon", `${program}: ${length} requests wait already.`);
}

/** What requests are told that wait, or come, at the end. */
export function shuttingDown(): FpmError {
  return new FpmError("SHUTTING_DOWN", "daemon", "std-fpm is shutting down.");
}
