import { describe, expect, test } from "bun:test";
import { FpmError } from "../../src/base/errors.ts";
import { fakePool } from "../support/fake-pool.ts";

const states = ({ made }: { made: { state: string }[] }) => made.map(({ state }) => state);

describe("a request", () => {
  test("to a program without processes waits for the one that is started for it", () => {
    const { pool, made, ask } = fakePool();
    const first = ask();
    expect([first.lease, pool.waiting, made.length, pool.size, pool.isEmpty]).toEqual([
      undefined,
      1,
      1,
      1,
      false,
    ]);
    made[0]?.accept();
    expect([first.backend, pool.waiting, pool.tally.queued]).toEqual([made[0] as never, 0, 1]);
    expect(states({ made })).toEqual(["lent"]);
  });

  test("is lent the process that was used last, at once, and nothing is looked at for it", () => {
    const { pool, owner, serve, end, ask, made } = fakePool();
    const [a, b] = serve(2);
    if (!a || !b) throw new Error("two were asked for");
    end(b);
    end(a);
    const { changes, traffic } = owner;
    const next = ask();
    expect(next.backend).toBe(a.backend);
    end(next);
    expect([owner.changes, owner.traffic]).toEqual([changes, traffic]);
    expect([pool.tally.queued, made.length]).toEqual([2, 2]);
    expect([pool.tally.wait.count, pool.tally.wait.maxMs]).toEqual([3, 0]);
  });

  test("is refused when queue_length of them wait, and 1024 where the settings say nothing", () => {
    const { ask, serve } = fakePool({ queueLength: 2, maxProcesses: 1 });
    serve(1);
    ask();
    ask();
    expect(ask).toThrow("2 requests wait already");
    const other = fakePool({ maxProcesses: 1 });
    other.serve(1);
    for (let i = 0; i < 1024; i++) other.ask();
    expect(other.ask).toThrow("1024 requests wait already");
    expect(other.pool.waiting).toBe(1024);
  });

  test("has no more places for processes that may be started than boot at once, while nothing is known of the program", () => {
    const { ask, pool } = fakePool({ queueLength: 2 });
    // 64 cores.
    for (let i = 0; i < 2 + 32; i++) ask();
    while (pool.waiting < 2 + 64) ask();
    expect(ask).toThrow("66 requests wait already");
  });

  test("has a place beside those that wait while processes are being started, or may be", () => {
    const cold = fakePool({ queueLength: 2, maxProcesses: 3, concurrency: 2 });
    for (let i = 0; i < 8; i++) cold.ask();
    expect(cold.ask).toThrow("8 requests wait already");
    const one = fakePool({ queueLength: 1, maxProcesses: 2 });
    one.serve(1);
    one.ask();
    one.ask();
    expect(one.ask).toThrow("2 requests wait already");
  });

  test("that has waited for queue_timeout is refused, and what is wanted for the others is worked out anew", () => {
    const { clock, owner, ask, pool } = fakePool({ queueTimeoutMs: 1000 });
    const waiter = ask();
    clock.advance(999);
    ask();
    expect(waiter.refused).toBeUndefined();
    const { traffic } = owner;
    clock.advance(1);
    expect(waiter.refused?.code).toBe("QUEUE_TIMEOUT");
    expect(waiter.refused?.message).toContain("queue_timeout (1 s)");
    expect([pool.waiting, owner.traffic]).toEqual([1, traffic + 1]);
  });

  test("that leaves while it waits is given nothing, and those behind it move up", () => {
    const { pool, ask, made } = fakePool({ maxProcesses: 1 });
    const [first, second] = [ask(), ask()];
    expect([pool.ahead(first), pool.ahead(second)]).toEqual([0, 1]);
    pool.giveUp(first);
    expect([pool.ahead(second), pool.waiting]).toEqual([0, 1]);
    made[0]?.accept();
    expect([first.lease, second.backend]).toEqual([undefined, made[0] as never]);
  });

  test("that is over makes room for the one that waits longest, and its bytes are counted", () => {
    const { pool, ask, serve, end } = fakePool({ maxProcesses: 1 });
    const [first] = serve(1);
    if (!first?.lease) throw new Error("it was lent");
    const [second, third] = [ask(), ask()];
    first.lease.bytesIn = 70;
    first.lease.bytesOut = 900;
    end(first);
    expect([second.backend, third.lease]).toEqual([first.backend, undefined]);
    expect([pool.tally.bytesIn, pool.tally.bytesOut]).toEqual([70, 900]);
    expect(second.backend.served).toBe(1);
  });

  test("whose client has left leaves its process on its own: it gets no other before it is back", () => {
    const { pool, ask, serve, end, made } = fakePool({ maxProcesses: 1 });
    const [first] = serve(1);
    if (!first) throw new Error("one was asked for");
    end(first, "left");
    expect([states({ made }), pool.living, pool.size]).toEqual([["on its own"], 1, 1]);
    const second = ask();
    expect(second.lease).toBeUndefined();
    made[0]?.accept();
    expect(second.backend).toBe(made[0] as never);
  });

  test("of several that a process serves at once has a place of its own", () => {
    const { ask, serve, made, end, pool } = fakePool({ concurrency: 3, maxProcesses: 1 });
    const [first] = serve(1);
    const others = [ask(), ask()];
    const late = ask();
    expect(others.map(({ backend }) => backend)).toEqual([made[0], made[0]] as never[]);
    expect([late.lease, made.length, pool.waiting]).toEqual([undefined, 1, 1]);
    if (first) end(first);
    expect(late.backend).toBe(made[0] as never);
  });
});

