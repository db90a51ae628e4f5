import type { PoolView } from "./policy.ts";
import type { Population } from "./population.ts";
import type { WaitQueue } from "./queue.ts";

/**
 * What the policy sees of a pool. It counts in places: a process that serves several requests at once is as many of
 * them as it serves.
 */
export function viewOf(population: Population, queue: WaitQueue, room: number): PoolView {
  const { free, workload, program } = population;
  const { concurrency, minProcesses } = program.app;
  return {
    waiting: queue.length,
    waitingForUnserved: 0,
    oldestWaitMs: queue.oldestWaitMs,
    idle: free.places,
    idleUnserved: 0,
    busy: workload.busy,
    starting: population.starting * concurrency,
    total: population.size * concurrency,
    minProcesses: Math.min(minProcesses, population.kept) * concurrency,
    maxProcesses: population.cap * concurrency,
    room: room * concurrency,
    startsAtOnce: population.bootsAtOnce * concurrency,
    serviceMs: workload.measures.serviceMs,
    bootMs: workload.measures.bootMs,
    meanAgeMs: workload.meanAgeMs,
  };
}
