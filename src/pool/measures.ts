import { follow } from "./policy.ts";

/** What was learned of one program; undefined while nothing was seen. Sums fade, so that it follows a change. */
export interface Measures {
  /** Mean time from lending to the end of the request, in milliseconds. */
  readonly serviceMs: number | undefined;
  /** Mean time from spawn to the first accept, in milliseconds. */
  readonly bootMs: number | undefined;
  /** The part of a core that a boot uses on the mean, 0 to 1; undefined until one was seen. */
  readonly bootCpuShare: number | undefined;
  /** Mean memory of one process, in bytes. */
  readonly memoryBytes: number | undefined;
  /** CPU time while busy, faded. */
  readonly runMs: number;
  /** Time in the run queue while busy, faded. */
  readonly cpuWaitMs: number;
  /** Time at work on a request, faded. */
  readonly busyMs: number;
}

/** What processes used while at work since they were looked at last, or for a boot; in milliseconds. */
export interface CpuUse {
  /** On a CPU: the first field of /proc/PID/schedstat. */
  readonly runMs: number;
  /** Ready to run, and waiting for a CPU: its second field; 0 where the kernel does not tell. */
  readonly cpuWaitMs: number;
  /** At work on a request, or booting. */
  readonly busyMs: number;
}

/** The share is taken for known once this much work was seen. */
const ENOUGH_WORK_MS = 20;
/** About this much work is remembered. */
const REMEMBERED_WORK_MS = 10_000;

/** Nothing is known. */
export const UNKNOWN: Measures = {
  serviceMs: undefined,
  bootMs: undefined,
  bootCpuShare: undefined,
  memoryBytes: undefined,
  runMs: 0,
  cpuWaitMs: 0,
  busyMs: 0,
};

/** Adds a boot, from the spawn to the first accept. One that used no CPU time was not measured: that part stays as it was. */
export function withBoot(measures: Measures, boot: CpuUse): Measures {
  return {
    ...measures,
    bootMs: follow(measures.bootMs, boot.busyMs),
    bootCpuShare: boot.runMs > 0 ? follow(measures.bootCpuShare, share(boot)) : measures.bootCpuShare,
  };
}

/** Adds what one process was seen to hold in memory. */
export function withMemory(measures: Measures, bytes: number): Measures {
  return { ...measures, memoryBytes: follow(measures.memoryBytes, bytes) };
}

/** Adds what was used since the last look. Looks may be as rare as one a second: they need not follow each request. */
export function withCpuUse(measures: Measures, use: CpuUse): Measures {
  const kept = Math.max(0, 1 - use.busyMs / REMEMBERED_WORK_MS);
  return {
    ...measures,
    runMs: measures.runMs * kept + use.runMs,
    cpuWaitMs: measures.cpuWaitMs * kept + use.cpuWaitMs,
    busyMs: measures.busyMs * kept + use.busyMs,
  };
}

/**
 * The part of a core that one process would use while at work, had it the machine for itself: 0 to 1, undefined until
 * enough was seen. Time in the run queue is taken out of the time at work: fifty processes that share two cores use 4 %
 * of one each, and still each of them is a CPU-bound process; and a process that mostly sleeps stays one while its
 * neighbours keep it waiting.
 */
export function cpuShare(use: CpuUse): number | undefined {
  return use.busyMs < ENOUGH_WORK_MS ? undefined : share(use);
}

/** The part of a core that boots which are still going on have used so far, the highest of them; undefined while all are young. */
export function bootShareSoFar(boots: Iterable<CpuUse>): number | undefined {
  let highest: number | undefined;
  for (const boot of boots) {
    if (boot.busyMs >= ENOUGH_WORK_MS) highest = Math.max(highest ?? 0, share(boot));
  }
  return highest;
}

function share({ runMs, cpuWaitMs, busyMs }: CpuUse): number {
  // With several threads the waits can add up to more than the request took; it is then as CPU-bound as can be.
  return Math.min(1, runMs / Math.max(runMs, busyMs - cpuWaitMs, Number.MIN_VALUE));
}
