import type { Clock } from "./clock.ts";

/** So long work goes on in one turn of the event loop, and to the end of the step that it is at. */
const TURN_MS = 1;

interface Work {
  /** Does the next step. True: that was the last one. */
  next(): boolean;
  fail(error: unknown): void;
}

/**
 * Work in small steps, for which nobody is to stand still: as many of them in a turn of the event loop as take a moment, then all others have theirs.
 * One work after the other, in the order in which they were asked for; one that takes no longer than a moment is done at once.
 */
export class Turns {
  readonly #clock: Clock;
  readonly #works: Work[] = [];
  /** How much of this turn is left. */
  #leftMs = TURN_MS;
  /** Whether another turn will begin. */
  #isDue = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Does what `steps` do from one `yield` to the next. Settles with what they return, or throw. */
  run<Result>(steps: Iterator<unknown, Result>): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const next = () => {
      const { done, value } = steps.next();
      if (done) resolve(value);
      return done === true;
    };
    this.#works.push({ next, fail: reject });
    if (this.#works.length === 1) this.#go();
    return promise;
  }

  #go(): void {
    const startedAt = this.#clock.now();
    let now = startedAt;
    while (this.#works.length > 0 && now - startedAt < this.#leftMs) {
      this.#step();
      now = this.#clock.now();
    }
    this.#leftMs -= now - startedAt;
    if (this.#isDue) return;
    this.#isDue = true;
    this.#clock.soon(() => this.#onTurn());
  }

  #step(): void {
    const work = this.#works[0] as Work;
    try {
      if (!work.next()) return;
    } catch (error) {
      work.fail(error);
    }
    this.#works.shift();
  }

  #onTurn(): void {
    this.#isDue = false;
    this.#leftMs = TURN_MS;
    if (this.#works.length > 0) this.#go();
  }
}
