import type { Clock, Timer } from "../base/clock.ts";
import type { Lease } from "./backend.ts";

/** A program that waits for its next request reads it within a fraction of this. */
const UNREAD_MS = 5;
/** So many that are unread are looked at in one look; each costs a few reads from /proc. */
const MOST_LOOKS = 16;

/**
 * Looks at requests that were handed over a while ago: END_REQUEST says that an answer is over, not that the process is free. One timer
 * serves all, and a request that is over by then costs no more than its place in a list.
 */
export class UnreadWatch {
  readonly #clock: Clock;
  /** In the order in which they were handed over. */
  readonly #young: Lease[] = [];
  /** Found unread at the last look. */
  readonly #unread: Lease[] = [];
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A request was handed over just now. */
  add(lease: Lease): void {
    this.#young.push(lease);
    this.#timer ??= this.#clock.after(UNREAD_MS, () => this.#look());
  }

  #look(): void {
    this.#timer = undefined;
    const due = this.#clock.now() - UNREAD_MS;
    let looked = 0;
    for (const lease of this.#young) {
      if (lease.since > due) break;
      looked++;
      if (lease.isUnread) this.#unread.push(lease);
    }
    this.#young.splice(0, looked);
    // In turn: those that stay unread go to the end of the line.
    for (const lease of this.#unread.splice(0, MOST_LOOKS)) {
      if (!lease.isUnread) continue;
      this.#unread.push(lease);
      lease.backend.onUnread(lease);
    }
    if (this.#unread.length + this.#young.length === 0) return;
    this.#timer ??= this.#clock.after(UNREAD_MS, () => this.#look());
  }
}
