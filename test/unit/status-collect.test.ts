import { describe, expect, test } from "bun:test";
import { Check } from "@sinclair/typebox/value";
import { Tallies } from "../../src/pool/tallies.ts";
import { Tally } from "../../src/pool/tally.ts";
import { snapshotSchema } from "../../src/status/snapshot.ts";
import { collect } from "../support/collect.ts";
import { backendOf, programOf, sampleSource } from "../support/sample-snapshot.ts";

describe("a snapshot", () => {
  test("is what its schema says, with every process and without", () => {
    for (const isFull of [true, false])
      expect(Check(snapshotSchema, collect(sampleSource(), isFull))).toBe(true);
  });

  test("counts each living process in one state", () => {
    const [program] = collect(sampleSource(), true).programs;
    expect(program?.processes).toEqual({
      starting: 1,
      idle: 1,
      busy: 1,
      on_its_own: 1,
      retiring: 1,
      stopping: 1,
    });
    expect(program?.in_flight).toBe(2);
  });

  test("tells how old a process is, since when it is idle, and for how long a request is at work", () => {
    const list = collect(sampleSource(), true).programs[0]?.process_list ?? [];
    const now = 10_000;
    const busy = list.find(({ pid }) => pid === 13);
    const idle = list.find(({ pid }) => pid === 12);
    expect([busy?.age_seconds, busy?.idle_seconds, busy?.requests[0]?.age_seconds]).toEqual([
      (now - 4000) / 1000,
      0,
      (now - 9000) / 1000,
    ]);
    expect([idle?.age_seconds, idle?.idle_seconds, idle?.requests]).toEqual([6, 2, []]);
    expect(collect(sampleSource(), true).programs[0]?.last_error?.age_seconds).toBe(0.5);
  });

  test("counts the bytes of what is at work", () => {
    const { programs } = collect(sampleSource(), false);
    expect([programs[0]?.received_bytes, programs[0]?.sent_bytes]).toEqual([20, 40]);
  });

  test("shows no query string, and cuts long paths", () => {
    const source = sampleSource();
    const long = { ...source.pools[0], backends: [backendOf("free", 9, `/${"x".repeat(300)}`)] };
    const requests = (snapshot: ReturnType<typeof collect>) =>
      snapshot.programs[0]?.process_list?.flatMap((process) => process.requests) ?? [];
    expect(requests(collect(source, true)).map(({ uri }) => uri)).toEqual(["/shop/cart", "/long"]);
    const cut = collect({ ...source, pools: [long as (typeof source.pools)[number]] }, true);
    expect(requests(cut)[0]?.uri.length).toBe(200);
  });

  test("adds everything up in the total: programs, those that have gone, and requests that came to none", () => {
    const { total } = collect(sampleSource(), false);
    expect(total.started).toBe(7);
    expect(total.requests).toEqual({ answered: 1, refused: 2, truncated: 0, client_left: 0 });
    expect(total.failures).toEqual({ PROTOCOL: 1, BACKEND_BROKEN: 1 });
    expect(total.queue_length).toBe(4);
  });

  test("says of no program that it may have more processes than all together", () => {
    const source = sampleSource();
    const limitOf = (cap: number, most: number) => {
      const pools = [{ ...source.pools[0], cap } as (typeof source.pools)[number]];
      const daemon = { ...source.daemon, maxProcesses: { value: most, from: "the setting max_processes" } };
      return collect({ ...source, pools, daemon }, false).programs[0]?.limit;
    };
    expect([limitOf(28_246, 2), limitOf(2, 750), limitOf(Number.POSITIVE_INFINITY, 9)]).toEqual([2, 2, 9]);
  });

  test("looks at 256 processes at most", () => {
    const source = sampleSource();
    const backends = Array.from({ length: 300 }, (_, index) => backendOf("free", index + 1));
    let looks = 0;
    const memoryOf = () => ++looks;
    const many = { ...source.pools[0], backends } as (typeof source.pools)[number];
    const { programs } = collect({ ...source, pools: [many], memoryOf }, true);
    expect(looks).toBe(256);
    expect(programs[0]?.process_list?.filter(({ memory_bytes }) => memory_bytes === null).length).toBe(44);
  });
});

