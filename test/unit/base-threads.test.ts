import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import { beginningOfText } from "../../src/base/bounded-read.ts";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { createLog } from "../../src/base/log.ts";
import { Threads } from "../../src/base/threads.ts";
import { TIME_FACTOR, waitUntil } from "../support/wait-until.ts";

type Message = { readonly who: string } | { readonly notice: string };

/** Threads that stand as they are told, and what comes of it; a time is told in milliseconds. */
function threadsWith(
  deadlineMs: number,
  options: { clock?: Clock; most?: number; mostOfKey?: number; atOnce?: number; asksAgain?: boolean } = {},
) {
  const heard: string[] = [];
  const lines: string[] = [];
  const threads = new Threads<Message>({
    clock: systemClock,
    log: createLog({
      level: "error",
      format: "plain",
      reader: () => "other",
      write: (line) => void lines.push(line),
    }),
    file: new URL("../support/standing-thread.ts", import.meta.url).href,
    name: "test",
    deadlineMs,
    ...options,
    onNotice(message) {
      if (!("notice" in message)) return false;
      heard.push(`begun: ${message.notice}`);
      return true;
    },
  });
  const ask = (who: string, ms: number, key = who, owner?: string) => {
    const task = {
      text: JSON.stringify({ who, ms }),
      key,
      isLoose: options.atOnce !== undefined,
      ...(owner === undefined ? {} : { owner }),
      onAnswer: (answer: Message) => void heard.push("who" in answer ? answer.who : "?"),
      onLate(isBegun: boolean) {
        heard.push(`late: ${who}`);
        if (options.asksAgain && !isBegun) threads.ask(task);
      },
      onBroken: (problem: string) => void heard.push(`broken: ${who}: ${problem}`),
    };
    threads.ask(task);
    return task;
  };
  return { heard, lines, ask, drop: threads.drop.bind(threads), close: () => threads.close() };
}

/** The threads of this process. */
function threadCount(): number {
  const comms = readdirSync("/proc/self/task").map((task) =>
    beginningOfText(`/proc/self/task/${task}/comm`).trim(),
  );
  return comms.filter((comm) => comm === "Worker").length;
}

