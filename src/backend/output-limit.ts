import type { Clock, Timer } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Program } from "../start/program.ts";

const SECOND_MS = 1000;
const BYTES_A_LINE = 1024;

/** How many lines a second one program's processes may put into the log together; the rest is counted and dropped. */
export class OutputLimit {
  readonly #clock: Clock;
  readonly #log: Log;
  /** Lines that may be logged now; a second's worth at the most. */
  #left = Number.POSITIVE_INFINITY;
  #filledAt: number;
  #dropped = 0;
  #report: Timer | undefined;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
    this.#filledAt = clock.now();
  }

  /** A long line counts as one for each KiB: what is beyond the first is charged when it has come. */
  charge({ app }: Program, bytes: number): void {
    if (app.outputLimit > 0) this.#left -= Math.max(0, Math.ceil(bytes / BYTES_A_LINE) - 1);
  }

  /** So many more lines were dropped. */
  drop(program: Program, lines: number): void {
    this.#dropped += lines;
    this.#report ??= this.#clock.after(SECOND_MS, () => this.#tell(program));
  }

  /** Whether one more line may be logged. */
  take(program: Program): boolean {
    const { outputLimit } = program.app;
    if (outputLimit === 0) return true;
    const now = this.#clock.now();
    this.#left = Math.min(outputLimit, this.#left + ((now - this.#filledAt) / SECOND_MS) * outputLimit);
    this.#filledAt = now;
    if (this.#left >= 1) {
      this.#left--;
      return true;
    }
    this.drop(program, 1);
    return false;
  }

  #tell({ name, app }: Program): void {
    this.#report = undefined;
    const dropped = this.#dropped;
    this.#dropped = 0;
    this.#log.warn(
      `it printed more than output_limit (${app.outputLimit} lines a second): ${dropped} lines were dropped`,
      {
        program: name,
        dropped,
      },
    );
  }
}
