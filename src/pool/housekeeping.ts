import { treeMemoryOf } from "../backend/process-tree.ts";
import { mayRetire, needed, SURPLUS_IDLE_MS } from "./policy.ts";
import type { Population } from "./population.ts";
import { isFarTooLarge } from "./recycling.ts";

const SECOND_MS = 1000;
/** Processes of one program that are weighed in one second, in turn: each costs a file read from /proc. */
const MOST_WEIGHED = 64;

/**
 * What is done once a second: processes that are too large, too old, or not needed any more are ended. Returns how many files of /proc were
 * read.
 */
export function keepHouse(population: Population, now: number): number {
  const { maxMemoryBytes, maxMemoryHardBytes } = population.program.app;
  const isWeighed = maxMemoryBytes > 0 || maxMemoryHardBytes > 0;
  const weighed = isWeighed ? weigh(population, maxMemoryHardBytes) : 0;
  if (isWeighed || mayAge(population)) recycleIdle(population, now);
  retireSurplus(population, now);
  return weighed;
}

/** When there is something to be done again for a program for which nothing happens until then, by the clock. */
export function nextHouseAt(population: Population, now: number): number {
  const { free, workload, living, program } = population;
  const { maxMemoryBytes, maxMemoryHardBytes, idleTimeoutMs, concurrency } = program.app;
  if (maxMemoryBytes > 0 || maxMemoryHardBytes > 0 || mayAge(population)) return now;
  const { idlest } = free;
  if (!idlest || living <= population.kept) return Number.POSITIVE_INFINITY;
  const idleAt = idlest.idleSince + idleTimeoutMs;
  if (living <= 1) return idleAt;
  const keptAtHand = Math.ceil(workload.keptAtHand / concurrency);
  const isSurplus = living > needed({ cap: population.cap, keptAtHand });
  return Math.min(
    idleAt,
    isSurplus ? idlest.idleSince + SURPLUS_IDLE_MS : now + workload.fadesAfter * SECOND_MS,
  );
}

function mayAge({ program }: Population): boolean {
  return program.app.maxAgeMs > 0 || program.app.maxRequests > 0;
}

/** Looks at the memory of processes; one that holds far too much is killed, whatever it is at. */
function weigh(population: Population, hardBytes: number): number {
  const some = population.workload.some(MOST_WEIGHED);
  for (const backend of some) {
    backend.memoryBytes = treeMemoryOf(backend.pid, backend.children);
    if (isFarTooLarge(backend.memoryBytes, hardBytes)) backend.stop("max_memory_hard", 0);
  }
  return some.length;
}

function recycleIdle(population: Population, now: number): void {
  for (const backend of population.free.idle) population.recycle(backend, now);
}

/** Ends idle processes that the traffic of the last minute does not ask for, or nobody for `idle_timeout`. */
function retireSurplus(population: Population, now: number): void {
  const { free, workload, cap, kept: minProcesses, program } = population;
  const { idleTimeoutMs, concurrency } = program.app;
  const keptAtHand = Math.ceil(workload.keptAtHand / concurrency);
  for (let { idlest } = free; idlest; { idlest } = free) {
    const idleMs = now - idlest.idleSince;
    const { living } = population;
    if (!mayRetire({ idleMs, living, minProcesses, cap, keptAtHand, idleTimeoutMs })) break;
    population.retire(idlest, idleMs >= idleTimeoutMs ? "idle" : "surplus");
  }
}
