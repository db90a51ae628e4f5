import { describe, expect, test } from "bun:test";
import { Registry } from "../../src/pool/registry.ts";
import type { Program } from "../../src/start/program.ts";
import { fakeProgram } from "../support/fake-backend.ts";
import { FakeWaiter, fakeDeps } from "../support/fake-pool.ts";

const named = (name: string, app = {}, changes: Partial<Program> = {}) =>
  fakeProgram(app, { key: name, name, script: name, ...changes });

/** All programs, and what their requests do. */
function fakeRegistry(maxProcesses: number) {
  const surroundings = fakeDeps();
  const { clock, deps, made } = surroundings;
  const registry = new Registry(maxProcesses, deps.machine(), deps);
  /** What was asked for is looked at: that may take the 4 ms between two looks. */
  const turn = () => clock.advance(4);
  const ask = (program: Program) => {
    const waiter = new FakeWaiter(clock.now());
    waiter.lease = registry.poolFor(program).lease(waiter, clock.now());
    return waiter;
  };
  const startAll = () => {
    for (let next = 0; next < made.length; next++) {
      if (made[next]?.state === "starting") made[next]?.accept();
      turn();
    }
  };
  const serve = (program: Program) => {
    const waiter = ask(program);
    turn();
    startAll();
    return waiter;
  };
  const end = ({ lease }: FakeWaiter, program: Program, how: "kept" | "left" = "kept") => {
    if (lease) registry.poolFor(program).release(lease, how, clock.now());
  };
  return { ...surroundings, registry, turn, ask, serve, end, startAll };
}

describe("programs", () => {
  test("have one pool each, made at the first request and gone a second after the last process", () => {
    const { registry, serve, made, clock, end } = fakeRegistry(100);
    const a = named("/a");
    const waiter = serve(a);
    expect(registry.poolFor(a)).toBe(registry.poolFor(named("/a")));
    expect([registry.programs, registry.processes, registry.tallyOf(a).queued]).toEqual([1, 1, 1]);
    end(waiter, a);
    made[0]?.exit();
    clock.advance(1000);
    expect([registry.programs, registry.processes]).toEqual([0, 0]);
    expect([registry.tallyOf(a).queued, registry.statusOf(a), registry.tallies.goneCount]).toEqual([
      1,
      undefined,
      1,
    ]);
    serve(a);
    expect([registry.tallyOf(a).queued, registry.tallies.goneCount]).toEqual([2, 0]);
  });

  test("that came to nothing are counted together", () => {
    const { registry } = fakeRegistry(100);
    registry.tallyOf(undefined).onRejected("PROTOCOL");
    expect([registry.tallyOf(named("/x")), registry.tallies.others.outcomes.refused]).toEqual([
      registry.tallies.others,
      1,
    ]);
  });

  test("are found by name, by script, and by the name of their settings; by name first", () => {
    const { registry, serve } = fakeRegistry(100);
    const a = named("/usr/bin/php-cgi (site)", { id: "site" }, { script: "/srv/index.php" });
    const b = named("site");
    serve(a);
    expect(registry.find("site")?.program.key).toBe(a.key);
    serve(b);
    expect(registry.find("site")?.program.key).toBe(b.key);
    expect(registry.find("/srv/index.php")?.program.key).toBe(a.key);
    expect(registry.find("/none")).toBeUndefined();
    expect([...registry.status].map(({ program }) => program.key)).toEqual([a.key, b.key]);
  });

  test("have processes that are found by their pid", () => {
    const { registry, serve, made } = fakeRegistry(100);
    serve(named("/a"));
    serve(named("/b"));
    expect(registry.backendOf(made[1]?.pid ?? 0)).toBe(made[1] as never);
    expect(registry.backendOf(1)).toBeUndefined();
    Object.defineProperty(made[0], "children", { value: [98, 99] });
    expect(registry.backendOf(99)).toBe(made[0] as never);
  });

  test("whose settings keep processes have them before anybody asks", () => {
    const { registry, turn, made } = fakeRegistry(100);
    registry.keep(named("/a", { minProcesses: 2 }));
    turn();
    turn();
    expect(made.length).toBe(2);
  });

  test("are looked up anew after a reload; what is not configured any more ends", async () => {
    const { registry, serve, end, made } = fakeRegistry(100);
    const [a, b] = [named("/a"), named("/b")];
    end(serve(a), a);
    end(serve(b), b);
    await registry.refresh(async (program) => (program.key === "/a" ? named("/a", { nice: 3 }) : undefined));
    expect(registry.find("/a")?.program.app.nice).toBe(3);
    expect(made.map(({ stopReason }) => stopReason)).toEqual([undefined, "not configured any more"]);
  });

  test("have those leave to whose sockets nobody comes any more, but for what starts or leaves", () => {
    const { registry, serve, ask, turn, made, clock } = fakeRegistry(100);
    const a = named("/a");
    serve(a);
    clock.advance(50);
    serve(a);
    clock.advance(50);
    ask(a);
    turn();
    for (const [at, backend] of made.entries()) backend.socketPath = `/run/${at}`;
    expect(made.map(({ state }) => state)).toEqual(["lent", "lent", "starting"]);
    expect(registry.retireUnreachable((path) => path === "/run/0")).toBe(1);
    expect(made.map(({ stopReason }) => stopReason)).toEqual([undefined, "unreachable", undefined]);
    expect(registry.retireUnreachable(() => false)).toBe(1);
  });
});

