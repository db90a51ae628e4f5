import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type ArrivalView,
  backoffMs,
  follow,
  type IdleView,
  lookAgainMs,
  mayRetire,
  onArrival,
  type PoolView,
  startsWanted,
} from "../../src/pool/policy.ts";

const IDLE_POOL: PoolView = {
  waiting: 0,
  oldestWaitMs: 0,
  busy: 0,
  starting: 0,
  total: 0,
  minProcesses: 0,
  maxProcesses: 100,
  startsAtOnce: 4,
  serviceMs: undefined,
  bootMs: undefined,
};

const starts = (changes: Partial<PoolView>) => startsWanted({ ...IDLE_POOL, ...changes });

describe("how many backends are started", () => {
  test("none when nobody waits, one for the first request", () => {
    expect(starts({})).toBe(0);
    expect(starts({ waiting: 1 })).toBe(1);
  });

  test("as many as wait while nothing is known, but no more boots at once than allowed", () => {
    expect(starts({ waiting: 3 })).toBe(3);
    expect(starts({ waiting: 200 })).toBe(4);
    expect(starts({ waiting: 200, starting: 3, total: 3 })).toBe(1);
    expect(starts({ waiting: 200, starting: 4, total: 4 })).toBe(0);
  });

  test("none for requests that a booting backend will take", () => {
    expect(starts({ waiting: 2, starting: 2, total: 2 })).toBe(0);
  });

  test("requests of 1 ms queue behind a busy process rather than wait for a boot of 20 ms", () => {
    expect(starts({ waiting: 25, busy: 1, total: 1, serviceMs: 1, bootMs: 20 })).toBe(0);
    expect(starts({ waiting: 26, busy: 1, total: 1, serviceMs: 1, bootMs: 20 })).toBe(1);
  });

  test("requests that sleep for 5 s get a process each", () => {
    expect(starts({ waiting: 4, busy: 3, total: 3, serviceMs: 5000, bootMs: 20 })).toBe(4);
  });

  test("no more than it takes to have the late ones served within a quarter of a boot", () => {
    const view = { busy: 1, total: 1, serviceMs: 1, bootMs: 95, startsAtOnce: 100 };
    expect(starts({ ...view, waiting: 100 })).toBe(0);
    expect(starts({ ...view, waiting: 101 })).toBe(1);
    expect(starts({ ...view, waiting: 125 })).toBe(1);
    expect(starts({ ...view, waiting: 126 })).toBe(2);
  });

  test("earlier when those at work are slow ones", () => {
    const view = { waiting: 10, busy: 1, total: 1, serviceMs: 1, bootMs: 20 };
    expect(starts({ ...view, meanAgeMs: 16 })).toBe(0);
    expect(starts({ ...view, meanAgeMs: 17 })).toBe(1);
    expect(starts({ ...view, meanAgeMs: 5000 })).toBe(2);
  });

  test("while no request has ended, by how long the first ones are at it already", () => {
    const view = { waiting: 4, busy: 2, total: 2, bootMs: 20 };
    expect(starts({ ...view, meanAgeMs: 0 })).toBe(0);
    expect(starts({ ...view, meanAgeMs: 12.5 })).toBe(0);
    expect(starts({ ...view, meanAgeMs: 12.6 })).toBe(1);
    expect(starts({ ...view, meanAgeMs: 26 })).toBe(4);
  });

  test("one more when the oldest has waited longer than a boot takes and those at work do not end, not while they do", () => {
    const view = { waiting: 2, busy: 4, total: 4, serviceMs: 1, bootMs: 20 };
    expect(starts({ ...view, oldestWaitMs: 25 })).toBe(0);
    expect(starts({ ...view, oldestWaitMs: 26 })).toBe(1);
    expect(starts({ ...view, oldestWaitMs: 5000, meanAgeMs: 25 })).toBe(0);
    expect(starts({ ...view, oldestWaitMs: 5000, meanAgeMs: 26 })).toBe(1);
  });

  test("up to the minimum without any request", () => {
    expect(starts({ minProcesses: 3, total: 1 })).toBe(2);
    expect(starts({ minProcesses: 3, total: 3 })).toBe(0);
  });

  test("never above the program's cap, at the limit and one below", () => {
    expect(starts({ waiting: 9, total: 100 })).toBe(0);
    expect(starts({ waiting: 9, total: 99 })).toBe(1);
  });

  test("is never negative and never breaks a limit, whatever the pool looks like", () => {
    const count = fc.nat(300);
    const view = fc.record({
      waiting: count,
      oldestWaitMs: fc.nat(10_000),
      busy: count,
      starting: fc.nat(10),
      total: count,
      minProcesses: fc.nat(50),
      maxProcesses: fc.integer({ min: 1, max: 200 }),
      startsAtOnce: fc.integer({ min: 1, max: 8 }),
      serviceMs: fc.option(fc.double({ min: 0, max: 1e5, noNaN: true }), { nil: undefined }),
      bootMs: fc.option(fc.double({ min: 0, max: 1e5, noNaN: true }), { nil: undefined }),
      meanAgeMs: fc.double({ min: 0, max: 1e5, noNaN: true }),
    });
    fc.assert(
      fc.property(view, (each) => {
        const wanted = startsWanted(each);
        expect(wanted).toBeGreaterThanOrEqual(0);
        expect(Number.isInteger(wanted)).toBe(true);
        expect(wanted).toBeLessThanOrEqual(Math.max(each.waiting, each.minProcesses));
        if (wanted > 0) {
          expect(each.total + wanted).toBeLessThanOrEqual(each.maxProcesses);
          expect(each.starting + wanted).toBeLessThanOrEqual(each.startsAtOnce);
        }
      }),
    );
  });
});