describe("while requests wait at a program's cap", () => {
  test("whose client has left says nothing of how long requests take", () => {
    const startedAfter = (how: "kept" | "left") => {
      const { clock, ask, end, made } = fakePool();
      const first = ask();
      clock.advance(20);
      made[0]?.accept();
      clock.advance(1000);
      end(first, how);
      if (how === "left") made[0]?.accept();
      for (let requests = 0; requests < 6; requests++) ask();
      return made.length - 1;
    };
    expect(startedAfter("kept")).toBe(5);
    expect(startedAfter("left")).toBe(0);
  });

  test("threads that have been at work for nobody for ten seconds make room, the oldest first", () => {
    const { clock, serve, end, ask, made, settle, pool } = fakePool({ maxProcesses: 2, concurrency: 2 });
    for (const waiter of serve(4).toReversed()) {
      clock.advance(10);
      waiter.backend.showsLeft = true;
      end(waiter, "left");
    }
    const [first, second] = made;
    if (!first || !second) throw new Error("two were asked for");
    expect([first.left, second.left]).toEqual([
      [30, 40],
      [10, 20],
    ]);
    expect([first.isIdle, first.free, pool.living]).toEqual([false, 0, 2]);
    const [waiting, other] = [ask(), ask()];
    const leases = (ms: number) => {
      clock.advance(ms);
      settle();
      return [waiting.lease?.backend, other.lease?.backend];
    };
    expect(leases(9_969)).toEqual([undefined, undefined]);
    expect(leases(1)).toEqual([second, undefined] as never);
    expect(leases(10)).toEqual([second, second] as never);
    expect([first.left.length, second.left, first.told, second.told]).toEqual([2, [], [], []]);
  });

  test("a process that is to leave, and is waited for as it works for nobody, makes room as well", () => {
    const { clock, serve, end, ask, made, settle, pool } = fakePool({
      maxProcesses: 1,
      stopTimeoutMs: 700,
      abortTimeoutMs: 0,
    });
    for (const waiter of serve(1)) end(waiter, "left");
    void pool.restart();
    settle();
    const waiting = ask();
    clock.advance(9_999);
    settle();
    expect(made[0]?.told).toEqual([]);
    clock.advance(1);
    settle();
    expect(made[0]?.told).toEqual([700]);
    made[0]?.exit();
    settle();
    made[1]?.accept();
    expect(waiting.backend).toBe(made[1] as never);
  });

  test("a process that has been on its own for ten seconds makes room, the oldest first, and no more than wait", () => {
    const { clock, serve, end, ask, made, settle, pool } = fakePool({
      maxProcesses: 2,
      stopTimeoutMs: 700,
      abortTimeoutMs: 0,
    });
    for (const waiter of serve(2)) {
      end(waiter, "left");
      clock.advance(10);
    }
    const waiting = ask();
    clock.advance(9_979);
    settle();
    expect(states({ made })).toEqual(["on its own", "on its own"]);
    clock.advance(1);
    settle();
    expect(states({ made })).toEqual(["leaving", "on its own"]);
    expect([made[0]?.told, made[0]?.stopReason]).toEqual([[700], "left alone"]);
    clock.advance(5000);
    settle();
    expect(states({ made })).toEqual(["leaving", "on its own"]);
    made[0]?.exit();
    settle();
    made[2]?.accept();
    expect([waiting.backend, pool.size]).toEqual([made[2] as never, 2]);
  });

  test("where there is room for more none of them is ended", () => {
    const { clock, serve, end, ask, made } = fakePool({ maxProcesses: 3, abortTimeoutMs: 0 });
    for (const waiter of serve(2)) end(waiter, "left");
    clock.advance(60_000);
    ask();
    expect(states({ made })).toEqual(["on its own", "on its own", "starting"]);
  });
});