describe("the cap of all programs together", () => {
  test("holds back who wants more, and room that becomes free is given out", () => {
    const { registry, serve, ask, turn, made, end } = fakeRegistry(2);
    const [a, b, c] = [named("/a"), named("/b"), named("/c")];
    const first = serve(a);
    serve(b);
    const waiting = ask(c);
    turn();
    expect([made.length, registry.processes, registry.tallyOf(c).heldBack]).toEqual([2, 2, 1]);
    expect([registry.roomFor(c), registry.maxProcesses]).toEqual([0, 2]);
    end(first, a);
    turn();
    expect(made[0]?.stopReason).toBe("room for others");
    made[0]?.exit();
    turn();
    made[2]?.accept();
    expect(waiting.backend).toBe(made[2] as never);
  });

  test("may be another one after a reload: who waits gets the room, and surplus goes when it is free", () => {
    const { registry, serve, ask, turn, made, end, deps } = fakeRegistry(1);
    const [a, b] = [named("/a"), named("/b")];
    const first = serve(a);
    ask(b);
    turn();
    expect(made.length).toBe(1);
    registry.reload(2, deps.machine());
    turn();
    expect([made.length, registry.maxProcesses]).toEqual([2, 2]);
    made[1]?.accept();
    registry.reload(1, deps.machine());
    turn();
    expect(made.map(({ state }) => state)).toEqual(["lent", "lent"]);
    end(first, a);
    turn();
    expect(made[0]?.state).toBe("leaving");
  });

  test("leaves room for a program of which nothing is known", () => {
    const { registry } = fakeRegistry(3);
    expect(registry.roomFor(named("/new"))).toBe(3);
  });
});

