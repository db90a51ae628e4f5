import { describe, expect, test } from "bun:test";
import type { AppConfig } from "../../src/config/config.ts";
import { fakeProgram } from "../support/fake-backend.ts";
import { fakePool } from "../support/fake-pool.ts";

const states = ({ made }: { made: { state: string }[] }) => made.map(({ state }) => state);
/** The program after its file was replaced. */
const newer = (app: Partial<AppConfig> = {}, version = "2") =>
  fakeProgram(app, { version, generation: version });

describe("a new version of a program", () => {
  test("takes over when its first process is ready: idle ones leave then, busy ones after their requests", () => {
    const { pool, serve, end, ask, made, log } = fakePool({ stopTimeoutMs: 400 });
    const [a, b] = serve(2);
    if (!a || !b) throw new Error("two were asked for");
    end(a);
    pool.update(newer({ stopTimeoutMs: 400 }));
    const waiting = ask();
    expect(waiting.lease).toBeUndefined();
    expect(states({ made })).toEqual(["free", "lent", "starting"]);
    made[2]?.accept();
    expect(waiting.backend).toBe(made[2] as never);
    expect([states({ made }), made[0]?.told, made[1]?.told]).toEqual([
      ["leaving", "leaving", "lent"],
      [400],
      [],
    ]);
    end(b);
    expect([made[1]?.told, made[1]?.stopReason]).toEqual([[400], "new version"]);
    expect(log.lines).toEqual([
      "info the program's file was replaced: new processes take over as soon as one is ready",
    ]);
  });

  test("is waited for no longer than a second: then the old one serves", () => {
    const { pool, serve, end, ask, clock, settle } = fakePool();
    const [a] = serve(1);
    if (!a) throw new Error("one was asked for");
    end(a);
    pool.update(newer());
    const waiting = ask();
    clock.advance(999);
    settle();
    expect(waiting.lease).toBeUndefined();
    clock.advance(1);
    settle();
    expect(waiting.backend).toBe(a.backend);
  });

  test("is started though nobody asks, also where max_processes are there: the idlest goes first", () => {
    const { pool, serve, end, settle, made } = fakePool({ maxProcesses: 2 });
    for (const waiter of serve(2)) end(waiter);
    pool.update(newer({ maxProcesses: 2 }));
    settle();
    expect(states({ made })).toEqual(["leaving", "free"]);
    expect(made[0]?.stopReason).toBe("new version");
    settle();
    expect(states({ made })).toEqual(["leaving", "free"]);
    made[0]?.exit();
    settle();
    expect(states({ made })).toEqual(["gone", "free", "starting"]);
  });

  test("ends those that start: nobody knows which version they are", () => {
    const { pool, ask, made, settle } = fakePool();
    const waiting = ask();
    pool.update(newer());
    expect([made[0]?.stopReason, states({ made })]).toEqual(["new version", ["leaving"]]);
    settle();
    made[1]?.accept();
    expect(waiting.backend.program.version).toBe("2");
  });

  test("that cannot be started leaves requests to the old one, which is kept", async () => {
    const { pool, serve, end, ask, made, settle, clock, log } = fakePool({ idleTimeoutMs: 1000 });
    const [a] = serve(1);
    if (!a) throw new Error("one was asked for");
    end(a);
    pool.update(newer({ idleTimeoutMs: 1000 }));
    settle();
    const waiting = ask();
    made[1]?.exit({ code: 1 });
    await Bun.sleep(0);
    settle();
    expect([waiting.refused, waiting.backend]).toEqual([undefined, a.backend]);
    expect(log.lines).toContain(
      "error the new version cannot be started, the old one goes on serving; the next try is in 0.2 s",
    );
    end(waiting);
    expect(pool.kept).toBe(1);
    clock.advance(5000);
    pool.onSecond(clock.now());
    expect(made[0]?.state).toBe("free");
  });

  test("with the same launch settings and other limits takes nobody's place: processes go on under the new ones", () => {
    const { pool, serve, end, made, log, clock, owner } = fakePool();
    const [a] = serve(1);
    if (!a) throw new Error("one was asked for");
    end(a);
    const { changes } = owner;
    pool.update(fakeProgram({ idleTimeoutMs: 50 }));
    expect([log.lines, states({ made }), owner.changes]).toEqual([[], ["free"], changes + 1]);
    clock.advance(1000);
    pool.onSecond(clock.now());
    expect([states({ made }), made[0]?.stopReason]).toEqual([["leaving"], "idle"]);
  });

  test("that is what is used already changes nothing", () => {
    const program = fakeProgram();
    const { pool, serve, owner, made } = fakePool({}, program);
    serve(1);
    const { changes } = owner;
    pool.update(program);
    pool.update({ ...program });
    expect([owner.changes, states({ made })]).toEqual([changes, ["lent"]]);
  });

  test("forgets what was learned of the old one's conduct only where the file is another one", () => {
    const { pool, serve } = fakePool();
    serve(1);
    pool.tally.conduct.onAnsweredEarly();
    pool.update(fakeProgram({ nice: 5 }, { generation: "1 nicer" }));
    expect(pool.tally.conduct.answersEarly).toBe(true);
    pool.update(newer());
    expect(pool.tally.conduct.answersEarly).toBe(false);
  });

  test("is told apart from other settings in the log", () => {
    const { pool, serve, log } = fakePool();
    serve(1);
    pool.update(fakeProgram({ nice: 5 }, { generation: "1 nicer" }));
    expect(log.lines).toEqual([
      "info the program's settings have changed: new processes take over as soon as one is ready",
    ]);
  });

  test("holds the time limit of its own for those that wait already", () => {
    const { pool, ask, clock } = fakePool({ queueTimeoutMs: 10_000 });
    const waiting = ask();
    pool.update(fakeProgram({ queueTimeoutMs: 500 }));
    clock.advance(500);
    expect(waiting.refused?.code).toBe("QUEUE_TIMEOUT");
  });
});

