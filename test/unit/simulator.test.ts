import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { learned } from "../../bench/simulator/learned-manager.ts";
import { Machine } from "../../bench/simulator/machine.ts";
import { plotOf } from "../../bench/simulator/plot.ts";
import { seededRandom } from "../../bench/simulator/random.ts";
import { SCENARIOS } from "../../bench/simulator/scenario.ts";
import { SimulatedProcess } from "../../bench/simulator/simulated-process.ts";
import { simulate } from "../../bench/simulator/simulation.ts";
import { tableOf } from "../../bench/simulator/table.ts";
import { Timeline } from "../../bench/simulator/timeline.ts";

describe("the timeline", () => {
  test("gives back in the order of time, and of what is due at once, in the order of adding", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20)), (times) => {
        const timeline = new Timeline<readonly [number, number]>();
        for (const [order, at] of times.entries()) timeline.add(at, [at, order]);
        const taken = times.map(() => timeline.take() as readonly [number, number]);
        expect(taken).toEqual([...taken].sort((a, b) => a[0] - b[0] || a[1] - b[1]));
        expect(timeline.take()).toBeUndefined();
      }),
    );
  });
});

describe("the machine", () => {
  /** When works of these lengths end that begin together. */
  const ends = (cores: number, needs: readonly number[]) => {
    const machine = new Machine(cores, 0);
    const ended: number[] = [];
    let now = 0;
    for (const [at, need] of needs.entries()) machine.run(need, () => (ended[at] = now));
    while (machine.nextAt < Number.POSITIVE_INFINITY) {
      now = machine.nextAt;
      machine.advanceTo(now);
      machine.finishNext();
    }
    return ended;
  };

  test("gives everyone a core while there are enough", () => {
    expect(ends(2, [10, 20])).toEqual([10, 20]);
  });

  test("shares its cores evenly when there are not", () => {
    expect(ends(2, [10, 10, 10, 10])).toEqual([20, 20, 20, 20]);
    expect(ends(1, [10, 20])).toEqual([20, 30]);
  });

  test("tells time on a core from time in the run queue", () => {
    const machine = new Machine(1, 0);
    const world = { now: 0, machine, timeline: new Timeline<() => void>() };
    const processes = [new SimulatedProcess(world), new SimulatedProcess(world)] as const;
    for (const process of processes) process.serve({ cpuMs: 100, sleepMs: 0 }, () => {});
    world.now = 60;
    machine.advanceTo(60);
    expect(processes[0].useSinceLastLook()).toEqual({ runMs: 30, cpuWaitMs: 30, busyMs: 60 });
    expect(processes[0].useSinceLastLook()).toEqual({ runMs: 0, cpuWaitMs: 0, busyMs: 0 });
  });
});

describe("the simulator", () => {
  test("gives the same for the same seed and something else for another", () => {
    const scenario = named("on and off, 20 ms boot");
    const once = simulate(scenario, learned(), 7);
    expect(simulate(scenario, learned(), 7)).toEqual(once);
    expect(simulate(scenario, learned(), 8).meanAnswerMs).not.toBe(once.meanAnswerMs);
  });

  test("ends every request in exactly one way", () => {
    for (const scenario of SCENARIOS) {
      const { served, refused } = simulate(scenario, learned(), 3);
      expect(served + refused).toBe(scenario.requests(seededRandom(3)).length);
    }
  });

  test("makes a table with a row for each manager", () => {
    const scenario = named("cold burst, 5 ms");
    const rows = [{ manager: "std-fpm", result: simulate(scenario, learned(), 1) }];
    const lines = tableOf(scenario, rows).trim().split("\n");
    expect(lines.length).toBe(5);
    expect(new Set(lines.slice(2).map((line) => line.length)).size).toBe(1);
  });

  test("draws without anything from elsewhere", () => {
    const scenario = named("cold burst, 5 ms");
    const drawing = plotOf(scenario, [{ manager: "a < b & c", result: simulate(scenario, learned(), 1) }]);
    expect(drawing).toContain("a &lt; b &amp; c");
    expect(drawing).toContain("prefers-color-scheme: dark");
    expect(drawing.replace("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:|href|url\(|<script|NaN/);
  });
});

function named(name: string) {
  const scenario = SCENARIOS.find((each) => each.name === name);
  if (!scenario) throw new RangeError(`no scenario "${name}"`);
  return scenario;
}
