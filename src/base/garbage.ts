import type { Clock, Timer } from "./clock.ts";

/** After so many bytes of chunks that were let go of the heap's size is looked at, and the collector asked to look at what is new. */
const ASK_EVERY_BYTES = 16 * 1024 * 1024;
/** How often the heap's size is looked at besides, and how long nothing has to come until the last garbage is collected. */
const LOOK_EVERY_MS = 1000;
const WORTH_BYTES = 1024 * 1024;
/** A heap may grow by half of what was found to live in it, and by so much at least, before all of it is looked at. */
const MIN_GROWTH_BYTES = 40 * 1024 * 1024;
/** Looking at all of it takes so little of the time at most. */
const MAX_SHARE_OF_TIME = 0.03;

/** The runtime's collector. */
export interface Collector {
  /** Asks it to look at what is new; it works beside us. */
  hint(): void;
  /** Bytes of the heap and what it owns, as of the last collection. */
  size(): number;
  /** Looks at all of the heap at once. Gives the bytes that live. */
  full(): number;
}

/**
 * Asks the runtime's collector to look when much was let go of, and when nothing is any more. By itself it comes late: what is alive while it looks
 * (a slow client's chunks, connections of this moment) counts as old, and old ones are collected only when the heap is several times as large as it
 * was; a daemon that has nothing to do keeps what its last requests have left (Bun 1.4.5).
 */
export class Garbage {
  readonly #collector: Collector;
  readonly #clock: Clock;
  #bytes = 0;
  /** Something was let go of since the last look. */
  #isBusy = false;
  #timer: Timer | undefined;
  /** Bytes that the last full collection left; more than is known to live makes the first one later. */
  #living = MIN_GROWTH_BYTES;
  #notBefore = 0;

  constructor(collector: Collector, clock: Clock) {
    this.#collector = collector;
    this.#clock = clock;
  }

  /** So many bytes are of no use to anybody any more. */
  add(bytes: number): void {
    this.#bytes += bytes;
    this.#isBusy = true;
    if (this.#bytes >= ASK_EVERY_BYTES) {
      this.#bytes = 0;
      if (this.#hasGrown()) this.#collectAll();
      else this.#collector.hint();
    }
    this.#timer ??= this.#clock.after(LOOK_EVERY_MS, () => this.#look());
  }

  #look(): void {
    const isBusy = this.#isBusy;
    this.#isBusy = false;
    this.#timer = isBusy ? this.#clock.after(LOOK_EVERY_MS, () => this.#look()) : undefined;
    if (isBusy ? this.#hasGrown() : this.#bytes >= WORTH_BYTES) this.#collectAll();
  }

  #hasGrown(): boolean {
    if (this.#clock.now() < this.#notBefore) return false;
    return this.#collector.size() > this.#living + Math.max(this.#living / 2, MIN_GROWTH_BYTES);
  }

  #collectAll(): void {
    this.#bytes = 0;
    const since = this.#clock.now();
    this.#living = this.#collector.full();
    const until = this.#clock.now();
    this.#notBefore = until + (until - since) / MAX_SHARE_OF_TIME;
  }
}
