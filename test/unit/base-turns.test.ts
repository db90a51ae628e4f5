import { describe, expect, test } from "bun:test";
import type { Clock } from "../../src/base/clock.ts";
import { Turns } from "../../src/base/turns.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** An event loop whose turns a test lets come, and in which time goes on with the work alone. */
function world() {
  const time = new FakeClock();
  const due: (() => void)[] = [];
  const clock: Clock = {
    now: () => time.now(),
    after: (delayMs, fire) => time.after(delayMs, fire),
    every: (periodMs, fire) => time.every(periodMs, fire),
    soon: (fire) => void due.push(fire),
  };
  const turns = new Turns(clock);
  const done: string[] = [];
  /** Steps of half a millisecond. */
  function* work(name: string, steps: number): Generator<void, string> {
    for (let step = 1; step <= steps; step++) {
      if (step > 1) yield;
      time.advance(0.5);
      done.push(`${name}${step}`);
    }
    return name;
  }
  /** What was done in this turn; the next one begins. */
  const next = () => {
    const before = done.splice(0);
    for (const fire of due.splice(0)) fire();
    return before;
  };
  return { turns, due, work, next };
}

describe("work in turns", () => {
  test("is done at once where it takes a moment", async () => {
    const { turns, work, next } = world();
    const result = turns.run(work("a", 1));
    expect(next()).toEqual(["a1"]);
    expect(await result).toBe("a");
  });

  test("is done a moment a turn, one after the other", async () => {
    const { turns, work, next } = world();
    const results = [turns.run(work("a", 5)), turns.run(work("b", 2))];
    expect([next(), next(), next(), next()]).toEqual([["a1", "a2"], ["a3", "a4"], ["a5", "b1"], ["b2"]]);
    expect(await Promise.all(results)).toEqual(["a", "b"]);
  });

  test("takes no more than a moment of a turn, however many small ones come in it", () => {
    const { turns, work, next } = world();
    for (const name of ["a", "b", "c", "d", "e"]) void turns.run(work(name, 1));
    expect([next(), next(), next()]).toEqual([["a1", "b1"], ["c1", "d1"], ["e1"]]);
  });

  test("wants no turn while there is none", () => {
    const { turns, due, work, next } = world();
    void turns.run(work("a", 1));
    next();
    expect(due).toEqual([]);
  });

  test("that throws does not keep the next one from its turn", async () => {
    const { turns, work } = world();
    function* broken(): Generator<void, string> {
      yield;
      throw new Error("broken");
    }
    const first = turns.run(broken());
    const second = turns.run(work("a", 1));
    expect(await first.catch(({ message }) => message)).toBe("broken");
    expect(await second).toBe("a");
  });
});