describe("when the pool is looked at again", () => {
  const again = (changes: Partial<PoolView>) => lookAgainMs({ ...IDLE_POOL, waiting: 1, ...changes });

  test("while the first boots go on soon, to see what they use", () => {
    expect(again({ starting: 2 })).toBe(20);
    expect(again({ starting: 2, bootMs: 150 })).not.toBe(20);
    // Before the first one begins a request may wait as long as a first boot is taken to need.
    expect(again({ starting: 0 })).toBe(105);
  });

  test("not before something happens when nobody waits", () => {
    expect(again({ waiting: 0 })).toBeUndefined();
  });

  test("when the oldest has waited as long as a boot takes, and each such time after that", () => {
    expect(again({ serviceMs: 1, bootMs: 20, busy: 1, oldestWaitMs: 5 })).toBe(20);
    expect(again({ serviceMs: 1, bootMs: 20, busy: 1, oldestWaitMs: 25 })).toBe(25);
    expect(again({ serviceMs: 1, bootMs: 20, busy: 1, oldestWaitMs: 24.9999 })).toBe(1);
  });

  test("when the first requests are twice as old, while none has ended", () => {
    expect(again({ bootMs: 3000, busy: 2, meanAgeMs: 0 })).toBe(5);
    expect(again({ bootMs: 3000, busy: 2, meanAgeMs: 80 })).toBe(80);
    expect(again({ bootMs: 20, busy: 2, meanAgeMs: 80 })).toBe(25);
  });

  test("finds a start then at the latest, when there is room", () => {
    const view = { waiting: 3, busy: 4, total: 4, serviceMs: 1, bootMs: 20 };
    expect(starts({ ...view, oldestWaitMs: 10 })).toBe(0);
    const delayMs = again({ ...view, oldestWaitMs: 10 }) as number;
    expect(starts({ ...view, oldestWaitMs: 10 + delayMs + 0.1 })).toBe(1);
  });
});

describe("a request that arrives", () => {
  const arrival = (changes: Partial<ArrivalView>) =>
    onArrival({ hasFree: false, waiting: 0, queueLength: 10, mayCome: 0, isBreakerOpen: false, ...changes });

  test("gets an idle process, but not before those that wait", () => {
    expect(arrival({ hasFree: true })).toBe("lend");
    expect(arrival({ hasFree: true, waiting: 1 })).toBe("queue");
  });

  test("waits while the queue has a place, and is refused one above", () => {
    expect(arrival({ waiting: 9 })).toBe("queue");
    expect(arrival({ waiting: 10 })).toBe("queue full");
    expect([arrival({ waiting: 12, mayCome: 3 }), arrival({ waiting: 13, mayCome: 3 })]).toEqual([
      "queue",
      "queue full",
    ]);
  });

  test("is refused while the breaker is open", () => {
    expect(arrival({ hasFree: true, isBreakerOpen: true })).toBe("breaker open");
  });
});

describe("an idle process", () => {
  const goes = (changes: Partial<IdleView>) =>
    mayRetire({
      idleMs: 0,
      living: 5,
      minProcesses: 0,
      cap: 100,
      keptAtHand: 5,
      idleTimeoutMs: 180_000,
      ...changes,
    });

  test("ends after idle_timeout, not before", () => {
    expect(goes({ idleMs: 179_999 })).toBe(false);
    expect(goes({ idleMs: 180_000 })).toBe(true);
  });

  test("ends after 10 s when the traffic of the last minute needs fewer", () => {
    expect(goes({ keptAtHand: 4, idleMs: 9999 })).toBe(false);
    expect(goes({ keptAtHand: 4, idleMs: 10_000 })).toBe(true);
    expect(goes({ keptAtHand: 5, idleMs: 10_000 })).toBe(false);
  });

  test("stays until idle_timeout when it is the last one", () => {
    expect(goes({ living: 2, keptAtHand: 0, idleMs: 10_000 })).toBe(true);
    expect(goes({ living: 1, keptAtHand: 0, idleMs: 179_999 })).toBe(false);
    expect(goes({ living: 1, keptAtHand: 0, idleMs: 180_000 })).toBe(true);
  });

  test("ends after 10 s when there are more than the cap", () => {
    expect(goes({ cap: 5, idleMs: 10_000 })).toBe(false);
    expect(goes({ cap: 4, idleMs: 10_000 })).toBe(true);
  });

  test("stays while there are no more than min_processes", () => {
    expect(goes({ minProcesses: 5, idleMs: 1e9, keptAtHand: 0 })).toBe(false);
    expect(goes({ minProcesses: 4, idleMs: 1e9, keptAtHand: 0 })).toBe(true);
  });
});

describe("the pause after boot failures", () => {
  test("doubles from 0.2 s and ends at 60 s", () => {
    expect([1, 2, 3, 9, 10, 50].map(backoffMs)).toEqual([200, 400, 800, 51_200, 60_000, 60_000]);
  });
});

describe("a following mean", () => {
  test("begins with the first value and moves an eighth of the way", () => {
    expect(follow(undefined, 80)).toBe(80);
    expect(follow(80, 0)).toBe(70);
  });
});
