import { describe, expect, test } from "bun:test";
import type { Backend, Ending } from "../../src/backend/backend.ts";
import type { BackendDeps, BackendOwner } from "../../src/backend/lent-backend.ts";
import { ByteQueue } from "../../src/base/byte-queue.ts";
import type { AppConfig } from "../../src/config/config.ts";
import { encodeHead } from "../../src/fcgi/encoder.ts";
import { RequestHead } from "../../src/fcgi/head.ts";
import { FakeBackend, fakeProgram } from "../support/fake-backend.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** A process that starts, and what its owner hears of it. */
function life(app: Partial<AppConfig> = {}) {
  const clock = new FakeClock();
  const heard: string[] = [];
  const owner = {
    onBackendMoved: ({ state }: Backend, before: string) => void heard.push(`${before} -> ${state}`),
    onBackendReady: () => void heard.push("ready"),
    onBackendBack: () => void heard.push("back"),
    onBackendExit: () => void heard.push("exit"),
  } as unknown as BackendOwner;
  const backend = new FakeBackend(fakeProgram(app), owner, { clock } as unknown as BackendDeps);
  const closed: string[] = [];
  const lend = () => {
    const lease = backend.lend(clock.now());
    backend.link = { onClosed: (why: string) => closed.push(why) } as never;
    const head = new RequestHead(encodeHead(1, 1, true, new Uint8Array(0)));
    lease.open({ head, body: new ByteQueue() }, new Map(), true);
    return lease;
  };
  const end = (lease: ReturnType<typeof lend>, how: Ending = "kept") => backend.end(lease, how, clock.now());
  const started = () => {
    backend.accept();
    heard.length = 0;
  };
  return { clock, heard, backend, closed, lend, end, started };
}

describe("a process", () => {
  test("can be lent as often at once as it serves, and not before it has started", () => {
    const { backend, lend, end, heard } = life({ concurrency: 2 });
    expect(lend).toThrow("was lent while it was starting");
    backend.accept();
    expect(heard).toEqual(["starting -> free", "ready"]);
    const [a, b] = [lend(), lend()];
    expect([backend.busy, backend.free, backend.isIdle, backend.state]).toEqual([2, 0, false, "lent"]);
    expect(lend).toThrow("was lent while it was lent");
    end(a);
    expect([backend.busy, backend.free, backend.state]).toEqual([1, 1, "free"]);
    end(b);
    expect([backend.served, backend.isIdle, backend.leases]).toEqual([2, true, []]);
  });

  test("is idle since its last request was over, or since it came back", () => {
    const { backend, lend, end, clock, started } = life({ concurrency: 2, abortTimeoutMs: 0 });
    started();
    clock.advance(10);
    const [a, b] = [lend(), lend()];
    clock.advance(10);
    end(a);
    expect(backend.idleSince).toBe(0);
    clock.advance(10);
    end(b, "left");
    expect([backend.idleSince, backend.aloneSince, backend.state]).toEqual([30, 30, "on its own"]);
    clock.advance(10);
    backend.accept();
    expect([backend.idleSince, backend.state]).toEqual([40, "free"]);
  });

  test("counts as used when it has answered, works, or has begun with a request that it did not answer", () => {
    const { backend, lend, end, started } = life({ abortTimeoutMs: 0 });
    started();
    expect(backend.wasUsed).toBe(false);
    const lease = lend();
    expect(backend.wasUsed).toBe(true);
    end(lease, "left");
    expect([backend.served, backend.wasUsed]).toEqual([0, true]);
    const other = life();
    other.started();
    const unseen = other.lend();
    other.backend.isUnaccepted = () => true;
    other.end(unseen, "stale");
    expect([other.backend.served, other.backend.wasUsed]).toEqual([0, false]);
  });

  test("of which nobody is sure that it is free is on its own until it is back, unless it works", () => {
    const { backend, lend, heard, started } = life({ concurrency: 2 });
    started();
    backend.doubt();
    backend.accept();
    expect(heard).toEqual(["free -> on its own", "on its own -> free", "back"]);
    lend();
    backend.doubt();
    expect(backend.state).toBe("free");
  });
});

