import type { Backend } from "../backend/backend.ts";
import type { PoolStatus } from "../pool/pool-status.ts";
import type { OtherProcess, QueueFacts, QueueLimit } from "../slow/slow-report.ts";

/** The process of a program that has been starting for the longest time. */
export function oldestStart({ backends }: PoolStatus): Backend | undefined {
  return least(
    backends.filter(({ state }) => state === "starting"),
    ({ startedAt }) => startedAt,
  );
}

/**
 * What holds up a request that waits for a process. `room`: how many more it may have of what all programs together may have. `starting`: what the process
 * does that has been starting for the longest time, where that is known.
 */
export function queueFactsOf(
  status: PoolStatus,
  ahead: number,
  room: number,
  now: number,
  starting: string | undefined,
): QueueFacts {
  const starter = oldestStart(status);
  return {
    ahead,
    busy: status.backends.filter(({ busy }) => busy > 0).length,
    starting: starter && { pid: starter.pid, ageMs: now - starter.startedAt, what: starting },
    slowest: slowestOf(status, now),
    limit: limitOf(status, room),
  };
}

function slowestOf({ backends }: PoolStatus, now: number): OtherProcess | undefined {
  const leases = backends.flatMap((backend) => backend.leases);
  const slowest = least(leases, ({ since }) => since);
  return slowest && { pid: slowest.backend.pid, ageMs: now - slowest.since, what: slowest.head?.label };
}

function limitOf({ program, backends, cap, retryInMs }: PoolStatus, room: number): QueueLimit {
  const { maxProcesses } = program.app;
  if (retryInMs > 0) return { kind: "failed starts", retryInMs };
  if (maxProcesses > 0 && backends.length >= maxProcesses) return { kind: "max_processes" };
  if (room <= 0) return { kind: "all programs" };
  return { kind: backends.length >= cap ? "cores and memory" : "none" };
}

function least<Item>(items: readonly Item[], value: (item: Item) => number): Item | undefined {
  return items.reduce<Item | undefined>((best, item) => {
    return best === undefined || value(item) < value(best) ? item : best;
  }, undefined);
}
