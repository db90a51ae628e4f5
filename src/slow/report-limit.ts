import type { Clock, Timer } from "../base/clock.ts";

/** How many reports there may be a second. */
export interface ReportLimits {
  readonly ofAll: number;
  /** So that the reports of one program leave room for those of others. */
  readonly ofOne: number;
}

/** Slow requests that were not reported. */
export interface LeftOut {
  readonly count: number;
  /** By program, the one with most of them first. */
  readonly programs: readonly (readonly [name: string, count: number])[];
}

const SECOND_MS = 1000;

/** Counts the reports of a second; what is above the limits is told at its end, in one. */
export class ReportLimit {
  readonly #clock: Clock;
  readonly #limits: ReportLimits;
  readonly #onLeftOut: (leftOut: LeftOut) => void;
  readonly #taken = new Map<string, number>();
  readonly #leftOut = new Map<string, number>();
  #all = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock, limits: ReportLimits, onLeftOut: (leftOut: LeftOut) => void) {
    this.#clock = clock;
    this.#limits = limits;
    this.#onLeftOut = onLeftOut;
  }

  /** Whether one more may be reported; else it is counted. */
  take(program: string): boolean {
    this.#timer ??= this.#clock.after(SECOND_MS, () => this.#endSecond());
    const ofOne = this.#taken.get(program) ?? 0;
    if (this.#all >= this.#limits.ofAll || ofOne >= this.#limits.ofOne) {
      this.leaveOut(program);
      return false;
    }
    this.#all++;
    this.#taken.set(program, ofOne + 1);
    return true;
  }

  /** One that could not be reported for another reason. */
  leaveOut(program: string): void {
    this.#timer ??= this.#clock.after(SECOND_MS, () => this.#endSecond());
    this.#leftOut.set(program, (this.#leftOut.get(program) ?? 0) + 1);
  }

  close(): void {
    this.#timer?.cancel();
    if (this.#timer) this.#endSecond();
  }

  #endSecond(): void {
    this.#timer = undefined;
    this.#all = 0;
    this.#taken.clear();
    if (this.#leftOut.size === 0) return;
    const programs = [...this.#leftOut].sort(([, a], [, b]) => b - a);
    this.#leftOut.clear();
    this.#onLeftOut({ count: programs.reduce((sum, [, count]) => sum + count, 0), programs });
  }
}
