import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Deadline, type DeadlineLine, Deadlines } from "../../src/base/deadlines.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** Deadlines that note when they were due. */
function deadlinesOf(count: number) {
  const clock = new FakeClock();
  const due: [number, number][] = [];
  const all = Array.from({ length: count }, (_, index): Deadline => {
    const line: DeadlineLine | undefined = undefined;
    return {
      previous: undefined,
      next: undefined,
      line,
      dueAt: 0,
      onDue: () => void due.push([index, clock.now()]),
    };
  });
  return { clock, due, all, deadlines: new Deadlines(clock) };
}

describe("deadlines", () => {
  test("come when their time is over, in the order they are due, with one timer for all of one length", () => {
    const { clock, due, all, deadlines } = deadlinesOf(3);
    const [a, b, c] = all as [Deadline, Deadline, Deadline];
    deadlines.set(a, 100, clock.now());
    clock.advance(40);
    deadlines.set(b, 100, clock.now());
    expect(clock.timers).toBe(1);
    deadlines.set(c, 30, clock.now());
    clock.advance(99);
    expect(due).toEqual([
      [2, 70],
      [0, 100],
    ]);
    clock.advance(1);
    expect(due.at(-1)).toEqual([1, 140]);
    expect(clock.timers).toBe(0);
  });

  test("of which one fails do not keep the others from theirs", () => {
    const { clock, due, all, deadlines } = deadlinesOf(3);
    const [a, b, c] = all as [Deadline, Deadline, Deadline];
    const failing = Object.assign(b, {
      onDue: () => {
        throw new Error("a bug");
      },
    });
    for (const each of [a, failing, c]) deadlines.set(each, 100, 0);
    expect(() => clock.advance(100)).toThrow("a bug");
    clock.advance(0);
    expect(due).toEqual([
      [0, 100],
      [2, 100],
    ]);
  });

  test("that were cleared, or set anew, do not come at their first time", () => {
    const { clock, due, all, deadlines } = deadlinesOf(2);
    const [a, b] = all as [Deadline, Deadline];
    deadlines.set(a, 100, 0);
    deadlines.set(b, 100, 0);
    deadlines.clear(a);
    clock.advance(60);
    deadlines.set(b, 100, clock.now());
    clock.advance(99);
    expect(due).toEqual([]);
    clock.advance(1);
    expect(due).toEqual([[1, 160]]);
    deadlines.clear(a);
    expect(a.line).toBeUndefined();
  });

  test("may set and clear others when they come", () => {
    const { clock, due, all, deadlines } = deadlinesOf(3);
    const [a, b, c] = all as [Deadline, Deadline, Deadline];
    const again: Deadline = {
      ...a,
      onDue() {
        deadlines.clear(b);
        deadlines.set(c, 100, clock.now());
      },
    };
    deadlines.set(again, 100, 0);
    deadlines.set(b, 100, 0);
    clock.advance(1000);
    expect(due).toEqual([[2, 200]]);
    expect(clock.timers).toBe(0);
  });

  test("are as many timers would be, whatever is set and cleared", () => {
    const step = fc.record({
      index: fc.nat(3),
      delayMs: fc.constantFrom(5, 20, 70),
      passMs: fc.nat(40),
      clears: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const { clock, due, all, deadlines } = deadlinesOf(4);
        const wanted = new Map<number, number>();
        const expected: string[] = [];
        const pass = (ms: number) => {
          const until = clock.now() + ms;
          for (const [index, at] of [...wanted]) {
            if (at > until) continue;
            expected.push(`${index} at ${at}`);
            wanted.delete(index);
          }
          clock.advance(ms);
        };
        for (const { index, delayMs, passMs, clears } of steps) {
          const deadline = all[index] as Deadline;
          if (clears) {
            deadlines.clear(deadline);
            wanted.delete(index);
          } else {
            deadlines.set(deadline, delayMs, clock.now());
            wanted.set(index, clock.now() + delayMs);
          }
          pass(passMs);
        }
        pass(100);
        expect(due.map(([index, at]) => `${index} at ${at}`).sort()).toEqual(expected.sort());
      }),
    );
  });
});
