import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BOUNDS_MS, Histogram, quantileMs } from "../../src/base/histogram.ts";

const filled = (times: readonly number[]) => {
  const histogram = new Histogram();
  for (const ms of times) histogram.observe(ms);
  return histogram;
};

describe("a histogram", () => {
  test("puts a time at a bound into the bucket below it, and one just above into the next", () => {
    for (const [bucket, bound] of BOUNDS_MS.entries()) {
      expect(filled([bound]).counts[bucket]).toBe(1);
      expect(filled([bound + 1e-9]).counts[bucket + 1]).toBe(1);
    }
    expect(filled([1e12]).counts.at(-1)).toBe(1);
    expect(filled([0]).counts[0]).toBe(1);
  });

  test("counts all, and knows their sum", () => {
    const histogram = filled([1, 2, 3.5]);
    expect([histogram.count, histogram.sumMs]).toEqual([3, 6.5]);
    histogram.add(filled([4]));
    expect([histogram.count, histogram.sumMs]).toEqual([4, 10.5]);
  });
});

describe("a quantile", () => {
  test("is unknown while nothing was counted, and at most the last bound", () => {
    expect(quantileMs(new Histogram().counts, 0.5)).toBeUndefined();
    expect(quantileMs(filled([1e12]).counts, 0.5)).toBe(BOUNDS_MS.at(-1) as number);
  });

  test("lies within the bucket of the true one, and never falls with the part", () => {
    const times = fc.array(fc.double({ min: 0, max: 100_000, noNaN: true }), {
      minLength: 1,
      maxLength: 200,
    });
    fc.assert(
      fc.property(times, fc.double({ min: 0.01, max: 1, noNaN: true }), (all, part) => {
        const { counts } = filled(all);
        const sorted = all.toSorted((a, b) => a - b);
        const exact = sorted[Math.ceil(part * sorted.length) - 1] as number;
        const found = quantileMs(counts, part) as number;
        const upper = BOUNDS_MS.find((bound) => exact <= bound) as number;
        expect(found).toBeLessThanOrEqual(upper + 1e-9);
        expect(found).toBeGreaterThanOrEqual(upper === BOUNDS_MS[0] ? 0 : upper / 2 - 1e-9);
        expect(quantileMs(counts, 1) as number).toBeGreaterThanOrEqual(found);
      }),
    );
  });
});

test("no percentile is above the longest of all", () => {
  const histogram = new Histogram();
  for (const ms of [33, 33, 34]) histogram.observe(ms);
  expect(histogram.maxMs).toBe(34);
  expect(quantileMs(histogram.counts, 0.99)).toBeGreaterThan(60);
  for (const part of [0.5, 0.9, 0.99])
    expect(quantileMs(histogram.counts, part, histogram.maxMs)).toBeLessThanOrEqual(34);
  const both = new Histogram();
  both.observe(50);
  both.add(histogram);
  expect(both.maxMs).toBe(50);
});
