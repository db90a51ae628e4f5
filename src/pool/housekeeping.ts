import { residentOf } from "../backend/usage.ts";
import { mayRetire } from "./policy.ts";
import type { Population } from "./population.ts";
import { isFarTooLarge } from "./recycling.ts";

/** What is done once a second: processes that are too large, too old, or not needed any more are ended. */
export function keepHouse(population: Population, now: number): void {
  const { maxMemoryBytes, maxMemoryHardBytes } = population.program.app;
  if (maxMemoryBytes > 0 || maxMemoryHardBytes > 0) weigh(population, maxMemoryHardBytes);
  for (const backend of population.free.idle) {
    const reason = population.recycleReason(backend);
    if (reason) population.retire(backend, reason);
  }
  retireSurplus(population, now);
}

/** Looks at the memory of every process; one that holds far too much is killed, whatever it is at. */
function weigh(population: Population, hardBytes: number): void {
  for (const backend of population.all) {
    backend.memoryBytes = residentOf(backend.pid);
    if (isFarTooLarge(backend.memoryBytes, hardBytes)) backend.stop("max_memory_hard", 0);
  }
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
