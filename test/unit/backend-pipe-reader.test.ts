import { describe, expect, test } from "bun:test";
import { writeSync } from "node:fs";
import { PipeReader } from "../../src/backend/pipe-reader.ts";
import { systemClock } from "../../src/base/clock.ts";
import { closeFd, openPipe } from "../../src/base/libc.ts";
import { directPipes, OURS } from "../support/direct-pipes.ts";
import { FakeClock } from "../support/fake-clock.ts";

function opened(clock: FakeClock, oldAfterMs = 5) {
  const { readFd, writeFd } = openPipe();
  return {
    reader: new PipeReader(readFd, OURS, directPipes(systemClock), clock, oldAfterMs),
    print: (text: string) => writeSync(writeFd, text),
    close: () => closeFd(writeFd),
    [Symbol.dispose]: () => closeFd(readFd),
  };
}

async function textOf(reader: PipeReader): Promise<string> {
  const { done, value } = await reader.read();
  return done ? "(end)" : Buffer.from(value).toString();
}

/** Whether it has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  return await Promise.race([promise.then(() => true), Bun.sleep(20).then(() => false)]);
}

describe("a pipe's reader", () => {
  test("knows whether something has come that nobody has read", async () => {
    using pipe = opened(new FakeClock(), 0);
    expect(pipe.reader.isEmpty).toBe(true);
    pipe.print("one");
    expect(pipe.reader.isEmpty).toBe(false);
    expect([await textOf(pipe.reader), pipe.reader.isEmpty]).toEqual(["one", true]);
    pipe.close();
  });

  test("reads all at once when the process has ended, whether it was asked before or after", async () => {
    for (const isEarly of [true, false]) {
      const clock = new FakeClock();
      using pipe = opened(clock);
      const early = isEarly ? textOf(pipe.reader) : undefined;
      pipe.print("one\n");
      pipe.print("two\n");
      if (early) expect(await isSettled(early)).toBe(false);
      pipe.close();
      pipe.reader.onWriterEnded();
      expect(await (early ?? textOf(pipe.reader))).toBe("one\ntwo\n");
      expect(await textOf(pipe.reader)).toBe("(end)");
      expect(clock.timers).toBe(0);
    }
  });

  test("reads more than fits into one piece", async () => {
    using pipe = opened(new FakeClock());
    pipe.print("x".repeat(65_536));
    pipe.close();
    pipe.reader.onWriterEnded();
    expect((await textOf(pipe.reader)).length).toBe(65_536);
    expect(await textOf(pipe.reader)).toBe("(end)");
  });

  test("says of the last piece that it is, where nobody else holds the other end", async () => {
    using alone = opened(new FakeClock());
    alone.print("all");
    alone.close();
    alone.reader.onWriterEnded();
    expect((await alone.reader.read()).isLast).toBe(true);
    using shared = opened(new FakeClock());
    shared.print("first");
    shared.reader.onWriterEnded();
    expect((await shared.reader.read()).isLast).toBe(false);
    shared.close();
  });

  test("waits for more where somebody else still holds the other end", async () => {
    using pipe = opened(new FakeClock());
    pipe.print("first");
    pipe.reader.onWriterEnded();
    expect(await textOf(pipe.reader)).toBe("first");
    const next = textOf(pipe.reader);
    expect(await isSettled(next)).toBe(false);
    pipe.print("later");
    expect(await next).toBe("later");
    pipe.close();
    expect(await textOf(pipe.reader)).toBe("(end)");
  });

  test("waits for an end no longer than it is told to, and with 0 not at all", async () => {
    const clock = new FakeClock();
    for (const oldAfterMs of [5, 0]) {
      using pipe = opened(clock, oldAfterMs);
      const first = textOf(pipe.reader);
      pipe.print("at work");
      clock.advance(oldAfterMs - 1);
      if (oldAfterMs > 0) expect(await isSettled(first)).toBe(false);
      clock.advance(1);
      expect(await first).toBe("at work");
      // Its end says nothing new then.
      pipe.reader.onWriterEnded();
      pipe.close();
      expect(await textOf(pipe.reader)).toBe("(end)");
    }
  });

  test("ends when it is told to, at any time", async () => {
    for (const isOld of [false, true]) {
      const clock = new FakeClock();
      using pipe = opened(clock);
      if (isOld) clock.advance(5);
      const first = textOf(pipe.reader);
      expect(await isSettled(first)).toBe(false);
      pipe.reader.cancel();
      expect([await first, await textOf(pipe.reader), clock.timers]).toEqual(["(end)", "(end)", 0]);
      pipe.close();
    }
  });
});
