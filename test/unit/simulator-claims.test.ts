import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dynamic, fixed, ondemand, spawnAtOnce } from "../../bench/simulator/known-managers.ts";
import { learned } from "../../bench/simulator/learned-manager.ts";
import type { Manager } from "../../bench/simulator/manager.ts";
import { RESERVE_MANAGERS, RESERVE_SCENARIOS } from "../../bench/simulator/reserve-rules.ts";
import { SCENARIOS, type Scenario } from "../../bench/simulator/scenario.ts";
import { SHARE_MANAGERS, SHARE_SCENARIOS } from "../../bench/simulator/share-rules.ts";
import { type Result, simulate as simulateAnew } from "../../bench/simulator/simulation.ts";

/** What docs/scaling.md claims must hold for other traffic than that of its tables too. */
const SEEDS = [1, 2, 3];

const stdFpm = learned();
const results = new Map<string, Result>();

describe("std-fpm in the simulator", () => {
  test("answers a cold burst of 200 better than a process each, in time and in processes", () => {
    const [ours, theirs] = both("cold burst, 5 ms", spawnAtOnce, 1);
    expect(ours.p99AnswerMs).toBeLessThan(theirs.p99AnswerMs / 10);
    expect(ours.started).toBeLessThanOrEqual(4);
    expect(theirs.started).toBe(200);
  });

  test("answers one on a program that only sleeps at its start with no more than 40", () => {
    const [ours, theirs] = both("cold burst, short sleep", spawnAtOnce, 1);
    expect(ours.started).toBeLessThanOrEqual(40);
    expect(ours.p99AnswerMs).toBeLessThan(theirs.p99AnswerMs);
  });

  test("refuses nothing that the machine can do, and never goes above the cap of all", () => {
    for (const seed of SEEDS) {
      for (const scenario of SCENARIOS) {
        const result = simulate(scenario, stdFpm, seed);
        expect(`${scenario.name}: ${result.refused} refused`).toBe(`${scenario.name}: 0 refused`);
        expect(result.peak).toBeLessThanOrEqual(scenario.globalCap);
      }
    }
  });

  test("starts no more processes than a process for each request does, in any scenario with one program", () => {
    for (const seed of SEEDS) {
      for (const scenario of SCENARIOS.filter(({ programs }) => programs === 1)) {
        const ours = simulate(scenario, stdFpm, seed);
        const theirs = simulate(scenario, spawnAtOnce, seed);
        expect(ours.peak).toBeLessThanOrEqual(theirs.peak);
        expect(ours.processSeconds).toBeLessThanOrEqual(theirs.processSeconds);
      }
    }
  });

  test("serves 1 ms with a few processes and 5 s asleep with one for each, by itself", () => {
    for (const seed of SEEDS) {
      const short = simulate(named("steady, 1 ms"), stdFpm, seed);
      expect(short.peak).toBeLessThanOrEqual(4);
      expect(short.p99WaitMs).toBeLessThan(5);
      const long = simulate(named("steady, 5 s asleep"), stdFpm, seed);
      expect(long.peak).toBeGreaterThan(30);
      expect(long.p99WaitMs).toBeLessThan(50);
    }
  });

  test("is answered sooner on the mean than by each of the others somewhere, by a factor of five", () => {
    const worst = (manager: Manager) =>
      Math.max(
        ...SCENARIOS.map((scenario) => {
          const ours = simulate(scenario, stdFpm, 1).meanAnswerMs;
          return answerOf(simulate(scenario, manager, 1)) / ours;
        }),
      );
    for (const manager of [spawnAtOnce, ondemand, dynamic, fixed(8)]) {
      expect(worst(manager)).toBeGreaterThan(5);
    }
  });

  test("lets quick requests past slow ones", () => {
    for (const seed of SEEDS) {
      expect(simulate(named("10 ms, few of 3 s"), stdFpm, seed).meanWaitMs).toBeLessThan(100);
      expect(simulate(named("1 ms, few of 5 s"), stdFpm, seed).p99WaitMs).toBeLessThan(50);
    }
  });

  test("keeps a greedy program from starving 499 others", () => {
    for (const seed of SEEDS) {
      // A boot, the end of another's process, and the next of 60 requests of 2 s to end: some 75 ms.
      const { p99WaitOthersMs } = simulate(named("500 and a greedy one"), stdFpm, seed);
      expect(p99WaitOthersMs).toBeLessThan(100);
    }
  });

  test("lets what a peak needed go within 90 s", () => {
    const { trace, peak } = simulate(named("peak, then little"), stdFpm, 1);
    expect(peak).toBeGreaterThan(40);
    expect(trace.find(({ at }) => at > 110_000)?.processes).toBeLessThanOrEqual(4);
  });
});

