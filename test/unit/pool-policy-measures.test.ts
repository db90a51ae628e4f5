import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { fadesAfter, keptAtHand, withMean, withQuiet } from "../../src/pool/demand.ts";
import {
  bootShareSoFar,
  cpuShare,
  UNKNOWN,
  withBoot,
  withCpuUse,
  withMemory,
} from "../../src/pool/measures.ts";
import { follow } from "../../src/pool/policy.ts";

describe("what is learned of a program", () => {
  test("begins with the first value and follows by an eighth", () => {
    expect(follow(undefined, 80)).toBe(80);
    expect(follow(80, 0)).toBe(70);
    expect(withMemory(withMemory(UNKNOWN, 800), 1600).memoryBytes).toBe(900);
  });

  test("tells a boot that computes from one that waits", () => {
    const computing = withBoot(UNKNOWN, { runMs: 75, cpuWaitMs: 75, busyMs: 150 });
    expect(computing).toMatchObject({ bootMs: 150, bootCpuShare: 1 });
    const waiting = withBoot(UNKNOWN, { runMs: 75, cpuWaitMs: 0, busyMs: 300 });
    expect(waiting).toMatchObject({ bootMs: 300, bootCpuShare: 0.25 });
  });

  test("keeps what it knew of boots when the kernel does not tell", () => {
    const untold = { runMs: 0, cpuWaitMs: 0, busyMs: 150 };
    expect(withBoot(UNKNOWN, untold)).toMatchObject({ bootMs: 150, bootCpuShare: undefined });
    const known = withBoot(UNKNOWN, { runMs: 150, cpuWaitMs: 0, busyMs: 150 });
    expect(withBoot(known, untold).bootCpuShare).toBe(1);
  });
});

describe("the CPU share", () => {
  test("is unknown below 20 ms of work", () => {
    expect(cpuShare({ runMs: 5, cpuWaitMs: 0, busyMs: 19.9 })).toBeUndefined();
    expect(cpuShare({ runMs: 5, cpuWaitMs: 0, busyMs: 20 })).toBe(0.25);
  });

  test("of fifty processes that share two cores is that of CPU-bound ones", () => {
    expect(cpuShare({ runMs: 40, cpuWaitMs: 960, busyMs: 1000 })).toBe(1);
  });

  test("of a program that sleeps does not change with a neighbour that keeps it waiting", () => {
    expect(cpuShare({ runMs: 10, cpuWaitMs: 0, busyMs: 100 })).toBe(0.1);
    expect(cpuShare({ runMs: 10, cpuWaitMs: 50, busyMs: 150 })).toBe(0.1);
  });

  test("is between 0 and 1 whatever the kernel tells", () => {
    const time = fc.double({ min: 0, max: 1e9, noNaN: true });
    const use = fc.record({ runMs: time, cpuWaitMs: time, busyMs: time });
    fc.assert(
      fc.property(use, (each) => {
        const share = cpuShare(each) ?? 0;
        expect(share).toBeGreaterThanOrEqual(0);
        expect(share).toBeLessThanOrEqual(1);
      }),
    );
  });

  test("forgets how it was after some ten seconds of other work", () => {
    let measures = withCpuUse(UNKNOWN, { runMs: 5000, cpuWaitMs: 0, busyMs: 5000 });
    expect(cpuShare(measures)).toBe(1);
    for (let i = 0; i < 30; i++) measures = withCpuUse(measures, { runMs: 0, cpuWaitMs: 0, busyMs: 1000 });
    expect(cpuShare(measures)).toBeLessThan(0.05);
  });
});

describe("the processes that are kept at hand", () => {
  test("are those at work in the busiest second, and the square root of that", () => {
    expect(keptAtHand([])).toBe(0);
    expect(keptAtHand([1, 9, 4])).toBe(12);
    expect(keptAtHand([0.25])).toBe(1);
  });

  test("are remembered for 60 s", () => {
    let demand = withMean([], 9);
    for (let i = 0; i < 59; i++) demand = withMean(demand, 0);
    expect(keptAtHand(demand)).toBe(12);
    demand = withMean(demand, 0);
    expect(keptAtHand(demand)).toBe(0);
    expect(demand.length).toBe(60);
  });
});

describe("seconds without any at work", () => {
  test("are the same at once as one after the other", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 60 }), fc.nat(80), (demand, seconds) => {
        let oneByOne: readonly number[] = demand;
        for (let i = 0; i < seconds; i++) oneByOne = withMean(oneByOne, 0);
        expect(keptAtHand(withQuiet(demand, seconds))).toBe(keptAtHand(oneByOne));
        expect(withQuiet(demand, seconds).length).toBeLessThanOrEqual(60);
      }),
    );
  });

  test("let the number to keep at hand fall after as many as are foretold, and not one before", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 60 }), (demand) => {
        const seconds = fadesAfter(demand);
        fc.pre(Number.isFinite(seconds));
        const highest = (of: readonly number[]) => Math.max(0, ...of);
        expect(highest(withQuiet(demand, seconds - 1))).toBe(highest(demand));
        expect(highest(withQuiet(demand, seconds))).toBeLessThan(highest(demand));
      }),
    );
    expect([fadesAfter([]), fadesAfter([0, 0])]).toEqual([
      Number.POSITIVE_INFINITY,
      Number.POSITIVE_INFINITY,
    ]);
  });
});

describe("the share of boots that go on", () => {
  test("is that of the one that uses most, once they are 20 ms old", () => {
    const boot = (busyMs: number, runMs: number) => ({ busyMs, runMs, cpuWaitMs: 0 });
    expect(bootShareSoFar([])).toBeUndefined();
    expect(bootShareSoFar([boot(19.9, 19)])).toBeUndefined();
    expect(bootShareSoFar([boot(20, 5), boot(40, 4), boot(10, 10)])).toBe(0.25);
  });
});