describe("threads", () => {
  test("answer one after the other, and what answers nothing is a notice", async () => {
    const { heard, ask } = threadsWith(5000);
    for (const who of ["a", "b"]) ask(who, 0);
    expect(heard).toEqual([]);
    await waitUntil("both have answered", () => heard.length === 4);
    expect(heard).toEqual(["begun: a", "a", "begun: b", "b"]);
  });

  test("take each other's place while one stands, but no more of whom it stands for", async () => {
    const { heard, ask } = threadsWith(60_000);
    ask("slow", 1500, "alice");
    ask("next", 0, "alice");
    ask("other", 0, "bob");
    await waitUntil("all have answered", () => heard.includes("next"));
    expect(heard.filter((each) => !each.startsWith("begun"))).toEqual(["other", "slow", "next"]);
  });

  test("do not all stand for one owner, whatever it asks for", async () => {
    const { heard, ask } = threadsWith(60_000);
    for (let i = 0; i < 9; i++) ask(`slow ${i}`, 2500, `alice ${i}`, "alice");
    await Bun.sleep(1500);
    ask("other", 0, "bob", "bob");
    await waitUntil("the other one's has been answered", () => heard.includes("other"));
    expect(heard.filter((each) => each.startsWith("begun: slow"))).toHaveLength(4);
    await waitUntil("all have answered", () => heard.includes("slow 8"), 20_000);
  });

  test("are as many as they may be, and stand for as much of one key as they may", async () => {
    const { heard, ask } = threadsWith(60_000, { most: 4, mostOfKey: 2 });
    for (let i = 0; i < 3; i++) ask(`slow ${i}`, 2500, "alice");
    for (let i = 0; i < 3; i++) ask(`other ${i}`, 2500, "bob");
    await Bun.sleep(2000);
    expect(heard).toEqual(["begun: slow 0", "begun: other 0", "begun: slow 1", "begun: other 1"]);
    await waitUntil("all have answered", () => heard.includes("other 2") && heard.includes("slow 2"));
  });

  test("leave a part of what is left to others, whoever has taken some", async () => {
    const { heard, ask } = threadsWith(60_000, { most: 8, mostOfKey: 8 });
    const begun = () => heard.filter((each) => each.startsWith("begun")).length;
    for (const [owner, most] of [
      ["alice", 4],
      ["bob", 6],
      ["carol", 7],
    ] as const) {
      for (let i = 0; i < 6; i++) ask(`${owner} ${i}`, 9000, owner, owner);
      await waitUntil(`${owner} has had a part`, () => begun() === most);
      await Bun.sleep(1000);
      expect(begun()).toBe(most);
    }
    ask("dave", 0, "dave", "dave");
    await waitUntil("one is left", () => heard.includes("dave"), 2000);
  });

  test("take turns with owners, in whatever order these have asked", async () => {
    const { heard, ask } = threadsWith(60_000);
    for (let i = 0; i < 4; i++) ask(`alice ${i}`, 40, `alice ${i}`, "alice");
    for (let i = 0; i < 2; i++) ask(`bob ${i}`, 40, "bob", "bob");
    await waitUntil("all have answered", () => heard.length === 12);
    const order = heard.filter((each) => !each.startsWith("begun"));
    expect(order).toEqual(["alice 0", "bob 0", "alice 1", "bob 1", "alice 2", "alice 3"]);
  });

  test("have one more for an owner for whom none is at work, however many work for others", async () => {
    const { heard, ask } = threadsWith(60_000, { atOnce: 2, most: 8 });
    for (let i = 0; i < 40; i++) ask(`alice ${i}`, 200, `alice ${i}`, "alice");
    await Bun.sleep(500);
    const begun = performance.now();
    ask("bob", 0, "bob", "bob");
    await waitUntil("the other one's has been answered", () => heard.includes("bob"));
    expect(performance.now() - begun).toBeLessThan(400 * TIME_FACTOR);
    expect(heard).not.toContain("alice 39");
  });

  test("that fail while they stand lose nothing that waits for them, and do nothing twice", async () => {
    for (const failsAfterMs of [940, 960, 985]) {
      const { heard, ask, close } = threadsWith(600, { atOnce: 2, most: 4, asksAgain: true });
      ask("fails", -failsAfterMs, "alice");
      await Bun.sleep(400);
      for (const who of ["a", "b", "c"]) ask(who, 10, "alice");
      await waitUntil("all have answered", () => ["a", "b", "c"].every((who) => heard.includes(who)));
      await Bun.sleep(100);
      expect(heard.filter((each) => ["a", "b", "c"].includes(each)).toSorted()).toEqual(["a", "b", "c"]);
      close();
    }
  });

  test("do not take more of one key side by side than may stand over it", async () => {
    for (const pauseMs of [0, 100]) {
      const { heard, ask, close } = threadsWith(60_000, { atOnce: 4, most: 16, mostOfKey: 4 });
      for (let i = 0; i < 8; i++) {
        ask(`slow ${i}`, 3000, "alice", "alice");
        await Bun.sleep(pauseMs);
      }
      await Bun.sleep(1500);
      expect(heard.filter((each) => each.startsWith("begun"))).toHaveLength(4);
      close();
    }
  });

  test("drop what is not begun, and say so of what is", async () => {
    const { heard, ask, drop } = threadsWith(60_000);
    const slow = ask("slow", 100);
    const next = ask("next", 0);
    await waitUntil("it is begun", () => heard.includes("begun: slow"));
    expect([drop(slow), drop(next), drop(next)]).toEqual([false, true, false]);
    ask("last", 0);
    await waitUntil("the last has answered", () => heard.includes("last"));
    expect(heard).toEqual(["begun: slow", "slow", "begun: last", "last"]);
  });

  test("are given up when they stand for too long, and so is what waits for them", async () => {
    const { heard, ask } = threadsWith(600);
    ask("slow", 2000, "alice");
    ask("next", 0, "alice");
    await waitUntil("both are late", () => heard.length === 3);
    expect(heard.toSorted()).toEqual(["begun: slow", "late: next", "late: slow"]);
    await waitUntil("it answers after all", () => heard.includes("slow"));
    ask("again", 0, "alice");
    await waitUntil("the next one has answered", () => heard.includes("again"));
    expect(heard).not.toContain("next");
  });

  test("that stand for less than that are heard, however old the process is", async () => {
    const clock = { ...systemClock, now: () => systemClock.now() + 60_000 };
    const { heard, ask } = threadsWith(4000, { clock });
    ask("slow", 1500, "alice");
    await waitUntil("it has answered", () => heard.length === 2);
    expect(heard).toEqual(["begun: slow", "slow"]);
  });

  test("that are closed tell nothing more, and those made later do not wait for one that stands", async () => {
    const closed = threadsWith(60_000);
    closed.ask("slow", 3000);
    await waitUntil("it stands", () => closed.heard.includes("begun: slow"));
    const closedAt = performance.now();
    closed.close();
    const { heard, ask } = threadsWith(60_000);
    ask("other", 0);
    await waitUntil("another one has answered", () => heard.includes("other"));
    expect(performance.now() - closedAt).toBeLessThan(2500);
    await Bun.sleep(3500 - (performance.now() - closedAt));
    expect(closed.heard).toEqual(["begun: slow"]);
  });

  test("that are closed before they are ready end as well", async () => {
    // Some of those of the tests before may be about to end.
    const before = threadCount();
    const closed = Array.from({ length: 16 }, () => threadsWith(60_000));
    for (const each of closed) each.close();
    await waitUntil("they have ended", () => threadCount() <= before);
  });

  test("that fail are told, and others take their place", async () => {
    const { heard, lines, ask } = threadsWith(5000);
    ask("bad", -1);
    await waitUntil("it is told", () => heard.length === 2);
    expect(heard[1]).toStartWith("broken: bad: ");
    expect(lines.join()).toContain("a test's thread has failed");
    ask("good", 0);
    await waitUntil("another one has answered", () => heard.includes("good"));
  });
});