describe("a process that is to leave", () => {
  test("is stopped at once when it is idle, and after its last request when it works", () => {
    const idle = life();
    idle.started();
    idle.backend.retire("idle", 700);
    expect([idle.backend.state, idle.backend.told, idle.backend.isStopping]).toEqual([
      "leaving",
      [700],
      true,
    ]);
    const { backend, lend, end, started } = life({ concurrency: 2 });
    started();
    const [a, b] = [lend(), lend()];
    backend.retire("new version", 700);
    end(a);
    expect([backend.state, backend.told]).toEqual(["leaving", []]);
    end(b);
    expect([backend.told, backend.stopReason]).toEqual([[700], "new version"]);
  });

  test("keeps its first reason, and is not stopped twice", () => {
    const { backend, started } = life();
    started();
    backend.retire("max_age", 700);
    backend.stop("shutdown", 50);
    expect([backend.stopReason, backend.told]).toEqual(["max_age", [700, 50]]);
    backend.exit();
    backend.stop("shutdown", 0);
    backend.retire("shutdown", 0);
    expect([backend.told, backend.state]).toEqual([[700, 50], "gone"]);
  });

  test("is waited for while it is on its own, and also then while it works on others' requests", () => {
    const alone = life({ abortTimeoutMs: 0 });
    alone.started();
    alone.end(alone.lend(), "left");
    alone.backend.retire("new version", 700);
    expect(alone.backend.told).toEqual([]);
    alone.backend.accept();
    expect(alone.backend.told).toEqual([700]);
    const { backend, lend, end, started } = life({ concurrency: 3, abortTimeoutMs: 0 });
    started();
    const [a, b] = [lend(), lend()];
    end(a, "left");
    backend.retire("new version", 700);
    backend.accept();
    expect(backend.told).toEqual([]);
    end(b);
    expect(backend.told).toEqual([700]);
  });

  test("tells the users of its connections, and hears nothing of a return any more", () => {
    const { backend, lend, end, closed, heard, started } = life();
    started();
    const lease = lend();
    backend.stop("killed by hand", 0);
    expect([closed, backend.told]).toEqual([["stopped: killed by hand"], [0]]);
    heard.length = 0;
    end(lease, "left");
    backend.accept();
    expect([heard, backend.state]).toEqual([[], "leaving"]);
    backend.exit();
    expect(heard).toEqual(["leaving -> gone", "exit"]);
  });

  test("and was told so keeps its time, whatever becomes of its requests", () => {
    for (const how of ["over", "left"] as const) {
      const { backend, lend, end, clock, started } = life({ requestTimeoutMs: 10 });
      started();
      const lease = lend();
      if (how === "over") lease.condemn("bad answer");
      backend.stop("shutdown", 700);
      end(lease, how);
      clock.advance(1000);
      expect([backend.told, clock.timers, backend.state]).toEqual([[700], 0, "leaving"]);
    }
  });
});

describe("a process that is beyond help", () => {
  test("is killed when its request is over, before anybody else gets it", () => {
    const { backend, lend, end, started } = life();
    started();
    const lease = lend();
    lease.condemn("bad answer");
    end(lease, "over");
    expect([backend.told, backend.stopReason, backend.free]).toEqual([[0], "bad answer", 0]);
  });

  test("gives others that it works on the time that a request or a stop has", () => {
    for (const [requestTimeoutMs, stopTimeoutMs, ms] of [
      [5000, 2000, 5000],
      [0, 2000, 2000],
    ] as const) {
      const { backend, lend, end, clock, started } = life({
        concurrency: 2,
        requestTimeoutMs,
        stopTimeoutMs,
      });
      started();
      const [bad, other] = [lend(), lend()];
      bad.condemn("bad answer");
      end(bad, "left");
      expect([backend.told, backend.state]).toEqual([[], "leaving"]);
      clock.advance(ms - 1);
      expect(backend.told).toEqual([]);
      clock.advance(1);
      expect([backend.told, backend.leases]).toEqual([[0], [other]]);
    }
  });
});

describe("what a process does for a client that has left", () => {
  const left = (app: Partial<AppConfig>) => {
    const world = life({ abortTimeoutMs: 0, ...app });
    world.started();
    const lease = world.lend();
    world.clock.advance(1000);
    world.end(lease, "left");
    return world;
  };

  test("goes on within request_timeout, which has run since the request was lent to it", () => {
    const { backend, clock } = left({ requestTimeoutMs: 3000 });
    clock.advance(1999);
    expect(backend.told).toEqual([]);
    clock.advance(1);
    expect([backend.told, backend.stopReason]).toEqual([[0], "request timeout"]);
  });

  test("goes on within abort_timeout, which runs since its client left", () => {
    const { backend, clock } = left({ abortTimeoutMs: 3000, requestTimeoutMs: 60_000 });
    clock.advance(2999);
    expect(backend.told).toEqual([]);
    clock.advance(1);
    expect([backend.told, backend.stopReason]).toEqual([[0], "abort timeout"]);
  });

  test("has no limit where none is set, or when it is over", () => {
    const free = left({});
    free.clock.advance(1e9);
    expect([free.backend.told, free.backend.state]).toEqual([[], "on its own"]);
    const { backend, clock } = left({ abortTimeoutMs: 3000, requestTimeoutMs: 3000 });
    backend.accept();
    clock.advance(1e9);
    expect([backend.told, backend.state, clock.timers]).toEqual([[], "free", 0]);
  });

  test("after END_REQUEST has no limit but its own", () => {
    const world = life({ abortTimeoutMs: 10, requestTimeoutMs: 10 });
    world.started();
    world.backend.worksOn = true;
    world.end(world.lend(), "over");
    world.clock.advance(1000);
    expect([world.backend.state, world.backend.told]).toEqual(["on its own", []]);
  });
});
