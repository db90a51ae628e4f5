import type { Clock, Timer } from "./clock.ts";

/**
 * One timer for whoever looks at something again and again, and finds out each time by when it must look the next time. A look that comes early does
 * no harm: so the timer is set anew only where it would come too late.
 */
export class LookAgain {
  readonly #clock: Clock;
  readonly #onLook: () => void;
  #timer: Timer | undefined;
  #at = 0;

  constructor(clock: Clock, onLook: () => void) {
    this.#clock = clock;
    this.#onLook = onLook;
  }

  /** Looks in `delayMs` from `now` at the latest; with Infinity nothing changes. */
  within(delayMs: number, now = this.#clock.now()): void {
    if (delayMs === Number.POSITIVE_INFINITY) return;
    const at = now + delayMs;
    if (this.#timer && this.#at <= at) return;
    this.#timer?.cancel();
    this.#at = at;
    this.#timer = this.#clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#onLook();
    });
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
