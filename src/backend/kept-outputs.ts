import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { RareLine } from "../base/rare-line.ts";
import type { OutputReader } from "./output.ts";

const MOST_OF_PROGRAM = 256;
const MOST_IN_ALL = 1024;
/** Of the descriptors of this process all of them may take this part. */
const MOST_DESCRIPTORS = 1 / 8;

/** Whose an output is. */
export interface OutputHolder {
  /** Whom its process ran as. */
  readonly uid: number;
  /** The key of its program. */
  readonly program: string;
}

/**
 * The pipes of processes that have ended while somebody goes on who has them: a job that was left on purpose would end by SIGPIPE. Each is read to its
 * end, unless there are too many: of one program then its oldest is closed; of all programs the oldest of the program that has most, among those of the
 * user who has most. Who leaves many jobs takes nothing from others.
 */
export class KeptOutputs {
  /** The oldest first. */
  readonly #kept = new Map<OutputReader, OutputHolder>();
  readonly #most: number;
  readonly #log: Log;
  readonly #closed: RareLine;

  /** `descriptors`: how many may be open in this process. */
  constructor(descriptors: number, log: Log, clock: Clock) {
    this.#log = log;
    this.#closed = new RareLine(clock);
    const fitting = Math.floor(descriptors * MOST_DESCRIPTORS);
    this.#most = Math.max(1, Math.min(fitting, MOST_IN_ALL));
  }

  add(output: OutputReader, holder: OutputHolder): void {
    this.#kept.set(output, holder);
    void output.ended.then(() => this.#kept.delete(output));
    const all = [...this.#kept];
    const ofProgram = all.filter(([, { program }]) => program === holder.program);
    if (ofProgram.length > MOST_OF_PROGRAM) this.#closeOldest(ofProgram);
    else if (all.length > this.#most) this.#closeOldest(largest(largest(all, "uid"), "program"));
  }

  #closeOldest(kept: readonly Kept[]): void {
    const [output, holder] = kept[0] ?? [];
    if (!output || !holder) return;
    const { program } = holder;
    this.#closed.add((times) => {
      const what =
        "too many jobs were left that can still print: the oldest is not read any more, and ends if it prints; let jobs print elsewhere (>/dev/null 2>&1)";
      this.#log.warn(what, { program, times });
    });
    // Its end is told later: nobody is to close it a second time instead of another one.
    this.#kept.delete(output);
    output.cancel();
  }
}

type Kept = readonly [output: OutputReader, holder: OutputHolder];

/** Those of the holder who has most of them. */
function largest(kept: readonly Kept[], by: keyof OutputHolder): readonly Kept[] {
  const groups = [...Map.groupBy(kept, ([, holder]) => holder[by]).values()];
  return groups.reduce((most, group) => (group.length > most.length ? group : most), []);
}
