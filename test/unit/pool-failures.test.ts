import { describe, expect, test } from "bun:test";
import { FpmError } from "../../src/base/errors.ts";
import { noDescriptors } from "../../src/base/shortage.ts";
import { fakePool } from "../support/fake-pool.ts";

/** What was thrown. */
function thrownBy(act: () => unknown): FpmError {
  try {
    act();
  } catch (error) {
    if (error instanceof FpmError) return error;
  }
  throw new Error("it threw no FpmError");
}

/** Lets what was explained be told. */
const told = () => Bun.sleep(0);

describe("a start that fails", () => {
  test("refuses the request that waits longest, and is counted and told", async () => {
    const { pool, ask, made } = fakePool({ maxProcesses: 1 });
    const [first, second] = [ask(), ask()];
    made[0]?.exit({ code: 7 });
    await told();
    expect(first.refused?.message).toContain("exited with status 7");
    expect([second.refused, pool.waiting, pool.tally.failedStarts]).toEqual([undefined, 1, 1]);
    expect([pool.tally.lastError?.code, pool.status.failures, pool.status.retryInMs]).toEqual([
      "BOOT_FAILED",
      1,
      200,
    ]);
  });

  test("is tried again after a pause, and what waits is served then", async () => {
    const { pool, ask, made, settle, clock } = fakePool({ maxProcesses: 1 });
    const waiting = [ask(), ask()];
    made[0]?.exit({ code: 7 });
    await told();
    settle();
    clock.advance(199);
    settle();
    expect([made.length, pool.wanted]).toEqual([1, 0]);
    clock.advance(1);
    settle();
    made[1]?.accept();
    expect([waiting[1]?.backend, pool.status.failures]).toEqual([made[1] as never, 0]);
  });

  test("by somebody's SIGKILL refuses nobody", async () => {
    const { ask, made, clock, settle } = fakePool();
    const waiting = ask();
    made[0]?.exit({ code: null, signal: "SIGKILL" });
    await told();
    expect(waiting.refused).toBeUndefined();
    clock.advance(200);
    settle();
    made[1]?.accept();
    expect(waiting.backend).toBe(made[1] as never);
  });

  test("refuses nobody while others serve", async () => {
    const { serve, ask, made, pool, clock, settle } = fakePool({ maxProcesses: 2 });
    serve(1);
    clock.advance(100);
    const waiting = ask();
    for (let i = 0; i < 4; i++) {
      made.at(-1)?.exit({ code: 7 });
      await told();
      clock.advance(pool.status.retryInMs);
      settle();
      expect(made.length).toBe(3 + i);
    }
    expect([waiting.refused, pool.status.failures]).toEqual([undefined, 4]);
    expect(ask().refused).toBeUndefined();
  });

  test("for the third time in a row refuses all that wait and come, until the next try", async () => {
    const { ask, made, clock, settle, log, pool } = fakePool({ maxProcesses: 1 });
    const waiting = Array.from({ length: 5 }, ask);
    for (let i = 0; i < 3; i++) {
      made.at(-1)?.exit({ code: 7 });
      await told();
      clock.advance(i < 2 ? 400 : 0);
      settle();
    }
    expect(waiting.map(({ refused }) => refused?.code)).toEqual(Array(5).fill("BOOT_FAILED"));
    expect(log.lines).toContain("error 3 starts in a row failed; the next try is in 0.8 s");
    const refusal = thrownBy(ask);
    expect([refusal.code, refusal.retryAfterMs]).toEqual(["BREAKER_OPEN", 800]);
    expect(refusal.message).toContain("exited with status 7");
    expect(refusal.message).toEndWith("Next try in 1 s.");
    expect(pool.isEmpty).toBe(false);
    clock.advance(800);
    expect(pool.isEmpty).toBe(true);
    const probe = ask();
    made.at(-1)?.accept();
    expect(probe.backend).toBe(made.at(-1) as never);
  });

  test("of which nothing began is told as it is; without descriptors nobody is refused, and it is tried again", async () => {
    const { ask, hindrance, made, clock, settle, log, pool } = fakePool();
    hindrance.error = new FpmError("SPAWN_FAILED", "backend", "no such interpreter");
    const first = ask();
    await told();
    expect(first.refused?.message).toBe("no such interpreter");
    hindrance.error = noDescriptors("a socket");
    clock.advance(200);
    const second = ask();
    await told();
    expect([second.refused, pool.status.failures, pool.tally.failedStarts]).toEqual([undefined, 1, 1]);
    expect(log.lines).toEqual([`warn ${hindrance.error.message}`]);
    hindrance.error = undefined;
    clock.advance(pool.status.retryInMs);
    settle();
    made[0]?.accept();
    expect(second.backend).toBe(made[0] as never);
  });
});

