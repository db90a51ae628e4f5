import type { Clock } from "./clock.ts";

const EVERY_MS = 10_000;

/** For a line of the log about what may happen again and again: it shall not fill the log. */
export class RareLine {
  readonly #clock: Clock;
  #toldAt = Number.NEGATIVE_INFINITY;
  #times = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** It has happened: `tell` is called with how often since the last line, once in ten seconds at the most. */
  add(tell: (times: number) => void): void {
    this.#times++;
    const now = this.#clock.now();
    if (now - this.#toldAt < EVERY_MS) return;
    const times = this.#times;
    this.#toldAt = now;
    this.#times = 0;
    tell(times);
  }
}
