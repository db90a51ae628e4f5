import { describe, expect, test } from "bun:test";
import { createLog } from "../../src/base/log.ts";
import type { Task } from "../../src/base/threads.ts";
import { type MarkAnswer, type MarkQuestion, MarkReader } from "../../src/daemon/mark-reader.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** A reader whose threads answer as a test says; what has been asked, heard and told. */
function readerWith() {
  const clock = new FakeClock();
  const tasks: (Task<MarkAnswer> & { pid: number })[] = [];
  const lines: string[] = [];
  const heard: Record<number, boolean> = {};
  let isClosed = false;
  const reader = new MarkReader("3f2a", {
    clock,
    log: createLog({
      level: "info",
      format: "plain",
      reader: () => "other",
      write: (line) => void lines.push(line.replace(/^\S+ /, "")),
    }),
    threads: {
      ask: (task) => void tasks.push({ ...task, pid: (JSON.parse(task.text) as MarkQuestion).pid }),
      close: () => {
        isClosed = true;
      },
    },
  });
  reader.begin();
  return {
    clock,
    reader,
    tasks,
    lines,
    heard,
    isClosed: () => isClosed,
    ask(pid: number, uid: number) {
      void reader.isMarked(pid, uid).then((isMarked) => {
        heard[pid] = isMarked;
      });
    },
    /** The last task for this process. */
    of(pid: number) {
      const task = tasks.findLast((each) => each.pid === pid);
      if (!task) throw new Error(`${pid} was not asked for`);
      return task;
    },
  };
}

const UNREAD = "does not let its environment be read";

describe("a reader of marks", () => {
  test("hears of each process, asked for as that of its user", async () => {
    const { ask, of, heard, lines } = readerWith();
    for (const pid of [100, 101]) ask(pid, 33);
    expect([of(100).key, of(101).key]).toEqual(["33", "33"]);
    of(101).onAnswer({ isMarked: true });
    of(100).onAnswer({ isMarked: false });
    await Bun.sleep(0);
    expect([heard, lines]).toEqual([{ 100: false, 101: true }, []]);
  });

  test("leaves out the user of a process that stands, says so once, and asks no more", async () => {
    const { ask, of, heard, lines, tasks } = readerWith();
    for (const pid of [100, 101]) ask(pid, 1000);
    ask(102, 33);
    of(100).onLate(true);
    of(101).onLate(false);
    ask(103, 1000);
    of(100).onAnswer({ isMarked: true });
    of(102).onAnswer({ isMarked: true });
    await Bun.sleep(0);
    expect(heard).toEqual({ 100: false, 101: false, 102: true, 103: false });
    expect(tasks.map(({ pid }) => pid)).toEqual([100, 101, 102]);
    expect(lines).toEqual([
      expect.stringMatching(new RegExp(`^warn .*${UNREAD}.* pid=100 user=1000 processes=2\n`)),
    ]);
  });

  test("asks again where no thread was free, until the look has to end", async () => {
    const { clock, ask, of, heard, lines, tasks } = readerWith();
    ask(100, 33);
    ask(101, 34);
    of(100).onLate(false);
    expect(tasks.map(({ pid }) => pid)).toEqual([100, 101, 100]);
    of(101).onAnswer({ isMarked: true });
    clock.advance(2000);
    of(100).onAnswer({ isMarked: true });
    await Bun.sleep(0);
    expect(heard).toEqual({ 100: false, 101: true });
    expect(lines).toEqual([expect.stringContaining("takes too long")]);
    expect(lines[0]).toContain("users=33 processes=1\n");
  });

  test("has its time anew for each look", async () => {
    const { clock, reader, ask, of, heard, lines } = readerWith();
    clock.advance(1900);
    reader.begin();
    ask(100, 33);
    clock.advance(1900);
    of(100).onAnswer({ isMarked: true });
    await Bun.sleep(0);
    expect([heard, lines, clock.timers]).toEqual([{ 100: true }, [], 1]);
  });

  test("goes on where a thread fails, and ends", async () => {
    const { clock, reader, ask, of, heard, isClosed } = readerWith();
    ask(100, 33);
    of(100).onBroken("no memory");
    await Bun.sleep(0);
    reader.close();
    expect([heard, isClosed(), clock.timers]).toEqual([{ 100: false }, true, 0]);
  });
});