describe("tallies", () => {
  test("are bounded, whatever number of programs comes by, and lose no count", () => {
    const tallies = new Tallies();
    for (let number = 0; number < 10_000; number++) {
      const program = programOf(`/srv/${number}.fcgi`);
      const tally = tallies.take(program.key);
      tally.started++;
      tally.latency.observe(5);
      tallies.putBack(program, tally);
    }
    const gone = [...tallies.gone];
    expect(gone.length).toBe(128);
    expect(tallies.forgotten).toBe(10_000 - 128);
    expect(tallies.others.started + gone.reduce((sum, { tally }) => sum + tally.started, 0)).toBe(10_000);
    expect(tallies.others.latency.count).toBe(10_000 - 128);
    expect(gone.at(-1)?.name).toBe("/srv/9999.fcgi");
  });

  test("of a program that comes back go on", () => {
    const tallies = new Tallies();
    const program = programOf("/srv/a.fcgi");
    const tally = tallies.take(program.key);
    tally.started = 3;
    tallies.putBack(program, tally);
    expect(tallies.find(program.key)).toBe(tally);
    expect(tallies.take(program.key)).toBe(tally);
    expect(tallies.find(program.key)).toBe(tallies.others);
  });

  test("keep the last error, cut to a length", () => {
    const [older, newer] = [new Tally(), new Tally()];
    older.onError({ code: "BACKEND_BROKEN", message: "x".repeat(2000) }, 1);
    newer.onError({ code: "BOOT_FAILED", message: "later" }, 2);
    expect(older.lastError?.message.length).toBe(501);
    older.add(newer);
    newer.add(older);
    expect([older.lastError?.message, newer.lastError?.message]).toEqual(["later", "later"]);
  });

  test("count every outcome and every cause of an exit, and add them up", () => {
    const [a, b] = [new Tally(), new Tally()];
    const exit = { code: 0, signal: null, wasStarted: true, reason: undefined };
    b.onExit(exit);
    b.onExit({ ...exit, code: 1 });
    b.onExit({ ...exit, wasStarted: false });
    b.onExit({ ...exit, reason: "idle" });
    b.onOutcome({ kind: "client-left" }, 1, 1);
    a.add(b);
    a.add(b);
    expect(a.exits).toEqual({ "asked for": 2, "of its own will": 2, crash: 2, "boot failure": 2 });
    expect(a.outcomes["client-left"]).toBe(2);
  });
});

describe("tallies", () => {
  test("that are added up keep the newest error of them all", () => {
    const error = (message: string, at: number) => {
      const tally = new Tally();
      tally.onError({ code: "BACKEND_BROKEN", message }, at);
      return tally;
    };
    const all = new Tally();
    all.add(new Tally());
    expect(all.lastError).toBeUndefined();
    for (const [message, at] of [
      ["first", 0],
      ["newest", 9],
      ["older", 5],
      ["as new", 9],
    ] as const)
      all.add(error(message, at));
    expect(all.lastError).toEqual({ code: "BACKEND_BROKEN", message: "as new", at: 9 });
  });

  test("count answers by the class of their status, and none that is no status", () => {
    const tally = new Tally();
    for (const status of [100, 199, 200, 302, 404, 599, 600, 99, undefined])
      tally.onOutcome({ kind: "answered", appStatus: 0, protocolStatus: 0, status }, 1, 0);
    expect(tally.statusClasses).toEqual([2, 1, 1, 1, 1]);
    const sum = new Tally();
    sum.add(tally);
    sum.add(tally);
    expect(sum.statusClasses).toEqual([4, 2, 2, 2, 2]);
  });
});

test("every number that a program's tally counts is added up", () => {
  const one = new Tally();
  one.wait.observe(3);
  one.latency.observe(5);
  one.onRejected("PROTOCOL");
  const numbers = Object.keys(one).filter((key) => typeof one[key as keyof Tally] === "number");
  for (const [index, key] of numbers.entries()) Object.assign(one, { [key]: index + 1 });
  const sum = new Tally();
  sum.add(one);
  sum.add(one);
  expect(numbers.length).toBeGreaterThan(10);
  for (const [index, key] of numbers.entries())
    expect([key, sum[key as keyof Tally]]).toEqual([key, 2 * (index + 1)]);
  expect([sum.wait.sumMs, sum.latency.sumMs, sum.failures.get("PROTOCOL")]).toEqual([6, 10, 2]);
});
