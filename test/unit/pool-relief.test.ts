import { describe, expect, test } from "bun:test";
import { type Backend, Lease } from "../../src/backend/backend.ts";
import type { BackendState } from "../../src/backend/states.ts";
import { FAMILIAR_ANSWERS, MOST_UNANSWERED, Relief, TRIAL_MS } from "../../src/pool/relief.ts";
import { Succession } from "../../src/pool/succession.ts";
import type { Program } from "../../src/start/program.ts";
import { appConfig } from "../support/app-config.ts";
import { FakeClock } from "../support/fake-clock.ts";

interface Tree extends Backend {
  state: BackendState;
  busy: number;
}

/** A tree that serves so many requests at once, of which `busy` are at work. */
function treeOf(places = 4, busy = 0): Tree {
  const program = { app: { children: places, concurrency: places } };
  return { state: "free", busy, program } as unknown as Tree;
}

/** An old tree that is due, and a new one on trial; what is asked of the new one is told by `answer` and `leave`. */
function onTrial() {
  const clock = new FakeClock();
  const relief = new Relief();
  const [old, fresh] = [treeOf(), treeOf()];
  relief.mark(old, "new version");
  relief.onReady(fresh, clock.now());
  const leaseOf = (script: string, bytesOut = 1) => {
    const lease = new Lease(fresh, clock.now());
    lease.script = script;
    lease.bytesOut = bytesOut;
    return lease;
  };
  const answer = (script: string, times = 1) => {
    for (let i = 0; i < times; i++) relief.onEnd(leaseOf(script), "kept");
  };
  const leave = (bytesOut = 0) => relief.onEnd(leaseOf("/x.php", bytesOut), "left");
  const verdict = () => relief.verdicts(clock.now()).map(({ tree, isWarm }) => tree === fresh && isWarm);
  return { clock, relief, old, fresh, answer, leave, verdict };
}

describe("a new tree", () => {
  test("is on trial only where one is to be relieved", () => {
    const relief = new Relief();
    expect([relief.onReady(treeOf(), 0), relief.isOver, relief.verdictInMs(0)]).toEqual([
      false,
      true,
      Number.POSITIVE_INFINITY,
    ]);
    relief.mark(treeOf(), "max_requests");
    expect([relief.needsTree, relief.onReady(treeOf(), 0), relief.needsTree]).toEqual([true, true, false]);
  });

  test(`is warm after ${FAMILIAR_ANSWERS} answers in a row for scripts that it has answered before`, () => {
    const { answer, verdict } = onTrial();
    answer("/a.php", FAMILIAR_ANSWERS);
    expect(verdict()).toEqual([]);
    answer("/b.php");
    answer("/a.php", FAMILIAR_ANSWERS - 1);
    expect(verdict()).toEqual([]);
    answer("/b.php");
    expect(verdict()).toEqual([true]);
  });

  test(`counts as warm ${TRIAL_MS} ms after it was ready, however little is asked for`, () => {
    const { clock, relief, verdict } = onTrial();
    clock.advance(TRIAL_MS - 1);
    expect([verdict(), relief.verdictInMs(clock.now()), relief.verdictInMs(0)]).toEqual([[], 1, TRIAL_MS]);
    clock.advance(1);
    expect(verdict()).toEqual([true]);
  });

  test("needs no trial any more when those have gone that it was to relieve", () => {
    const { relief, old, verdict } = onTrial();
    relief.onLeaving(old);
    expect(verdict()).toEqual([true]);
  });

  test("fails when it leaves more requests unanswered than it answers", () => {
    const { clock, answer, leave, verdict } = onTrial();
    for (let i = 1; i < MOST_UNANSWERED; i++) leave();
    answer("/a.php");
    expect(verdict()).toEqual([]);
    clock.advance(TRIAL_MS);
    expect(verdict()).toEqual([false]);
    answer("/a.php");
    expect(verdict()).toEqual([true]);
  });

  test(`fails at once with ${MOST_UNANSWERED} unanswered ones; answers that their clients left say nothing`, () => {
    const { leave, verdict } = onTrial();
    for (let i = 0; i < MOST_UNANSWERED; i++) leave(100);
    for (let i = 1; i < MOST_UNANSWERED; i++) leave();
    expect(verdict()).toEqual([]);
    leave();
    expect(verdict()).toEqual([false]);
  });

  test("is not judged while it leaves, and is told from others when it has ended", () => {
    const { clock, relief, fresh, verdict } = onTrial();
    fresh.state = "leaving";
    clock.advance(TRIAL_MS);
    expect([verdict(), relief.verdictInMs(clock.now()), relief.needsTree]).toEqual([
      [],
      Number.POSITIVE_INFINITY,
      false,
    ]);
    expect([relief.endTrial(fresh), relief.endTrial(fresh), relief.needsTree]).toEqual([true, false, true]);
  });
});

