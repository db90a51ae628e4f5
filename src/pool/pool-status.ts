import type { Backend } from "../backend/backend.ts";
import type { Program } from "../start/program.ts";
import type { Measures } from "./measures.ts";
import type { Population } from "./population.ts";
import type { WaitQueue } from "./queue.ts";
import type { Starts } from "./starts.ts";
import type { Tally } from "./tally.ts";

/** One program, its processes and its queue at this moment, for the status. */
export interface PoolStatus {
  readonly program: Program;
  readonly tally: Tally;
  readonly backends: readonly Backend[];
  readonly waiting: number;
  readonly oldestWaitMs: number;
  /** Most processes; may be Infinity. */
  readonly cap: number;
  readonly measures: Measures;
  readonly cpuShare: number | undefined;
  /** Starts that failed in a row. */
  readonly failures: number;
  /** Until the next start may be tried. */
  readonly retryInMs: number;
}

export function statusOf(population: Population, queue: WaitQueue, starts: Starts, tally: Tally): PoolStatus {
  const { program, all: backends, cap, workload } = population;
  const { length: waiting, oldestWaitMs } = queue;
  const { measures, cpuShare } = workload;
  const { failures, waitMs: retryInMs } = starts;
  return { program, tally, backends, waiting, oldestWaitMs, cap, measures, cpuShare, failures, retryInMs };
}
