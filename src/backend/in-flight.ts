import type { Clock } from "../base/clock.ts";
import type { RequestHead } from "../fcgi/head.ts";
import type { Lease } from "./backend.ts";

/** What a program prints while it answers may be read a moment after its answer. */
const GRACE_MS = 100;

/** Which request a process works on, as far as that is clear. */
export class InFlight {
  readonly #clock: Clock;
  #last: RequestHead | undefined;
  #endedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  onEnd(lease: Lease, now: number): void {
    this.#last = lease.head;
    this.#endedAt = now;
  }

  /** The one at work, or that just ended; undefined when there are several, or none. */
  only(leases: readonly Lease[]): RequestHead | undefined {
    if (leases.length > 1) return undefined;
    const [only] = leases;
    if (only) return only.head;
    return this.#clock.now() - this.#endedAt <= GRACE_MS ? this.#last : undefined;
  }
}