/** A process of its own with threads, which prints how many it has: before the first task, after it, and with so many that stand. */
const COUNTING = `
  const { readdirSync, readFileSync } = await import("node:fs");
  const { systemClock } = await import(${JSON.stringify(resolve("src/base/clock.ts"))});
  const { Threads } = await import(${JSON.stringify(resolve("src/base/threads.ts"))});
  const comm = (task) => readFileSync("/proc/self/task/" + task + "/comm", "latin1").trim();
  const count = () => readdirSync("/proc/self/task").filter((task) => comm(task) === "Worker").length;
  const [isLazy, standing, atOnce, tasks, kind = "short"] = JSON.parse(process.argv[1]);
  /** The time may be put forward. */
  let ahead = 0;
  const timers = new Set();
  const now = () => systemClock.now() + ahead;
  const after = (ms, then) => {
    const fire = () => { timer.real.cancel(); timers.delete(timer); then(); };
    const timer = { due: now() + ms, fire, real: systemClock.after(ms, () => fire()) };
    timers.add(timer);
    return { cancel: () => { timer.real.cancel(); timers.delete(timer); } };
  };
  const forward = (ms) => {
    ahead += ms;
    for (const timer of [...timers]) if (timer.due <= now()) timer.fire();
  };
  const file = new URL(${JSON.stringify(`file://${resolve("test/support/standing-thread.ts")}`)}).href;
  const onNotice = (message) => "notice" in message;
  const threads = new Threads({ clock: { ...systemClock, now, after }, log: console, file, name: "test", deadlineMs: 60_000, isLazy, atOnce, onNotice });
  const ask = (who, ms) =>
    new Promise((onAnswer) => threads.ask({ text: JSON.stringify({ who, ms }), key: who, isLoose: who === "short", onAnswer, onLate() {}, onBroken() {} }));
  await Bun.sleep(200);
  const counts = [count()];
  await ask("first", 0);
  counts.push(count());
  for (let i = 0; i < standing; i++) void ask("who " + i, 8000);
  if (standing > 0) await Bun.sleep(4000);
  for (let i = 0; i < tasks; i += 8) await Promise.all(Array.from({ length: 8 }, () => ask(kind, 5)));
  counts.push(count());
  if (tasks > 0 && standing === 0) {
    forward(11_000);
    for (let looks = 0; count() > 1 && looks < 100; looks++) await Bun.sleep(50);
    counts.push(count());
  }
  console.log(JSON.stringify(counts));
  if (standing > 0) process.exit(0);
`;

describe("a process with threads", () => {
  const countsOf = async (isLazy: boolean, standing: number, atOnce = 1, tasks = 0, kind = "short") => {
    const options = JSON.stringify([isLazy, standing, atOnce, tasks, kind]);
    const child = Bun.spawn([process.execPath, "-e", COUNTING, options], {
      stdout: "pipe",
      stderr: "inherit",
      timeout: 20_000,
    });
    const counts = JSON.parse(await new Response(child.stdout).text()) as number[];
    return [...counts, await child.exited];
  };

  test("has none before the first task where few need one, and ends though they are there", async () => {
    expect(await countsOf(true, 0)).toEqual([0, 1, 1, 0]);
    expect(await countsOf(false, 0)).toEqual([1, 1, 1, 0]);
  });

  test("has eight at the most, however many stand", async () => {
    expect(await countsOf(true, 20)).toEqual([0, 1, 8, 0]);
  });

  test("has helpers where loose tasks go on having to wait, which end when they have nothing to do, and one thread where they do not", async () => {
    expect(await countsOf(false, 0, 3, 400)).toEqual([1, 1, 3, 1, 0]);
    expect(await countsOf(false, 0, 1, 400)).toEqual([1, 1, 1, 1, 0]);
    expect(await countsOf(false, 0, 3, 400, "bound")).toEqual([1, 1, 1, 1, 0]);
  });

  test("has those that stand beside those that work", async () => {
    expect(await countsOf(false, 2, 3, 400)).toEqual([1, 1, 5, 0]);
  });
});
