import type { Clock, Timer } from "./clock.ts";

/** The named timers of one owner: each name runs at most once at a time, and all end together. */
export class Timers<Name extends string> {
  readonly #clock: Clock;
  /** Made when it is first needed: most requests end without a timer. */
  #running: Map<Name, Timer> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  has(name: Name): boolean {
    return this.#running?.has(name) ?? false;
  }

  /** Starts the timer anew. */
  set(name: Name, delayMs: number, fire: () => void): void {
    this.#running ??= new Map();
    this.#running.get(name)?.cancel();
    const timer = this.#clock.after(delayMs, () => {
      this.#running?.delete(name);
      fire();
    });
    this.#running.set(name, timer);
  }

  cancel(name: Name): void {
    this.#running?.get(name)?.cancel();
    this.#running?.delete(name);
  }

  cancelAll(): void {
    if (!this.#running) return;
    for (const timer of this.#running.values()) timer.cancel();
    this.#running.clear();
  }
}
