import type { Backend } from "../backend/backend.ts";
import type { StopReason } from "../backend/exit.ts";
import { residentOf } from "../backend/usage.ts";
import type { AppConfig } from "../config/config.ts";
import { mayRetire } from "./policy.ts";
import type { Population } from "./population.ts";

/** Ends a backend; with `force` at once. */
export type StopBackend = (backend: Backend, reason: StopReason, force?: boolean) => void;

/** What is done once a second: processes that are too large, too old, or not needed any more are ended. */
export function keepHouse(population: Population, app: AppConfig, now: number, stop: StopBackend): void {
  if (app.maxMemoryBytes > 0 || app.maxMemoryHardBytes > 0) weigh(population, app, stop);
  for (const backend of population.idle.all) {
    const reason = population.recycleReason(backend);
    if (reason) stop(backend, reason);
  }
  retire(population, app, now, stop);
}

/** Looks at the memory of every process; one that holds far too much is killed, whatever it is at. */
function weigh(population: Population, app: AppConfig, stop: StopBackend): void {
  for (const backend of population.all) {
    backend.memoryBytes = residentOf(backend.pid);
    const isTooLarge = app.maxMemoryHardBytes > 0 && (backend.memoryBytes ?? 0) > app.maxMemoryHardBytes;
    if (isTooLarge) stop(backend, "max_memory_hard", true);
  }
}

/** Ends idle processes that the traffic of the last minute does not ask for, or nobody for `idle_timeout`. */
function retire(population: Population, app: AppConfig, now: number, stop: StopBackend): void {
  const { idle, workload } = population;
  const { idleTimeoutMs, minProcesses, maxProcesses } = app;
  const cap = population.cap(maxProcesses);
  for (let { idlest } = idle; idlest; { idlest } = idle) {
    const idleMs = now - idlest.idleSince;
    const { living } = population;
    const { keptAtHand } = workload;
    if (!mayRetire({ idleMs, living, minProcesses, cap, keptAtHand, idleTimeoutMs })) break;
    stop(idlest, idleMs >= idleTimeoutMs ? "idle" : "surplus");
  }
}
