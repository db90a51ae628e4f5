import type { Clock, Timer } from "./clock.ts";
import { type Linked, LinkedList } from "./linked-list.ts";

/** What is due some time after it was set, unless it is cleared before: see `Deadlines`, which alone changes the fields. */
export interface Deadline extends Linked<Deadline> {
  /** Those that are due after the same time; undefined while it is not set. */
  line: DeadlineLine | undefined;
  /** When it is due, by the clock. */
  dueAt: number;
  /** Its time has come. It is not set any more. */
  onDue(): void;
}

/**
 * Deadlines of which many have the same length: all of one length stand in one line, in the order in which they were set, and one timer does for
 * a line. To set or clear one costs a few assignments.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #lines = new Map<number, DeadlineLine>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `deadline` is due `delayMs` after `now`, wherever it stood before. */
  set(deadline: Deadline, delayMs: number, now: number): void {
    deadline.line?.remove(deadline);
    let line = this.#lines.get(delayMs);
    if (!line) {
      line = new DeadlineLine(this.#clock, delayMs, () => this.#lines.delete(delayMs));
      this.#lines.set(delayMs, line);
    }
    line.add(deadline, now);
  }

  /** Does nothing when it is not set. */
  clear(deadline: Deadline): void {
    deadline.line?.remove(deadline);
  }
}

/** Deadlines of one length. */
export class DeadlineLine {
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #onEmpty: () => void;
  readonly #deadlines = new LinkedList<Deadline>();
  /** Fires when the first is due, or one that was the first when it was set: then it looks again. */
  #timer: Timer | undefined;

  /** `onEmpty`: nothing is due, and the timer has ended. */
  constructor(clock: Clock, delayMs: number, onEmpty: () => void) {
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.#onEmpty = onEmpty;
  }

  add(deadline: Deadline, now: number): void {
    deadline.line = this;
    deadline.dueAt = now + this.#delayMs;
    this.#deadlines.push(deadline);
    this.#timer ??= this.#clock.after(this.#delayMs, () => this.#look());
  }

  remove(deadline: Deadline): void {
    this.#deadlines.remove(deadline);
    deadline.line = undefined;
  }

  #look(): void {
    this.#timer = undefined;
    const now = this.#clock.now();
    try {
      for (let first = this.#deadlines.first; first && first.dueAt <= now; first = this.#deadlines.first) {
        this.remove(first);
        first.onDue();
      }
    } finally {
      // After an exception too: the others are due all the same.
      this.#lookAgain(now);
    }
  }

  #lookAgain(now: number): void {
    const { first } = this.#deadlines;
    if (first) this.#timer ??= this.#clock.after(Math.max(0, first.dueAt - now), () => this.#look());
    else if (!this.#timer) this.#onEmpty();
  }
}
