import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  byNeed,
  evictionFor,
  evictionsAhead,
  evictionsInNeed,
  type PoolShare,
  type RoomView,
} from "../../src/pool/eviction.ts";

const share = (changes: Partial<PoolShare>): PoolShare => ({
  living: 1,
  minProcesses: 0,
  idlestMs: undefined,
  owed: 0,
  ...changes,
});

describe("how many are to leave", () => {
  const full: RoomView = { room: 0, leaving: 0, inNeed: 0, cap: 64 };

  test("is one for each program in need, less those that leave already and the room there is", () => {
    expect(evictionsInNeed({ ...full, inNeed: 3 })).toBe(3);
    expect(evictionsInNeed({ ...full, inNeed: 3, leaving: 2 })).toBe(1);
    expect(evictionsInNeed({ ...full, inNeed: 3, leaving: 2, room: 1 })).toBe(0);
    expect(evictionsInNeed({ ...full, inNeed: 1, room: -5 })).toBe(1);
  });

  test("ahead of need is what lacks to a sixteenth of the cap", () => {
    expect(evictionsAhead({ ...full, room: 4 })).toBe(0);
    expect(evictionsAhead({ ...full, room: 3 })).toBe(1);
    expect(evictionsAhead({ ...full, room: 1, leaving: 2 })).toBe(1);
    expect(evictionsAhead({ ...full, cap: 15 })).toBe(0);
  });
});

describe("at the cap of all programs", () => {
  test("the process that is idle longest goes, whosever it is", () => {
    const idlest = share({ idlestMs: 500 });
    const large = share({ living: 50 });
    expect(evictionFor(0, [share({ idlestMs: 499 }), idlest, large])).toEqual({ from: idlest, when: "now" });
  });

  test("one that was used a moment ago goes only for a program that has none", () => {
    const recent = share({ idlestMs: 999 });
    expect(evictionFor(0, [recent])?.from).toBe(recent);
    expect(evictionFor(1, [recent])).toBeUndefined();
    expect(evictionFor(1, [share({ idlestMs: 1000 })])?.when).toBe("now");
  });

  test("the largest gives one up after its request when none is idle, until both are even", () => {
    const largest = share({ living: 4 });
    const eviction = { from: largest, when: "after its request" };
    expect(evictionFor(2, [share({ living: 3 }), largest])).toEqual(eviction as never);
    expect(evictionFor(3, [share({ living: 3 }), largest])).toBeUndefined();
  });

  test("what a program owes already counts as gone", () => {
    expect(evictionFor(2, [share({ living: 5, owed: 2 })])).toBeUndefined();
    expect(evictionFor(2, [share({ living: 5, owed: 1 })])?.when).toBe("after its request");
  });

  test("min_processes are left alone", () => {
    expect(evictionFor(0, [share({ living: 3, minProcesses: 3, idlestMs: 1e6 })])).toBeUndefined();
    expect(evictionFor(0, [share({ living: 4, minProcesses: 3, idlestMs: 1e6 })])?.when).toBe("now");
  });

  test("nobody is brought below a program that has no fewer, whatever there is", () => {
    const shares = fc.array(
      fc.record({
        living: fc.nat(70),
        minProcesses: fc.nat(5),
        idlestMs: fc.option(fc.nat(5000), { nil: undefined }),
        owed: fc.nat(3),
      }),
    );
    fc.assert(
      fc.property(fc.nat(70), shares, (living, others) => {
        const eviction = evictionFor(living, others);
        if (!eviction) return;
        expect(eviction.from.living - eviction.from.owed).toBeGreaterThan(eviction.from.minProcesses);
        if (eviction.when === "now") expect(eviction.from.idlestMs).toBeDefined();
        else expect(eviction.from.living - eviction.from.owed).toBeGreaterThan(living + 1);
      }),
    );
  });

  test("room goes to the program with the fewest processes, then to the one that waits longest", () => {
    const large = { living: 5, oldestWaitMs: 900 };
    const early = { living: 1, oldestWaitMs: 20 };
    const late = { living: 1, oldestWaitMs: 10 };
    expect([large, late, early].sort(byNeed)).toEqual([early, late, large]);
  });
});