describe("a restart by hand", () => {
  test("is over when a new process is ready, and the old ones leave for that reason", async () => {
    const { pool, serve, end, settle, made } = fakePool();
    const [a] = serve(1);
    if (!a) throw new Error("one was asked for");
    end(a);
    const [first, second] = [pool.restart(), pool.restart()];
    settle();
    made[1]?.accept();
    settle();
    expect(await Promise.all([first, second])).toEqual([undefined, undefined]);
    expect([made[0]?.stopReason, states({ made })]).toEqual(["restarted by hand", ["leaving", "free"]]);
  });

  test("of a program without processes has nothing to wait for", async () => {
    const { pool } = fakePool();
    expect(await pool.restart()).toBeUndefined();
  });

  test("of one whose process is still starting begins with another", () => {
    const { pool, ask, made } = fakePool();
    const waiting = ask();
    void pool.restart();
    expect([made[0]?.stopReason, waiting.lease]).toEqual(["restarted by hand", undefined]);
  });

  test("of one whose processes have all ended has nothing to wait for", async () => {
    const { pool, serve, end, made } = fakePool();
    const [a] = serve(1);
    if (!a) throw new Error("one was asked for");
    end(a);
    made[0]?.exit({ code: 0 });
    expect(await pool.restart()).toBeUndefined();
  });

  test("is another one after the first", async () => {
    const { pool, serve, end, settle, made } = fakePool();
    const [a] = serve(1);
    if (!a) throw new Error("one was asked for");
    end(a);
    for (const successor of [1, 2]) {
      let isOver = false;
      const restart = pool.restart().then(() => {
        isOver = true;
      });
      settle();
      await Bun.sleep(0);
      expect([isOver, made.length]).toEqual([false, successor + 1]);
      made[successor]?.accept();
      settle();
      await restart;
    }
  });

  test("comes out with the reason when no new process can be started, and the old ones go on", async () => {
    const { pool, serve, end, settle, made } = fakePool();
    const [a] = serve(1);
    if (!a) throw new Error("one was asked for");
    end(a);
    const restart = pool.restart();
    settle();
    made[1]?.exit({ code: 3 });
    expect((await restart)?.message).toContain("exited with status 3");
    expect(made[0]?.state).toBe("free");
  });

  test("is given up at the end of std-fpm", async () => {
    const { pool, serve, settle } = fakePool();
    serve(1);
    const restart = pool.restart();
    settle();
    void pool.stopAll();
    expect((await restart)?.code).toBe("SHUTTING_DOWN");
  });

  test("is followed by a new version like any other, which is then the reason", () => {
    const { pool, serve, end, settle, made } = fakePool();
    const [a] = serve(1);
    if (!a) throw new Error("one was asked for");
    end(a);
    void pool.restart();
    pool.update(newer());
    settle();
    made.at(-1)?.accept();
    expect(made[0]?.stopReason).toBe("new version");
  });
});

describe("a program that is not configured any more", () => {
  test("has its processes end when they are free, and none is kept or started", () => {
    const { pool, serve, end, made, settle } = fakePool({ minProcesses: 2 });
    const [a, b] = serve(2);
    if (!a || !b) throw new Error("two were asked for");
    end(a);
    pool.dismiss("not configured any more");
    settle();
    expect([a.backend.told.length, b.backend.told.length, pool.kept, made.length]).toEqual([1, 0, 0, 2]);
    end(b);
    expect([b.backend.told.length, b.backend.stopReason]).toEqual([1, "not configured any more"]);
  });

  test("serves again when it is asked for", () => {
    const { pool, ask, made } = fakePool({ minProcesses: 1 });
    pool.dismiss("not configured any more");
    pool.update(fakeProgram({ minProcesses: 1 }));
    expect(pool.kept).toBe(1);
    const waiting = ask();
    made[0]?.accept();
    expect(waiting.backend).toBe(made[0] as never);
  });
});
