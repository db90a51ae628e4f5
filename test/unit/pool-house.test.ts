import { describe, expect, test } from "bun:test";
import { fakeProgram } from "../support/fake-backend.ts";
import { FakeWaiter, fakePool } from "../support/fake-pool.ts";

const states = ({ made }: { made: { state: string }[] }) => made.map(({ state }) => state);

describe("idle processes", () => {
  test("above what the traffic needs go after ten seconds, the last one after idle_timeout", () => {
    const { serve, end, second, made } = fakePool({ idleTimeoutMs: 60_000, stopTimeoutMs: 250 });
    for (const waiter of serve(3)) end(waiter);
    for (let i = 0; i < 9; i++) second();
    expect(states({ made })).toEqual(["free", "free", "free"]);
    second();
    expect([states({ made }), made[0]?.stopReason, made[0]?.told]).toEqual([
      ["leaving", "leaving", "free"],
      "surplus",
      [250],
    ]);
    for (let i = 0; i < 49; i++) second();
    expect(made[2]?.state).toBe("free");
    second();
    expect([made[2]?.state, made[2]?.stopReason]).toEqual(["leaving", "idle"]);
  });

  test("are kept where the settings keep them, and started when they are fewer", () => {
    const { pool, settle, made, second } = fakePool({ minProcesses: 2, idleTimeoutMs: 1000 });
    expect([pool.kept, made.length]).toEqual([2, 0]);
    settle();
    for (const backend of made) backend.accept();
    for (let i = 0; i < 200; i++) second();
    expect(states({ made })).toEqual(["free", "free"]);
  });

  test("of a program for which nothing happens are not looked at before there is something to be done", () => {
    const { serve, end, second, pool, clock } = fakePool({ idleTimeoutMs: 5000 });
    const [first] = serve(1);
    if (first) end(first);
    expect(second()).toBeGreaterThan(0);
    expect([second(), second(), second()]).toEqual([0, 0, 0]);
    clock.advance(1000);
    expect(pool.onSecond(clock.now())).toBeGreaterThan(0);
    expect(first?.backend.stopReason).toBe("idle");
  });

  test("go when they have had max_requests, and another one is started only when it is asked for", () => {
    const { serve, end, ask, made } = fakePool({ maxRequests: 1 });
    const [first] = serve(1);
    if (first) end(first);
    expect([states({ made }), made[0]?.stopReason]).toEqual([["leaving"], "max_requests"]);
    ask();
    expect(states({ made })).toEqual(["leaving", "starting"]);
  });

  test("go when they are as old as max_age, which is looked at while nothing happens", () => {
    const { serve, end, second, made } = fakePool({ maxAgeMs: 20_000, idleTimeoutMs: 600_000 });
    const [first] = serve(1);
    if (first) end(first);
    for (let i = 0; i < 17; i++) second();
    expect(states({ made })).toEqual(["free"]);
    for (let i = 0; i < 6; i++) second();
    expect([states({ made }), made[0]?.stopReason]).toEqual([["leaving"], "max_age"]);
  });

  test("are as old as the time since they were ready: one whose boot takes longer than max_age serves the request that waits for it", () => {
    const { ask, clock, made, end } = fakePool({ maxAgeMs: 1000 });
    const waiter = ask();
    clock.advance(1500);
    made[0]?.accept();
    expect([states({ made }), waiter.lease?.backend === made[0]]).toEqual([["lent"], true]);
    clock.advance(1200);
    end(waiter);
    expect([states({ made }), made[0]?.stopReason]).toEqual([["leaving"], "max_age"]);
  });

  test("that hold more than max_memory go when they are free, one above max_memory_hard is killed at its work", () => {
    const { serve, end, second, made } = fakePool({ maxMemoryBytes: 1, maxMemoryHardBytes: 2 ** 50 });
    const [a, b] = serve(2);
    if (!a || !b) throw new Error("two were asked for");
    end(a);
    // They are weighed by their pid: those of the test's own process.
    for (const backend of made) Object.defineProperty(backend, "pid", { value: process.pid });
    second();
    expect([states({ made }), made[0]?.stopReason]).toEqual([["leaving", "lent"], "max_memory"]);
    expect(made[1]?.memoryBytes).toBeGreaterThan(2 ** 20);
    const hard = fakePool({ maxMemoryHardBytes: 2 });
    hard.serve(1);
    Object.defineProperty(hard.made[0], "pid", { value: process.pid });
    hard.second();
    expect([hard.made[0]?.told, hard.made[0]?.stopReason]).toEqual([[0], "max_memory_hard"]);
  });
});

