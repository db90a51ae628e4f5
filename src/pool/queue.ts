import type { Lease } from "../backend/lease.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { FpmError } from "../base/errors.ts";
import { Histogram } from "../base/histogram.ts";

/** A request's place in the queue. */
export interface Waiting {
  /** Settles with a backend lent to the request, or rejects with the FpmError that refuses it. */
  readonly lease: Promise<Lease>;
  /** How many requests wait before it. */
  readonly ahead: number;
  /** Gives the place up: the client has left. The promise then never settles. */
  cancel(): void;
}

interface Waiter {
  readonly unserved: boolean;
  readonly since: number;
  readonly timer: Timer;
  readonly resolve: (lease: Lease) => void;
  readonly reject: (error: FpmError) => void;
}

/** Requests that wait for a backend of one program, first come, first served; bounded in time here, in length by the pool. */
export class WaitQueue {
  readonly #clock: Clock;
  /** In order of arrival: a Set keeps it, and lets one that left go at once. */
  readonly #waiters = new Set<Waiter>();
  readonly #waits: Histogram;
  #unserved = 0;

  /** `waits` gets how long each waited that was given a backend. */
  constructor(clock: Clock, waits = new Histogram()) {
    this.#clock = clock;
    this.#waits = waits;
  }

  get length(): number {
    return this.#waiters.size;
  }

  /** How many wait for a backend that has not served yet. */
  get lengthUnserved(): number {
    return this.#unserved;
  }

  get oldestWaitMs(): number {
    const oldest = this.#first(true);
    return oldest ? this.#clock.now() - oldest.since : 0;
  }

  /** Adds a request; it is refused with `late()` when `timeoutMs` have passed. */
  add(unserved: boolean, timeoutMs: number, late: () => FpmError): Waiting {
    const { promise, resolve, reject } = Promise.withResolvers<Lease>();
    const waiter: Waiter = {
      unserved,
      since: this.#clock.now(),
      timer: this.#clock.after(timeoutMs, () => {
        if (this.#remove(waiter)) reject(late());
      }),
      resolve,
      reject,
    };
    this.#waiters.add(waiter);
    if (unserved) this.#unserved++;
    const waiters = this.#waiters;
    return {
      lease: promise,
      get ahead() {
        return Math.max(0, [...waiters].indexOf(waiter));
      },
      cancel: () => void this.#remove(waiter),
    };
  }

  /** Gives a lease to the first request that may have it; with `toAnyone` to the first. False when there is none. */
  give(lease: Lease, toAnyone: boolean): boolean {
    const waiter = this.#first(toAnyone || lease.backend.served === 0);
    if (!waiter) return false;
    this.#remove(waiter);
    this.#waits.observe(this.#clock.now() - waiter.since);
    waiter.resolve(lease);
    return true;
  }

  /** Refuses the first `count` requests. */
  refuse(count: number, error: FpmError): void {
    for (const waiter of [...this.#waiters].slice(0, count)) {
      this.#remove(waiter);
      waiter.reject(error);
    }
  }

  #first(toAnyone: boolean): Waiter | undefined {
    for (const waiter of this.#waiters) {
      if (toAnyone || !waiter.unserved) return waiter;
    }
    return undefined;
  }

  #remove(waiter: Waiter): boolean {
    if (!this.#waiters.delete(waiter)) return false;
    waiter.timer.cancel();
    if (waiter.unserved) this.#unserved--;
    return true;
  }
}

/** What a request is told that has waited for too long. */
export function lateError(program: string, timeoutMs: number): FpmError {
  const what = `no process became free within queue_timeout (${timeoutMs / 1000} s)`;
  return new FpmError("QUEUE_TIMEOUT", "daemon", `${program}: ${what}.`);
}
