import type { Program } from "../start/program.ts";
import { Tally } from "./tally.ts";

/** A program whose processes have all gone. */
export interface GoneProgram {
  readonly name: string;
  /** The id of its settings. */
  readonly settings: string;
  readonly tally: Tally;
}

/** So many of them are remembered one by one. */
const MAX_GONE = 128;

/** The tallies of all programs. Those that nobody has asked for in a long time are added up: their number is bounded. */
export class Tallies {
  /** Requests that came to no program, and the programs that are not remembered any more. */
  readonly others = new Tally();
  readonly #gone = new Map<string, GoneProgram>();
  #forgotten = 0;

  /** Programs without processes, the one that ended last at the end. */
  get gone(): Iterable<GoneProgram> {
    return this.#gone.values();
  }

  /** How many these are. */
  get goneCount(): number {
    return this.#gone.size;
  }

  /** How many programs were added up in `others`; one that comes and goes counts each time. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** Where a program without processes is counted. */
  find(key: string): Tally {
    return this.#gone.get(key)?.tally ?? this.others;
  }

  /** The tally of a program that has processes from now on. */
  take(key: string): Tally {
    const tally = this.#gone.get(key)?.tally ?? new Tally();
    this.#gone.delete(key);
    return tally;
  }

  /** The last process of a program has gone. */
  putBack({ key, name, app }: Program, tally: Tally): void {
    this.#gone.delete(key);
    this.#gone.set(key, { name, settings: app.id, tally });
    if (this.#gone.size <= MAX_GONE) return;
    const [oldest] = this.#gone;
    if (!oldest) return;
    this.#gone.delete(oldest[0]);
    this.others.add(oldest[1].tally);
    this.#forgotten++;
  }
}
