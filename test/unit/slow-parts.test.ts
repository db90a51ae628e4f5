import { describe, expect, test } from "bun:test";
import { AgeWatch, type Aging } from "../../src/slow/age-watch.ts";
import { Lanes } from "../../src/slow/lanes.ts";
import { type LeftOut, ReportLimit } from "../../src/slow/report-limit.ts";
import { FakeClock } from "../support/fake-clock.ts";

interface Item extends Aging<Item> {}

function itemAt(startedAt: number): Item {
  return { startedAt, previous: undefined, next: undefined };
}

describe("the watch over ages", () => {
  function watched(ageMs: number) {
    const clock = new FakeClock();
    const told: [number, number][] = [];
    const watch = new AgeWatch<Item>(clock, ({ startedAt }) => told.push([startedAt, clock.now()]));
    watch.ageMs = ageMs;
    const add = () => {
      const item = itemAt(clock.now());
      watch.add(item);
      return item;
    };
    return { clock, told, watch, add };
  }

  test("tells of each item at its age, and of none that has gone, with one timer", () => {
    const { clock, told, watch, add } = watched(100);
    add();
    clock.advance(30);
    const gone = add();
    clock.advance(30);
    add();
    expect(clock.timers).toBe(1);
    expect(watch.delete(gone)).toBe(true);
    clock.advance(1000);
    expect(told).toEqual([
      [0, 100],
      [60, 160],
    ]);
    expect(clock.timers).toBe(0);
    add();
    clock.advance(99);
    expect(told.length).toBe(2);
    clock.advance(1);
    expect(told.length).toBe(3);
  });

  test("tells at once of what is older when it comes", () => {
    const { clock, told, watch } = watched(100);
    clock.advance(500);
    watch.add(itemAt(0));
    expect(told).toEqual([[0, 500]]);
    expect(watch.delete(itemAt(0))).toBe(false);
  });

  test("takes on another age for those that it watches, shorter or longer", () => {
    const { clock, told, watch, add } = watched(100);
    add();
    clock.advance(50);
    watch.ageMs = 20;
    expect(told).toEqual([[0, 50]]);
    add();
    watch.ageMs = 200;
    clock.advance(199);
    expect(told.length).toBe(1);
    clock.advance(1);
    expect(told[1]).toEqual([50, 250]);
  });

  test("forgets all", () => {
    const { clock, told, watch, add } = watched(100);
    add();
    watch.clear();
    expect(clock.timers).toBe(0);
    clock.advance(1000);
    expect(told).toEqual([]);
  });

  test("a million that come and go cost one timer at a time", () => {
    const { clock, told, watch, add } = watched(100);
    for (let i = 0; i < 1_000_000; i++) {
      const item = add();
      if (i % 1000 === 0) clock.advance(1);
      watch.delete(item);
    }
    expect(clock.timers).toBeLessThanOrEqual(1);
    expect(told).toEqual([]);
  });
});

describe("the limit of reports", () => {
  function limited() {
    const clock = new FakeClock();
    const told: LeftOut[] = [];
    const limit = new ReportLimit(clock, { ofAll: 4, ofOne: 2 }, (leftOut) => told.push(leftOut));
    return { clock, told, limit };
  }

  test("takes as many as it may of one program, and of all, in a second", () => {
    const { clock, told, limit } = limited();
    expect(["a", "a", "a", "b", "c", "d"].map((name) => limit.take(name))).toEqual([
      true,
      true,
      false,
      true,
      true,
      false,
    ]);
    limit.leaveOut("a");
    expect(told).toEqual([]);
    clock.advance(1000);
    expect(told).toEqual([
      {
        count: 3,
        programs: [
          ["a", 2],
          ["d", 1],
        ],
      },
    ]);
    expect(limit.take("a")).toBe(true);
    clock.advance(5000);
    expect(told.length).toBe(1);
    expect(clock.timers).toBe(0);
  });

  test("tells what it has counted when it is closed", () => {
    const { told, limit } = limited();
    limit.leaveOut("a");
    limit.close();
    expect(told).toEqual([{ count: 1, programs: [["a", 1]] }]);
    limit.close();
    expect(told.length).toBe(1);
  });
});

describe("lanes", () => {
  test("run a few tasks at once, keep a few waiting, refuse more, and survive one that fails", async () => {
    const errors: unknown[] = [];
    const lanes = new Lanes(2, 2, (error) => errors.push(error));
    const ends: PromiseWithResolvers<void>[] = [];
    const task = () => {
      const end = Promise.withResolvers<void>();
      ends.push(end);
      return end.promise;
    };
    expect([1, 2, 3, 4, 5].map(() => lanes.run(task))).toEqual([true, true, true, true, false]);
    expect(ends.length).toBe(2);
    ends[0]?.reject("a bug");
    await Bun.sleep(0);
    expect(errors).toEqual(["a bug"]);
    expect(ends.length).toBe(3);
    expect(lanes.run(task)).toBe(true);
    for (const end of ends.splice(0)) end.resolve();
    await Bun.sleep(0);
    expect(ends.length).toBe(2);
  });
});
