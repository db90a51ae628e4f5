import type { Backend } from "../backend/backend.ts";
import type { StopReason } from "../backend/exit.ts";
import type { Program } from "../start/program.ts";

/** How a program differs from the one before it. */
export type Change = "none" | "settings" | "launch settings" | "file";

/** How long requests wait for a new version to start before the old one serves them. */
const PATIENCE_MS = 1000;

/**
 * Which version of a program serves. A new one takes over when the first process of it is ready. Requests wait for that,
 * so that nobody sees the old version after a change, but not for long: a version that takes its time to start, or cannot be
 * started at all, leaves them to the processes of the old one. Of trees (see Relief) the first one must be warm; for other settings and
 * a restart by hand no request waits for it.
 */
export class Succession {
  #program: Program;
  /** The newest version as it was handed in. */
  #given: Program;
  /** How many restarts were asked for by hand: each makes another generation of the same version. */
  #restarts = 0;
  /** Whether that is how the present generation came about. */
  #isByHand = false;
  /** The generation that serves: a process of it was ready. */
  #proven: string | undefined;
  /** Until then requests wait for the new version. */
  #patientUntil = 0;

  constructor(program: Program) {
    this.#program = program;
    this.#given = program;
  }

  /** The newest version: what is started. */
  get program(): Program {
    return this.#program;
  }

  /** Whether processes of an old version serve because none of the new one was ready yet. */
  get isPending(): boolean {
    return this.#proven !== undefined && this.#proven !== this.#program.generation;
  }

  /** Why those of another generation leave. */
  get reason(): StopReason {
    return this.#isByHand ? "restarted by hand" : "new version";
  }

  /** How long requests still wait for the new version, in milliseconds. */
  patienceMs(now: number): number {
    return this.isPending ? Math.max(0, this.#patientUntil - now) : 0;
  }

  /** The new version could not be started, or is lent to requests as well: it is not waited for any longer. */
  endPatience(): void {
    this.#patientUntil = 0;
  }

  /** Whether this is what is used already. */
  isUsed({ generation, app }: Program): boolean {
    return generation === this.#given.generation && app === this.#given.app;
  }

  /** Uses another version, or other settings, from `now` on: not what is used already. */
  replace(program: Program, now: number): Change {
    this.#given = program;
    this.#isByHand = false;
    return this.#adopt(this.#marked(program), now);
  }

  /** The same version, in processes started from `now` on. */
  restart(now: number): void {
    this.#restarts++;
    this.#isByHand = true;
    this.#adopt(this.#marked(this.#given), now);
  }

  #marked(program: Program): Program {
    if (this.#restarts === 0) return program;
    return { ...program, generation: `${program.generation} restart ${this.#restarts}` };
  }

  #adopt(program: Program, now: number): Change {
    const before = this.#program;
    this.#program = program;
    if (program.generation === before.generation) return "settings";
    const change = program.version === before.version ? "launch settings" : "file";
    const isPatient = change === "file" || program.app.children === 0;
    this.#patientUntil = isPatient ? now + PATIENCE_MS : 0;
    return change;
  }

  /** A process is ready; a tree: it is warm, or in nobody's place. True when its version takes over from another. */
  onReady({ program: { generation } }: Backend): boolean {
    const takesOver = this.isPending && generation === this.#program.generation;
    if (generation === this.#program.generation) this.#proven = generation;
    return takesOver;
  }

  isCurrent(backend: Backend): boolean {
    return backend.program.generation === this.#program.generation;
  }

  /** Whether a newer version than this process's serves. */
  isOutdated(backend: Backend): boolean {
    return !this.isPending && !this.isCurrent(backend);
  }
}
