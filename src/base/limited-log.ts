import type { Clock, Timer } from "./clock.ts";
import type { Log, LogFields } from "./log.ts";

/** So many lines in so long: ten a second, or all of them at once. */
const MOST_LINES = 50;
const PERIOD_MS = 5000;

/**
 * For lines that anybody who may send requests can cause: they shall not fill the disk. At most 50 in five seconds are written; at their end one line
 * says how many were left out. A log for debugging gets all of them.
 */
export class LimitedLog {
  readonly #clock: Clock;
  readonly #log: Log;
  #written = 0;
  #leftOut = 0;
  #period: Timer | undefined;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  info(message: string, fields?: LogFields): void {
    if (this.#mayWrite()) this.#log.info(message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    if (this.#mayWrite()) this.#log.warn(message, fields);
  }

  /** Tells what was left out. */
  close(): void {
    this.#period?.cancel();
    this.#endPeriod();
  }

  #mayWrite(): boolean {
    if (this.#log.isDebug) return true;
    this.#period ??= this.#clock.after(PERIOD_MS, () => this.#endPeriod());
    if (this.#written < MOST_LINES) {
      this.#written++;
      return true;
    }
    this.#leftOut++;
    return false;
  }

  #endPeriod(): void {
    const leftOut = this.#leftOut;
    this.#period = undefined;
    this.#written = 0;
    this.#leftOut = 0;
    if (leftOut === 0) return;
    const what = `${leftOut} more lines about requests that clients got wrong are left out: level = "debug" writes all`;
    this.#log.warn(what, { left_out: leftOut });
  }
}
