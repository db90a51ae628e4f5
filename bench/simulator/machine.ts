import { Timeline } from "./timeline.ts";

/** One piece of work on the CPU. */
export interface Work {
  readonly needMs: number;
  readonly startedAt: number;
  /** The machine's progress when it began: see Machine. */
  readonly startedWith: number;
  readonly onDone: () => void;
}

/**
 * A machine whose cores are shared evenly by whoever wants one: each gets a core, or cores/n of one. `progress` is the
 * CPU time that a work has got which was there from the beginning; a work ends when progress has grown by its need.
 */
export class Machine {
  readonly #cores: number;
  readonly #works = new Timeline<Work>();
  #now: number;
  #progress = 0;

  constructor(cores: number, now: number) {
    this.#cores = cores;
    this.#now = now;
  }

  /** When the next work ends; Infinity when none runs. */
  get nextAt(): number {
    const left = this.#works.nextAt - this.#progress;
    return left === Number.POSITIVE_INFINITY ? left : this.#now + Math.max(0, left) / this.#speed;
  }

  run(needMs: number, onDone: () => void): Work {
    const work = { needMs, startedAt: this.#now, startedWith: this.#progress, onDone };
    this.#works.add(this.#progress + needMs, work);
    return work;
  }

  /** CPU time that a work has got so far. */
  got(work: Work): number {
    return Math.min(work.needMs, this.#progress - work.startedWith);
  }

  advanceTo(now: number): void {
    this.#progress += (now - this.#now) * this.#speed;
    this.#now = now;
  }

  /** Ends the work that is due. */
  finishNext(): void {
    this.#progress = Math.max(this.#progress, this.#works.nextAt);
    this.#works.take()?.onDone();
  }

  get #speed(): number {
    const wanting = this.#works.length;
    return wanting <= this.#cores ? 1 : this.#cores / wanting;
  }
}
