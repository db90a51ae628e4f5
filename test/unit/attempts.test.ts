import { describe, expect, test } from "bun:test";
import { Attempts, needsNewConnection } from "../../src/daemon/attempts.ts";
import type { Failure } from "../../src/relay/relay.ts";

const SAFE = true;
const UNSAFE = false;

/** What is said after each failure in turn. */
function after(isSafe: boolean, ...failures: Failure[]): boolean[] {
  const attempts = new Attempts(isSafe);
  return failures.map((failure) => attempts.mayRepeat(failure));
}

describe("a request may be sent again", () => {
  test("as often as nobody has seen it, whatever its method", () => {
    const often = Array.from({ length: 50 }, () => "unseen" as const);
    expect(after(UNSAFE, ...often)).toEqual(often.map(() => true));
    expect(after(SAFE, ...often)).toEqual(often.map(() => true));
  });

  test("until three processes have died over it, where asking twice does no harm", () => {
    expect(after(SAFE, "lost", "lost", "lost")).toEqual([true, true, false]);
    expect(after(UNSAFE, "lost")).toEqual([false]);
  });

  test("after the end of a kept connection, and that is no death", () => {
    expect(after(SAFE, "stale", "lost", "unseen", "lost", "lost")).toEqual([true, true, true, true, false]);
    expect(after(UNSAFE, "stale")).toEqual([false]);
  });

  test("never after an answer, however bad", () => {
    expect([...after(SAFE, "bad"), ...after(UNSAFE, "bad")]).toEqual([false, false]);
  });
});

test("a request that must not run twice, and each that is sent again, needs a new connection", () => {
  expect([needsNewConnection(SAFE, undefined), needsNewConnection(UNSAFE, undefined)]).toEqual([false, true]);
  expect(needsNewConnection(SAFE, new Attempts(SAFE))).toBe(true);
});

test("a request is taken back twice, not three times", () => {
  const attempts = new Attempts(UNSAFE);
  expect([attempts.mayRepeat("taken back"), attempts.mayBeTakenBack]).toEqual([true, true]);
  expect([attempts.mayRepeat("taken back"), attempts.mayBeTakenBack]).toEqual([true, false]);
});