describe("a request", () => {
  test("is lent the new tree first, one at a time, and one more for each answer in a row that compiled nothing", () => {
    const { relief, old, fresh, answer } = onTrial();
    const next = () => relief.choose([old, fresh]);
    expect(next()).toBe(fresh);
    fresh.busy = 1;
    expect(next()).toBe(old);
    answer("/a.php");
    expect(next()).toBe(old);
    answer("/a.php");
    expect(next()).toBe(fresh);
    fresh.busy = 2;
    expect(next()).toBe(old);
    answer("/b.php");
    fresh.busy = 1;
    expect(next()).toBe(old);
  });

  test("goes to the new tree rather than wait, and after a failure to the old one", () => {
    const { relief, old, fresh, leave } = onTrial();
    fresh.busy = 1;
    expect(relief.choose([fresh])).toBe(fresh);
    fresh.busy = 0;
    leave();
    expect([relief.choose([fresh, old]), relief.choose([])]).toEqual([old, undefined]);
  });

  test("prefers a warm tree to one that is due, and of equal ones the first", () => {
    const { relief, old, fresh } = onTrial();
    const [warm, other] = [treeOf(), treeOf()];
    fresh.busy = 1;
    expect([relief.choose([old, warm, other]), relief.choose([fresh, old, warm])]).toEqual([warm, warm]);
  });
});

describe("a warm tree relieves", () => {
  const relievedOf = (places: number, due: readonly Tree[]) => {
    const relief = new Relief();
    for (const tree of due) relief.mark(tree, "new version");
    return relief.relievedBy(treeOf(places)).map(([tree]) => due.indexOf(tree as Tree));
  };

  test("one tree, that with the least work", () => {
    expect(relievedOf(4, [treeOf(4, 3), treeOf(4, 1), treeOf(4, 2)])).toEqual([1]);
  });

  test("one that is larger, and as many smaller ones as it has places", () => {
    expect(relievedOf(2, [treeOf(8), treeOf(8)])).toEqual([0]);
    expect(relievedOf(4, [treeOf(1), treeOf(2), treeOf(1), treeOf(1)])).toEqual([0, 1, 2]);
  });

  test("nobody when none is due", () => {
    expect(relievedOf(4, [])).toEqual([]);
  });
});

describe("requests wait for a new version of trees", () => {
  const programOf = (children: number, version: string, generation: string) =>
    ({ version, generation, app: appConfig({ children }) }) as unknown as Program;

  test.each([
    ["of which a file has changed", 4, "2", 1000],
    ["with other settings: not at all", 4, "1", 0],
    ["but for single processes with other settings, too", 0, "1", 1000],
  ])("%s", (_, children, version, expected) => {
    const succession = new Succession(programOf(children, "1", "a"));
    succession.onReady({ program: programOf(children, "1", "a") } as Backend);
    succession.replace(programOf(children, version, "b"), 0);
    expect(succession.patienceMs(0)).toBe(expected);
    succession.endPatience();
    expect([succession.patienceMs(0), succession.isPending]).toEqual([0, true]);
  });
});