describe("trees", () => {
  const app = {
    children: 4,
    concurrency: 4,
    maxProcesses: 1,
    minProcesses: 1,
    command: ["/usr/bin/php-cgi"],
  };
  const newer = fakeProgram(app as never, { version: "2", generation: "2" });
  /** A tree that serves, and the program's new version. */
  const replaced = () => {
    const rig = fakePool(app as never);
    const [first] = rig.serve(1);
    if (!first) throw new Error("one was asked for");
    rig.end(first);
    rig.pool.update(newer);
    rig.settle();
    return { ...rig, old: first.backend };
  };

  test("are replaced one by one: the old one serves until the new one is warm, though that is one more than max_processes", () => {
    const { made, old, settle, clock, pool, log, end, ask } = replaced();
    expect(log.lines).toEqual([
      "info the program's file was replaced: new processes take over one by one, when warm",
    ]);
    expect(states({ made })).toEqual(["free", "starting"]);
    const meanwhile = ask();
    clock.advance(1000);
    settle();
    expect(meanwhile.backend).toBe(old);
    made[1]?.accept();
    settle();
    expect([old.state, made[1]?.state]).toEqual(["free", "free"]);
    clock.advance(4999);
    settle();
    expect(old.state).toBe("free");
    clock.advance(1);
    settle();
    expect([old.state, old.stopReason, pool.living]).toEqual(["leaving", "new version", 1]);
    expect(old.told).toEqual([]);
    end(meanwhile);
    expect(old.told).toEqual([10_000]);
  });

  test("that leave requests unanswered when they are new go, and another one is tried after a pause", async () => {
    const { made, old, settle, clock, pool, ask, end } = replaced();
    made[1]?.accept();
    const asked = ask();
    expect(asked.backend).toBe(made[1] as never);
    end(asked, "left");
    made[1]?.accept();
    // Nobody waits for the sake of a trial.
    expect(ask().backend).toBe(old);
    clock.advance(5000);
    settle();
    await Bun.sleep(0);
    settle();
    expect([old.state, made[1]?.state, made[1]?.stopReason]).toEqual(["free", "leaving", "bad answer"]);
    expect(pool.tally.lastError?.message).toContain("left requests unanswered when it was new");
    clock.advance(pool.status.retryInMs);
    settle();
    expect(made.length).toBe(3);
  });

  test("give way first where all programs together leave no room for one more, if they are idle", () => {
    const { pool, old, made, clock } = replaced();
    made[1]?.exit({ code: null, signal: "SIGKILL" });
    clock.advance(1000);
    const busy = pool.lease(new FakeWaiter(clock.now()), clock.now());
    pool.onHeldBack();
    expect([old.state, pool.tally.heldBack]).toEqual(["free", 1]);
    if (busy) pool.release(busy, "kept", clock.now());
    pool.onHeldBack();
    expect([old.state, old.stopReason]).toEqual(["leaving", "new version"]);
    expect(pool.tally.heldBack).toBe(1);
  });

  test("that have had max_requests serve until they are relieved", () => {
    const rig = fakePool({ ...app, maxRequests: 1 } as never);
    const [first] = rig.serve(1);
    if (first) rig.end(first);
    rig.settle();
    expect(states(rig)).toEqual(["free", "starting"]);
    expect(rig.ask().backend).toBe(rig.made[0] as never);
  });
});
