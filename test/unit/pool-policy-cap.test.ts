import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { bootsAtOnce, type CapView, processCap } from "../../src/pool/cap.ts";

const GIB = 2 ** 30;
const cap = (changes: Partial<CapView>) =>
  processCap({
    cores: 8,
    cpuShare: undefined,
    serviceMs: undefined,
    meanAgeMs: 0,
    memoryBudgetBytes: GIB,
    memoryBytes: undefined,
    maxProcesses: 0,
    concurrency: 1,
    ...changes,
  });

describe("the cap of one program", () => {
  test("does not exist while nothing is known and nothing is set", () => {
    expect(cap({})).toBe(Number.POSITIVE_INFINITY);
  });

  test("is a quarter more than keeps the cores busy", () => {
    expect(cap({ cpuShare: 1 })).toBe(10);
    expect(cap({ cpuShare: 0.1 })).toBe(100);
    expect(cap({ cpuShare: 0 })).toBe(Number.POSITIVE_INFINITY);
  });

  test("is never below 4 for the CPU's sake", () => {
    expect(cap({ cores: 1, cpuShare: 1 })).toBe(4);
    expect(cap({ cores: 3.2, cpuShare: 1 })).toBe(4);
    expect(cap({ cores: 3.3, cpuShare: 1 })).toBe(5);
  });

  test("is twice as high while the requests at work are three times older than the mean", () => {
    expect(cap({ cpuShare: 1, serviceMs: 10, meanAgeMs: 30 })).toBe(10);
    expect(cap({ cpuShare: 1, serviceMs: 10, meanAgeMs: 30.1 })).toBe(20);
  });

  test("counts processes that serve several requests at once as several", () => {
    expect(cap({ cpuShare: 1, concurrency: 4 })).toBe(3);
    expect(cap({ cpuShare: 1, concurrency: 1000 })).toBe(1);
    expect(cap({ memoryBytes: GIB / 4, concurrency: 1000 })).toBe(4);
  });

  test("is what fits into the memory, and at least 1", () => {
    expect(cap({ memoryBytes: GIB / 4 })).toBe(4);
    expect(cap({ memoryBytes: GIB / 4 + 1 })).toBe(3);
    expect(cap({ memoryBytes: GIB + 1 })).toBe(1);
  });

  test("is max_processes where that is the smallest", () => {
    expect(cap({ maxProcesses: 3, cpuShare: 1 })).toBe(3);
    expect(cap({ maxProcesses: 1 })).toBe(1);
    expect(cap({ maxProcesses: 100, cpuShare: 1 })).toBe(10);
  });

  test("is a whole number from 1 and within each bound, whatever was measured", () => {
    const positive = fc.double({ min: 0.001, max: 1e9, noNaN: true });
    const view = fc.record({
      cores: fc.double({ min: 0.1, max: 256, noNaN: true }),
      cpuShare: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
      serviceMs: fc.option(positive, { nil: undefined }),
      meanAgeMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
      memoryBudgetBytes: positive,
      memoryBytes: fc.option(positive, { nil: undefined }),
      maxProcesses: fc.nat(1000),
      concurrency: fc.integer({ min: 1, max: 1000 }),
    });
    fc.assert(
      fc.property(view, (each) => {
        const most = processCap(each);
        expect(most).toBeGreaterThanOrEqual(1);
        if (most !== Number.POSITIVE_INFINITY) expect(Number.isInteger(most)).toBe(true);
        if (each.maxProcesses > 0) expect(most).toBeLessThanOrEqual(each.maxProcesses);
        if (each.memoryBytes !== undefined && most > 1) {
          expect(most * each.memoryBytes).toBeLessThanOrEqual(each.memoryBudgetBytes * 1.000001);
        }
      }),
    );
  });
});

describe("boots at once", () => {
  test("are half the cores, at least 2, before one was seen", () => {
    expect(bootsAtOnce(1, undefined)).toBe(2);
    expect(bootsAtOnce(5, undefined)).toBe(2);
    expect(bootsAtOnce(6, undefined)).toBe(3);
  });

  test("are as many as the cores carry", () => {
    expect(bootsAtOnce(8, 1)).toBe(8);
    expect(bootsAtOnce(8, 0.5)).toBe(16);
    expect(bootsAtOnce(1, 1)).toBe(2);
  });

  test("are bounded though a boot does not compute at all", () => {
    expect(bootsAtOnce(2, 0)).toBe(24);
  });
});
