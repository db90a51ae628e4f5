import { quantileMs } from "../base/histogram.ts";
import type { HistogramStatus, Numbers } from "./snapshot.ts";

/** How long requests took that ended in some time; null when none did. */
export interface Times {
  readonly p50Seconds: number | null;
  readonly p90Seconds: number | null;
  readonly p99Seconds: number | null;
}

/** What one program, or all together, did in the time between two snapshots. */
export interface Activity extends Times {
  readonly requestsPerSecond: number;
  /** Refused or broken off. */
  readonly failuresPerSecond: number;
  /** Cores that its processes used. */
  readonly cores: number;
}

/** From the same counters at two moments, `elapsedSeconds` apart. What was not there before began at 0. */
export function activityBetween(
  before: Numbers | undefined,
  after: Numbers,
  elapsedSeconds: number,
): Activity {
  // Counters that went back are those of a program that came and went: they began anew.
  const since = (read: (numbers: Numbers) => number) => {
    const grown = read(after) - (before ? read(before) : 0);
    return (grown < 0 ? read(after) : grown) / elapsedSeconds;
  };
  return {
    requestsPerSecond: since(requestsOf),
    failuresPerSecond: since(failuresOf),
    cores: since(({ cpu_seconds }) => cpu_seconds),
    ...timesBetween(before?.latency, after.latency),
  };
}

/** From the same histogram at two moments; without the first one, since the beginning. */
export function timesBetween(
  before: Pick<HistogramStatus, "buckets"> | undefined,
  { buckets, max_seconds }: Pick<HistogramStatus, "buckets" | "max_seconds">,
): Times {
  const counts = buckets.map((count, bucket) => Math.max(0, count - (before?.buckets[bucket] ?? 0)));
  const maxMs = (max_seconds ?? 0) * 1000;
  const seconds = (part: number) => {
    const ms = quantileMs(counts, part, maxMs);
    return ms === undefined ? null : ms / 1000;
  };
  return { p50Seconds: seconds(0.5), p90Seconds: seconds(0.9), p99Seconds: seconds(0.99) };
}

/** All processes that live. */
export function processesOf({ processes }: Numbers): number {
  return Object.values(processes).reduce((sum, each) => sum + each, 0);
}

/** All requests that have ended. */
export function requestsOf({ requests }: Numbers): number {
  return Object.values(requests).reduce((sum, each) => sum + each, 0);
}

/** Those that were refused or broke off. */
export function failuresOf({ requests }: Numbers): number {
  return requests.refused + requests.truncated;
}
