/** A running timer. */
export interface Timer {
  /** Ends the timer; does nothing when it has fired or was ended already. */
  cancel(): void;
}

/** Monotonic time and the only timers of std-fpm. Handed in everywhere, so that tests can turn it by hand. */
export interface Clock {
  /** Monotonic milliseconds, with a fraction; the origin means nothing. */
  now(): number;
  /** Calls `fire` once, not before `delayMs` from now. */
  after(delayMs: number, fire: () => void): Timer;
  /** Calls `fire` again and again, `periodMs` apart, until cancelled. */
  every(periodMs: number, fire: () => void): Timer;
  /** Calls `fire` once, when the event loop has dealt with what it has at hand: for work that many events of one turn ask for. */
  soon(fire: () => void): void;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(delayMs, fire) {
    const handle = setTimeout(fire, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
  every(periodMs, fire) {
    const handle = setInterval(fire, periodMs);
    return { cancel: () => clearInterval(handle) };
  },
  soon(fire) {
    setImmediate(fire);
  },
};
