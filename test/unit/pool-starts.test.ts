import { describe, expect, test } from "bun:test";
import type { Backend } from "../../src/backend/backend.ts";
import type { Exit } from "../../src/backend/exit.ts";
import { Starts, type StartsOwner } from "../../src/pool/starts.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** Starts that fail as a test says: a process that ends before it accepts. */
function failing() {
  const clock = new FakeClock();
  const pauses: number[] = [];
  const owner = { onStartFailed: (_: unknown, pauseMs: number) => pauses.push(pauseMs) };
  const starts = new Starts(owner as unknown as StartsOwner, { clock } as never);
  const backend = {
    pid: 0,
    finished: Promise.resolve(),
    leftBehind: Promise.resolve([]),
    label: "x",
    firstStdout: "",
    lastStderr: "no database",
  };
  const exit: Exit = { code: 1, signal: null, wasStarted: false, reason: undefined };
  const fail = () => starts.onExit(backend as unknown as Backend, exit);
  return { clock, starts, fail, pauses };
}

describe("starts that fail", () => {
  test("are followed by a pause, longer each time, and open the breaker at the third in a row", () => {
    const { clock, starts, fail } = failing();
    fail();
    expect([starts.failures, starts.waitMs, starts.isBreakerOpen]).toEqual([1, 200, false]);
    clock.advance(199);
    expect(starts.waitMs).toBe(1);
    clock.advance(1);
    fail();
    expect([starts.failures, starts.waitMs, starts.isBreakerOpen]).toEqual([2, 400, false]);
    clock.advance(400);
    fail();
    expect([starts.failures, starts.waitMs, starts.isBreakerOpen]).toEqual([3, 800, true]);
    clock.advance(799);
    expect(starts.isBreakerOpen).toBe(true);
    clock.advance(1);
    expect(starts.isBreakerOpen).toBe(false);
  });

  test("open it again at once when the probe fails too", () => {
    const { clock, starts, fail } = failing();
    for (let i = 0; i < 3; i++) fail();
    clock.advance(starts.waitMs);
    fail();
    expect(starts.isBreakerOpen).toBe(true);
  });

  test("are forgotten with a success", () => {
    const { starts, fail } = failing();
    for (let i = 0; i < 3; i++) fail();
    starts.reset();
    expect([starts.isBreakerOpen, starts.waitMs, starts.failures]).toEqual([false, 0, 0]);
  });

  test("are told with the reason, and requests are refused with it and the time of the next try", async () => {
    const { clock, starts, fail, pauses } = failing();
    fail();
    await new Promise((resolve) => setImmediate(resolve));
    expect(pauses).toEqual([200]);
    clock.advance(50);
    const refusal = starts.refusal();
    expect(refusal.message).toContain("no database");
    expect(refusal).toMatchObject({ code: "BREAKER_OPEN", retryAfterMs: 150 });
  });

  test("are those as well, after some in a row, that end as soon as they are ready", async () => {
    const { clock, starts, pauses } = failing();
    const end = (changes: Partial<Backend> = {}) => {
      const backend = { pid: 0, wasUsed: false, idleSince: clock.now(), ...changes } as Backend;
      starts.onExit(backend, { code: 0, signal: null, wasStarted: true, reason: undefined });
      return starts.waitMs;
    };
    expect([end(), end(), end(), end()]).toEqual([0, 0, 800, 1600]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(pauses.length).toBe(2);
    starts.reset();
    // One that was ready for a while, or was used, did something else.
    expect(end({ idleSince: clock.now() - 1000 })).toBe(0);
    expect([end({ wasUsed: true }), end(), end(), end({ wasUsed: true }), end()]).toEqual([0, 0, 0, 0, 0]);
  });

  test("are not those that were ended by us, or came after the first accept", () => {
    const { starts } = failing();
    const ended: Exit = { code: 0, signal: null, wasStarted: false, reason: "new version" };
    starts.onExit({ pid: 0 } as Backend, ended);
    starts.onExit({ pid: 0 } as Backend, { ...ended, wasStarted: true, reason: undefined });
    expect(starts.failures).toBe(0);
  });
});