describe("what happens in one turn", () => {
  test("is looked at once, when the turn is over", () => {
    const { registry, ask, turn, made } = fakeRegistry(100);
    const a = named("/a");
    for (let i = 0; i < 20; i++) ask(a);
    const pool = registry.poolFor(a);
    let reviews = 0;
    const review = pool.review.bind(pool);
    pool.review = () => {
      reviews++;
      return review();
    };
    expect(made.length).toBe(0);
    turn();
    expect(made.length).toBeGreaterThan(0);
    expect(reviews).toBeLessThanOrEqual(2 + made.length);
  });

  test("of requests that come and go is looked at every 4 ms at the most", () => {
    const { registry, ask, serve, clock } = fakeRegistry(100);
    const a = named("/a", { maxProcesses: 1 });
    serve(a);
    clock.advance(50);
    const pool = registry.poolFor(a);
    const reviewed: number[] = [];
    pool.review = () => {
      reviewed.push(clock.now());
      return 0;
    };
    for (let ms = 0; ms < 40; ms++) {
      const waiter = ask(a);
      pool.giveUp(waiter);
      registry.onTraffic(pool, clock.now());
      clock.advance(1);
    }
    const gaps = reviewed.slice(1).map((at, index) => at - (reviewed[index] as number));
    expect([Math.min(...gaps), reviewed.length >= 40 / 5]).toEqual([4, true]);
  });

  test("with many programs is looked at in as many turns as it takes", () => {
    const { registry, ask, clock } = fakeRegistry(100);
    const order: string[] = [];
    for (let i = 0; i < 6; i++) {
      const program = named(`/${i}`);
      ask(program);
      registry.poolFor(program).review = () => {
        order.push(program.key);
        return 64;
      };
    }
    clock.soon(() => order.push("next turn"));
    clock.advance(0);
    expect(order).toEqual(["/0", "/1", "next turn", "/2", "/3", "/4", "/5"]);
  });

  test("goes on for the others where a look at one pool fails, which is told, once in ten seconds", () => {
    const { registry, ask, turn, made, log, clock } = fakeRegistry(100);
    const [a, b] = [named("/a"), named("/b")];
    ask(a);
    registry.poolFor(a).review = () => {
      throw new Error("cannot be");
    };
    ask(b);
    turn();
    expect(made.map(({ program }) => program.key)).toEqual(["/b"]);
    for (let i = 0; i < 5; i++) {
      registry.onChange(registry.poolFor(a));
      clock.advance(100);
    }
    expect(log.lines.filter((line) => line.includes("a bug in std-fpm: cannot be")).length).toBe(1);
  });
});

describe("each second", () => {
  test("every pool is looked at, in as many turns as it takes, and no round overtakes another", () => {
    const { registry, serve, clock } = fakeRegistry(100);
    const seen: string[] = [];
    for (let i = 0; i < 4; i++) {
      const program = named(`/${i}`);
      serve(program);
      registry.poolFor(program).onSecond = () => {
        seen.push(program.key);
        clock.soon(() => seen.push("next turn"));
        return 64;
      };
    }
    clock.advance(1000);
    expect(seen.slice(0, 3)).toEqual(["/0", "/1", "next turn"]);
    expect(seen.filter((each) => each !== "next turn")).toEqual(["/0", "/1", "/2", "/3"]);
    clock.advance(1000);
    expect(seen.length).toBe(16);
  });

  test("ends with std-fpm: no pool is made or looked at any more", async () => {
    const { registry, serve, end, clock, made, ask } = fakeRegistry(100);
    const a = named("/a");
    end(serve(a), a);
    const pool = registry.poolFor(a);
    clock.advance(1000);
    const stopping = registry.stopAll();
    expect(() => registry.poolFor(a)).toThrow("shutting down");
    expect(() => ask(named("/b"))).toThrow("shutting down");
    made[0]?.exit();
    await stopping;
    let looks = 0;
    pool.onSecond = () => looks++;
    clock.advance(60_000);
    expect([looks, made.length]).toEqual([0, 1]);
  });
});

test("a program that is known no more counts as another one: room is left for it", () => {
  const { registry, serve, end, made, clock, turn } = fakeRegistry(3);
  const [a, b] = [named("/a"), named("/b")];
  end(serve(b), b);
  made[0]?.exit();
  clock.advance(1000);
  serve(a);
  turn();
  // Of three places it has one, and leaves one.
  expect([registry.programs, registry.roomFor(a)]).toEqual([1, 1]);
  const alone = fakeRegistry(3);
  alone.serve(a);
  alone.turn();
  expect(alone.registry.roomFor(a)).toBe(2);
});