describe("for the sake of another program", () => {
  test("the process that has been idle for longest goes", () => {
    const { clock, serve, end, pool } = fakePool({ stopTimeoutMs: 300 });
    const [a, b] = serve(2);
    if (!a || !b) throw new Error("two were asked for");
    end(b);
    clock.advance(5);
    end(a);
    expect(pool.idleSince).toBe(b.backend.idleSince);
    pool.giveUpIdlest();
    expect([b.backend.state, b.backend.told, b.backend.stopReason]).toEqual([
      "leaving",
      [300],
      "room for others",
    ]);
    expect([a.backend.state, pool.living, pool.size]).toEqual(["free", 1, 2]);
  });

  test("the one that becomes free goes where the pool has more than its share, and serves nobody before", () => {
    const { owner, serve, end, ask, pool } = fakePool({ maxProcesses: 1 });
    const [first] = serve(1);
    const waiting = ask();
    owner.isOverdrawn = true;
    if (first) end(first);
    expect([first?.backend.state, first?.backend.stopReason, waiting.lease]).toEqual([
      "leaving",
      "room for others",
      undefined,
    ]);
    expect(pool.idleSince).toBeUndefined();
  });

  test("one that waits for room is counted once, until it has got it", () => {
    const { pool, ask, made, settle } = fakePool();
    ask();
    pool.onHeldBack();
    pool.onHeldBack();
    expect(pool.tally.heldBack).toBe(1);
    made[0]?.accept();
    settle();
    ask();
    pool.onHeldBack();
    pool.onHeldBack();
    expect(pool.tally.heldBack).toBe(2);
  });

  test("a process on its own for ten seconds is ended when it is asked to give one up, if there is one", () => {
    const { pool, serve, end, clock, made } = fakePool({ abortTimeoutMs: 0 });
    const [first] = serve(1);
    expect(pool.giveUpLoneliest()).toBe(false);
    if (first) end(first, "left");
    expect(pool.giveUpLoneliest()).toBe(false);
    clock.advance(10_000);
    expect([pool.giveUpLoneliest(), made[0]?.stopReason]).toEqual([true, "left alone"]);
  });
});

describe("a request that a process was handed and has not read", () => {
  test("is taken back, and from the second time on the program's processes count as free only when they are back", () => {
    const { pool, serve, end, ask, log } = fakePool();
    const [a, b] = serve(2);
    if (!a || !b) throw new Error("two were asked for");
    end(a);
    end(b);
    const next = ask();
    if (!next.lease) throw new Error("it was lent");
    let taken = 0;
    next.backend.takeBack = () => taken++;
    pool.onBackendUnread(next.lease, "at work");
    expect([taken, log.lines.length]).toEqual([1, 1]);
    expect(log.lines[0]).toContain("it works on after its answer");
    expect([a.backend.state, b.backend.state].sort()).toEqual(["lent", "on its own"]);
    pool.onBackendUnread(next.lease, "at work");
    expect([taken, log.lines.length]).toEqual([2, 1]);
  });

  test("says nothing of a program that was stopped, or of a process that has answered nothing yet", () => {
    const { pool, serve, log } = fakePool();
    const [first] = serve(1);
    if (!first?.lease) throw new Error("it was lent");
    pool.onBackendUnread(first.lease, "at work");
    first.backend.served = 1;
    pool.onBackendUnread(first.lease, "stopped");
    expect([log.lines, pool.tally.conduct.answersEarly]).toEqual([[], false]);
  });
});

describe("at the end", () => {
  test("who waits or comes is refused, processes get stop_timeout, and it is over when all have gone", async () => {
    const { pool, serve, ask, made, clock } = fakePool({ maxProcesses: 2, stopTimeoutMs: 900 });
    serve(2);
    const waiting = ask();
    let isOver = false;
    const stopping = pool.stopAll().then(() => (isOver = true));
    expect(waiting.refused?.code).toBe("SHUTTING_DOWN");
    expect(() => pool.lease(waiting, clock.now())).toThrow(FpmError);
    expect(made.map(({ told, stopReason }) => [told, stopReason])).toEqual([
      [[900], "shutdown"],
      [[900], "shutdown"],
    ]);
    made[0]?.exit();
    await Bun.sleep(0);
    expect(isOver).toBe(false);
    made[1]?.exit();
    await stopping;
    expect([pool.size, pool.review(), pool.wanted]).toEqual([0, 0, 0]);
  });

  test("the pool is empty when its last process has gone and no lease is out", () => {
    const { pool, serve, end } = fakePool();
    const [first] = serve(1);
    first?.backend.exit();
    expect([pool.size, pool.isEmpty]).toEqual([0, false]);
    if (first) end(first, "left");
    expect(pool.isEmpty).toBe(true);
  });
});