describe("a process that ends", () => {
  test("by itself is told with its age and what it has served; a crash is an error, and the last one of its program", async () => {
    const { pool, serve, end, clock, log } = fakePool();
    const [first] = serve(1);
    if (!first) throw new Error("one was asked for");
    end(first);
    clock.advance(2345);
    first.backend.exit({ code: null, signal: "SIGSEGV" });
    pool.onProcessExited(77, { code: null, signal: "SIGSEGV", wasStarted: true, reason: undefined });
    await told();
    expect(log.lines).toEqual(["error ended by SIGSEGV"]);
    expect(log.fields[0]).toMatchObject({
      program: "/srv/a.fcgi",
      pid: first.backend.pid,
      cause: "crash",
      age: "2.3s",
      served: 1,
      stderr: undefined,
    });
    expect([pool.tally.exits.crash, pool.tally.lastError]).toEqual([
      1,
      { code: "BACKEND_BROKEN", message: "pid 77 ended by SIGSEGV", at: 2345 },
    ]);
  });

  test("as it was asked to is no error", async () => {
    const { pool, serve, end, log } = fakePool();
    const [first] = serve(1);
    if (first) end(first);
    pool.giveUpIdlest();
    first?.backend.exit();
    const asked = { code: 0, signal: null, wasStarted: true, reason: "room for others" } as const;
    pool.onProcessExited(77, asked);
    await told();
    expect([log.lines, pool.tally.lastError, pool.tally.exits["asked for"]]).toEqual([
      ["info exited with status 0"],
      undefined,
      1,
    ]);
    expect(log.fields[0]).toMatchObject({ cause: "asked for", reason: "room for others" });
  });

  test("as soon as it has accepted a connection, three times in a row, is a failure", async () => {
    const { ask, made, clock, settle, pool } = fakePool({ minProcesses: 1 });
    ask();
    for (let i = 0; i < 3; i++) {
      made.at(-1)?.exit({ wasStarted: true });
      await told();
      expect(pool.tally.failedStarts).toBe(i < 2 ? 0 : 1);
      clock.advance(pool.status.retryInMs);
      settle();
    }
    expect(pool.tally.lastError?.message).toContain("as soon as it had accepted a connection");
  });

  test("without a request is not started anew to be at hand without a pause", () => {
    const { pool, made, settle, clock } = fakePool({ minProcesses: 1 });
    settle();
    made[0]?.accept();
    clock.advance(5000);
    made[0]?.exit();
    settle();
    expect(made.length).toBe(1);
    clock.advance(199);
    settle();
    expect(made.length).toBe(1);
    clock.advance(1);
    settle();
    expect(made.length).toBe(2);
    expect(pool.tally.failedStarts).toBe(0);
  });

  test("counts the processes that began, and the records that were dropped", () => {
    const { pool } = fakePool();
    pool.onProcessStarted();
    pool.onStaleRecord();
    pool.onStaleRecord();
    expect([pool.tally.started, pool.tally.staleRecords]).toEqual([1, 2]);
  });
});
