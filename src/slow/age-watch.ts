import type { Clock, Timer } from "../base/clock.ts";
import { type Linked, LinkedList } from "../base/linked-list.ts";

/** What has begun at some time. */
export interface Aging<Item> extends Linked<Item> {
  /** By the clock. */
  readonly startedAt: number;
}

/**
 * Tells of each item that it has reached an age. All are given the same time, so they come due in the order in which they were added: one timer
 * does for all, and an item that goes before costs no more than its place in a list: it may be in one such watch at a time.
 */
export class AgeWatch<Item extends Aging<Item>> {
  readonly #clock: Clock;
  readonly #onAge: (item: Item) => void;
  /** In the order of their beginning, nearly: one that is out of order comes late by as much. */
  readonly #items = new LinkedList<Item>();
  #ageMs = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock, onAge: (item: Item) => void) {
    this.#clock = clock;
    this.#onAge = onAge;
  }

  /** Another age from now on, for those that are watched as well. */
  set ageMs(ageMs: number) {
    if (ageMs === this.#ageMs) return;
    this.#ageMs = ageMs;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#look();
  }

  add(item: Item): void {
    this.#items.push(item);
    if (!this.#timer) this.#look();
  }

  /** False when it is not watched any more. */
  delete(item: Item): boolean {
    return this.#items.remove(item);
  }

  clear(): void {
    for (let first = this.#items.first; first; first = this.#items.first) this.#items.remove(first);
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #look(): void {
    const now = this.#clock.now();
    for (let item = this.#items.first; item; item = this.#items.first) {
      const leftMs = item.startedAt + this.#ageMs - now;
      if (leftMs > 0) {
        this.#timer = this.#clock.after(leftMs, () => {
          this.#timer = undefined;
          this.#look();
        });
        return;
      }
      this.#items.remove(item);
      this.#onAge(item);
    }
  }
}
