import type { Clock } from "../base/clock.ts";
import type { RequestHead } from "../fcgi/head.ts";
import type { Lease } from "./backend.ts";

/** A request, and the script that it is for. */
export interface Requested {
  readonly head: RequestHead;
  readonly script: string | undefined;
}

/** What a program prints while it answers may be read a moment after its answer. */
const GRACE_MS = 100;

/** Which request a process works on, as far as that is clear. */
export class InFlight {
  readonly #clock: Clock;
  #last: RequestHead | undefined;
  #lastScript: string | undefined;
  #endedAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  onEnd(lease: Lease, now: number): void {
    this.#last = lease.head;
    this.#lastScript = lease.script;
    this.#endedAt = now;
  }

  /** The one at work, or that just ended; undefined when there are several, or none. */
  only(leases: readonly Lease[]): Requested | undefined {
    if (leases.length > 1) return undefined;
    const [only] = leases;
    if (only) return only.head && { head: only.head, script: only.script };
    if (!this.#last || this.#clock.now() - this.#endedAt > GRACE_MS) return undefined;
    return { head: this.#last, script: this.#lastScript };
  }
}
