import type { Clock, Timer } from "../base/clock.ts";
import { LinkedList } from "../base/linked-list.ts";
import type { Lease } from "./backend.ts";

/** A program that waits for its next request reads it within a fraction of this. */
const UNREAD_MS = 5;
/** So many that are unread are looked at in one look; each costs a few reads from /proc. */
const MOST_LOOKS = 16;

/**
 * Looks at requests that were handed over a while ago: END_REQUEST says that an answer is over, not that the process is free. One timer
 * serves all, and a request that is over by then costs no more than a few assignments. It is forgotten at once: what a watch holds for a moment longer
 * looks as if it were here to stay when the runtime's collector comes by, and stays as long as the whole heap is not looked at.
 */
export class UnreadWatch {
  readonly #clock: Clock;
  /** In the order in which they were handed over. */
  readonly #young = new LinkedList<Lease>();
  /** Found unread at the last look. */
  readonly #unread = new LinkedList<Lease>();
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A request was handed over just now, for the first time. */
  add(lease: Lease): void {
    this.#move(lease, this.#young);
    this.#timer ??= this.#clock.after(UNREAD_MS, () => this.#look());
  }

  /** It is over. Does nothing for one that was never handed over. */
  remove(lease: Lease): void {
    lease.watched?.remove(lease);
    lease.watched = undefined;
  }

  #look(): void {
    this.#timer = undefined;
    const due = this.#clock.now() - UNREAD_MS;
    for (let next = this.#young.first; next && next.since <= due; next = this.#young.first)
      if (next.isUnread) this.#move(next, this.#unread);
      else this.remove(next);
    for (const lease of this.#unread.members(MOST_LOOKS)) {
      if (!lease.isUnread) {
        this.remove(lease);
        continue;
      }
      // In turn: those that stay unread go to the end of the line.
      this.#move(lease, this.#unread);
      lease.backend.onUnread(lease);
    }
    if (!this.#unread.first && !this.#young.first) return;
    this.#timer ??= this.#clock.after(UNREAD_MS, () => this.#look());
  }

  #move(lease: Lease, list: LinkedList<Lease>): void {
    lease.watched?.remove(lease);
    lease.watched = list;
    list.push(lease);
  }
}
