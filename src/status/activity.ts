import { quantileMs } from "../base/histogram.ts";
import type { Numbers } from "./snapshot.ts";

/** What one program, or all together, did in the time between two snapshots. */
export interface Activity {
  readonly requestsPerSecond: number;
  /** Refused or broken off. */
  readonly failuresPerSecond: number;
  /** Cores that its processes used. */
  readonly cores: number;
  /** Of the requests that ended in that time; null when there were none. */
  readonly p50Seconds: number | null;
  readonly p90Seconds: number | null;
  readonly p99Seconds: number | null;
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
  const counts = after.latency.buckets.map((count, bucket) =>
    Math.max(0, count - (before?.latency.buckets[bucket] ?? 0)),
  );
  const quantile = (part: number) => {
    const ms = quantileMs(counts, part);
    return ms === undefined ? null : ms / 1000;
  };
  return {
    requestsPerSecond: since(requestsOf),
    failuresPerSecond: since(failuresOf),
    cores: since(({ cpu_seconds }) => cpu_seconds),
    p50Seconds: quantile(0.5),
    p90Seconds: quantile(0.9),
    p99Seconds: quantile(0.99),
  };
}

/** All requests that have ended. */
export function requestsOf({ requests }: Numbers): number {
  return Object.values(requests).reduce((sum, each) => sum + each, 0);
}

/** Those that were refused or broke off. */
export function failuresOf({ requests }: Numbers): number {
  return requests.refused + requests.truncated;
}
