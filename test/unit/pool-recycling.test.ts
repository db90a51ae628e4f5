import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isFarTooLarge, lifespanOf, recycleReason } from "../../src/pool/recycling.ts";

const NONE = { maxRequests: 0, maxAgeMs: 0, maxMemoryBytes: 0 };
const young = { served: 0, ageMs: 0, memoryBytes: undefined };

describe("a process is recycled", () => {
  test("never without limits, whatever it has come to", () => {
    expect(recycleReason(NONE, { served: 1e9, ageMs: 1e12, memoryBytes: 1e12 })).toBeUndefined();
  });

  test("after max_requests, not one before", () => {
    const limits = { ...NONE, maxRequests: 10 };
    expect(recycleReason(limits, { ...young, served: 9 })).toBeUndefined();
    expect(recycleReason(limits, { ...young, served: 10 })).toBe("max_requests");
  });

  test("at max_age, not a millisecond before", () => {
    const limits = { ...NONE, maxAgeMs: 1000 };
    expect(recycleReason(limits, { ...young, ageMs: 999 })).toBeUndefined();
    expect(recycleReason(limits, { ...young, ageMs: 1000 })).toBe("max_age");
  });

  test("one byte above max_memory, not at it, and not while nobody has looked", () => {
    const limits = { ...NONE, maxMemoryBytes: 4096 };
    expect(recycleReason(limits, young)).toBeUndefined();
    expect(recycleReason(limits, { ...young, memoryBytes: 4096 })).toBeUndefined();
    expect(recycleReason(limits, { ...young, memoryBytes: 4097 })).toBe("max_memory");
  });
});

describe("a process is killed for its size", () => {
  test("one byte above max_memory_hard, not at it, and never without that limit", () => {
    expect(isFarTooLarge(4096, 4096)).toBe(false);
    expect(isFarTooLarge(4097, 4096)).toBe(true);
    expect([isFarTooLarge(1e15, 0), isFarTooLarge(undefined, 1)]).toEqual([false, false]);
  });
});

describe("the limits of one process", () => {
  test("differ by a tenth at the most, and no limit stays none", () => {
    const chance = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(chance, fc.integer({ min: 1, max: 1e6 }), (luck, requests) => {
        const mine = lifespanOf({ maxRequests: requests, maxAgeMs: 1000, maxMemoryBytes: 7 }, luck);
        expect(mine.maxRequests).toBeGreaterThanOrEqual(Math.max(1, Math.floor(requests * 0.9)));
        expect(mine.maxRequests).toBeLessThanOrEqual(Math.ceil(requests * 1.1));
        expect(mine.maxAgeMs).toBeGreaterThanOrEqual(900);
        expect(mine.maxAgeMs).toBeLessThanOrEqual(1100);
        expect(mine.maxMemoryBytes).toBe(7);
      }),
    );
    expect(lifespanOf(NONE, 0.3)).toEqual(NONE);
  });
});

test("a chance of 0 makes it a tenth less, one of 1 a tenth more", () => {
  const limits = { maxRequests: 100, maxAgeMs: 1000, maxMemoryBytes: 7 };
  expect(lifespanOf(limits, 0)).toEqual({ maxRequests: 90, maxAgeMs: 900, maxMemoryBytes: 7 });
  expect(lifespanOf(limits, 1)).toEqual({ maxRequests: 110, maxAgeMs: 1100, maxMemoryBytes: 7 });
});