describe("the CPU share with the run queue taken out", () => {
  const resultsOf = (scenario: Scenario, seed: number) =>
    SHARE_MANAGERS.map((manager) => simulate(scenario, manager, seed)) as [Result, Result, Result];
  const [overload, neighbour] = SHARE_SCENARIOS as [Scenario, Scenario];

  test("does not fall under contention, which would have a hundred processes share two cores", () => {
    for (const seed of SEEDS) {
      const [naive, , ours] = resultsOf(overload, seed);
      expect(naive.peak).toBeGreaterThan(100);
      expect(ours.peak).toBeLessThanOrEqual(8);
      expect(ours.meanAnswerMs).toBeLessThan(naive.meanAnswerMs);
    }
  });

  test("does not rise with a busy neighbour, which would make a sleeping program wait", () => {
    for (const seed of SEEDS) {
      const [, counted, ours] = resultsOf(neighbour, seed);
      expect(ours.p99WaitOthersMs).toBeLessThan(counted.p99WaitOthersMs);
    }
  });
});

describe("the places that a program leaves to the others", () => {
  const never = RESERVE_SCENARIOS.filter(({ greedy }) => greedy !== undefined);
  const [nothing] = RESERVE_MANAGERS as [Manager];

  test("have every other program served while the requests of one, three or six of them never end", () => {
    expect(never.length).toBeGreaterThanOrEqual(6);
    for (const seed of SEEDS) {
      for (const scenario of never) {
        const { refusedOthers, p99WaitOthersMs } = simulate(scenario, stdFpm, seed);
        expect(`${scenario.name}: ${refusedOthers} refused`).toBe(`${scenario.name}: 0 refused`);
        expect(p99WaitOthersMs).toBeLessThan(1500);
      }
    }
  });

  test("are what that takes: without them nobody else is served", () => {
    for (const scenario of never)
      expect(simulate(scenario, nothing, 1).p99WaitOthersMs).toBe(Number.POSITIVE_INFINITY);
  });

  test("cost a program that is alone a sixteenth of the cap", () => {
    const alone = RESERVE_SCENARIOS.find(({ programs }) => programs === 1) as Scenario;
    expect(simulate(alone, stdFpm, 1).peak).toBe(60);
  });
});

test("docs/scaling.md shows what the simulator prints", async () => {
  const run = Bun.spawn([process.execPath, "bench/simulator/run.ts"], { stdout: "pipe", stderr: "inherit" });
  const printed = await new Response(run.stdout).text();
  expect(await run.exited).toBe(0);
  const page = readFileSync("docs/scaling.md", "utf8");
  const tables = printed.split(/^(?=\*\*)/m).map((table) => table.split("\n#")[0]?.trim() ?? "");
  expect(tables.length).toBe(SCENARIOS.length + SHARE_SCENARIOS.length + RESERVE_SCENARIOS.length);
  for (const table of tables) expect(page).toContain(table);
});

/** Each run once: they are the same each time. */
function simulate(scenario: Scenario, manager: Manager, seed: number): Result {
  const key = `${scenario.name}, ${manager.name}, ${seed}`;
  const result = results.get(key) ?? simulateAnew(scenario, manager, seed);
  results.set(key, result);
  return result;
}

function both(name: string, other: Manager, seed: number): readonly [Result, Result] {
  const scenario = named(name);
  return [simulate(scenario, stdFpm, seed), simulate(scenario, other, seed)];
}

function named(name: string): Scenario {
  const scenario = SCENARIOS.find((each) => each.name === name);
  if (!scenario) throw new RangeError(`no scenario "${name}"`);
  return scenario;
}

/** The mean answer; for ever, when half of the requests got none. */
function answerOf({ meanAnswerMs, served, refused }: Result): number {
  return refused > served ? Number.POSITIVE_INFINITY : meanAnswerMs;
}
