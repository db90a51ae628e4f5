import { describe, expect, test } from "bun:test";
import { History, REMEMBERED } from "../../src/admin/dashboard/history.ts";
import { highest, SPARK_WIDTH, sparkPath } from "../../src/admin/dashboard/sparkline.ts";
import { BOUNDS_MS, Histogram } from "../../src/base/histogram.ts";
import type { Numbers } from "../../src/status/snapshot.ts";
import { collect } from "../support/collect.ts";
import { sampleSource } from "../support/sample-snapshot.ts";

const { total } = collect(sampleSource(), false);

/** Numbers after so many requests, each of which took this long. */
function numbersAfter(answered: number, cpuSeconds = 0, timesMs: readonly number[] = []): Numbers {
  const histogram = new Histogram();
  for (const ms of timesMs) histogram.observe(ms);
  return {
    ...total,
    requests: { answered, refused: 0, truncated: 0, client_left: 0 },
    cpu_seconds: cpuSeconds,
    latency: { ...total.latency, buckets: [...histogram.counts] },
  };
}

describe("the last minutes of a program", () => {
  test("are unknown until there are two events", () => {
    const history = new History();
    expect(history.last).toBeUndefined();
    expect(history.recent).toMatchObject({
      requests: 0,
      p50Seconds: null,
      p90Seconds: null,
      p99Seconds: null,
    });
    history.add(1, numbersAfter(500), null);
    expect([history.last, history.points]).toEqual([undefined, []]);
  });

  test("are the differences of counters over the time that has really passed", () => {
    const history = new History();
    history.add(1, numbersAfter(500, 3, [1, 1]), null);
    history.add(3, numbersAfter(520, 4, [1, 1, 30, 30]), 4096);
    expect(history.last).toMatchObject({ requestsPerSecond: 10, cores: 0.5, memoryBytes: 4096 });
    // Only what came since: above 16 ms, and not the two of 1 ms.
    expect(history.last?.p50Seconds).toBeGreaterThan(0.016);
    expect(history.last?.p50Seconds).toBeLessThanOrEqual(0.032);
    history.add(4, numbersAfter(520, 4, [1, 1, 30, 30]), 4096);
    expect(history.last).toMatchObject({
      requestsPerSecond: 0,
      cores: 0,
      p50Seconds: null,
      p99Seconds: null,
    });
    expect(history.recent.p50Seconds).toBeGreaterThan(0.016);
  });

  test("begin anew when counters do: another daemon, or a program that was forgotten", () => {
    for (const [at, answered] of [
      [0.5, 2000],
      [2, 10],
    ] as const) {
      const history = new History();
      history.add(1, numbersAfter(1000), null);
      history.add(1.5, numbersAfter(1001), null);
      history.add(at, numbersAfter(answered), null);
      expect(history.points).toEqual([]);
      history.add(at + 1, numbersAfter(answered + 5), null);
      expect(history.points.map(({ requestsPerSecond }) => requestsPerSecond)).toEqual([5]);
    }
  });

  test("forget times after a minute, and all after three", () => {
    const history = new History();
    const slow = (second: number) => (second < 2 ? [] : [BOUNDS_MS.at(-1) as number]);
    for (let second = 1; second <= 61; second++)
      history.add(second, numbersAfter(second, 0, slow(second)), null);
    expect(history.recent.p99Seconds).toBeGreaterThan(60);
    history.add(62, numbersAfter(62, 0, slow(62)), null);
    expect(history.recent.p99Seconds).toBeNull();
    for (let second = 63; second < 63 + REMEMBERED; second++) history.add(second, numbersAfter(second), null);
    expect(history.points.length).toBe(REMEMBERED);
  });
});

describe("a sparkline", () => {
  test("ends at the right with its newest value, 0 at the bottom and the highest at the top", () => {
    expect(sparkPath([0, 5, 10], 10, 181)).toBe("M178 29h0L179 15L180 1");
    expect(sparkPath([1, 2], 0, 181)).toBe("M179 29h0L180 29");
  });

  test("fills the width with as many values as there are places", () => {
    expect(sparkPath([1, 1, 1], 1, 3)).toBe(`M0 1h0L90 1L${SPARK_WIDTH} 1`);
  });

  test("has a gap where there is no value, and a dot for one alone", () => {
    expect(sparkPath([1, null, 1], 1, 181)).toBe("M178 1h0M180 1h0");
    expect(sparkPath([], 1, 181)).toBe("");
  });

  test("stays within its frame", () => {
    expect(sparkPath([50], 10, 181)).toBe("M180 1h0");
    expect([highest([1, null, 3]), highest([null]), highest([])]).toEqual([3, 0, 0]);
  });
});
