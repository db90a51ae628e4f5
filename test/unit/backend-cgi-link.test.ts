import { describe, expect, test } from "bun:test";
import { fstatSync, readSync, writeSync } from "node:fs";
import { type CgiExit, CgiLink } from "../../src/backend/cgi-link.ts";
import { Conduct } from "../../src/backend/conduct.ts";
import { ByteBudget } from "../../src/base/byte-budget.ts";
import { systemClock } from "../../src/base/clock.ts";
import { FpmError } from "../../src/base/errors.ts";
import { closeFd, openPipe } from "../../src/base/libc.ts";
import type { Log } from "../../src/base/log.ts";
import { encodeEndRequest, encodeRecord, encodeStream } from "../../src/fcgi/encoder.ts";
import { FCGI_DATA, FCGI_PARAMS, FCGI_STDERR, FCGI_STDIN, FCGI_STDOUT } from "../../src/fcgi/protocol.ts";
import { directPipes, OURS } from "../support/direct-pipes.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { waitUntil } from "../support/wait-until.ts";

const text = (words: string) => Buffer.from(words);

/** A link to a CGI process whose pipes a test holds; `isByHand`: they are looked at by its clock; `isLate`: its start is told later. */
function world(isByHand = false, isLate = false) {
  const [stdin, stdout] = [openPipe(), openPipe()];
  const clock = new FakeClock();
  clock.advance(5000);
  const conduct = new Conduct();
  const heard: string[] = [];
  const process = {
    exit: { code: 0, signal: null } as CgiExit,
    isEnding: true,
    begun: Promise.withResolvers<void>(),
    /** Where its end comes later than that of its output. */
    ended: undefined as Promise<CgiExit> | undefined,
  };
  const link = new CgiLink(9, {
    stdinFd: stdin.writeFd,
    stdoutFd: stdout.readFd,
    ending: () => process.ended ?? Promise.resolve(process.exit),
    isEnding: () => process.isEnding,
    begun: process.begun.promise,
    ...{ conduct, clock },
    holder: OURS,
    calls: directPipes(isByHand ? clock : systemClock),
    log: { error: (line: string) => void heard.push(line) } as unknown as Log,
    buffers: new ByteBudget(1e9),
  });
  let got = Buffer.alloc(0);
  let pieces = 0;
  const user = {
    onLinkData(chunk: Uint8Array) {
      pieces++;
      got = Buffer.concat([got, chunk]);
    },
    onLinkDrain: () => void heard.push("drain"),
    onLinkClosed: (reason: string | undefined) => void heard.push(`closed: ${reason}`),
    onLinkUnanswered: (problem: string) => void heard.push(`unanswered: ${problem}`),
    onLinkFailed: ({ code }: FpmError) => void heard.push(`failed: ${code}`),
  };
  link.use(user);
  link.share();
  if (!isLate) process.begun.resolve();
  let isPrinting = true;
  const inodes = new Map([stdin.writeFd, stdout.readFd].map((fd) => [fd, fstatSync(fd).ino]));
  const isClosed = (fd: number) => {
    try {
      return fstatSync(fd).ino !== inodes.get(fd);
    } catch {
      return true;
    }
  };
  return {
    ...{ link, user, clock, conduct, process, heard },
    got: () => got,
    /** In how many pieces it came. */
    pieces: () => pieces,
    print: (words: string) => void writeSync(stdout.writeFd, words),
    /** The process ends, in this way. */
    end(exit: CgiExit = process.exit) {
      process.exit = exit;
      if (isPrinting) closeFd(stdout.writeFd);
      isPrinting = false;
      link.onProcessEnded();
    },
    /** Sends records to the process. */
    send: (...records: Uint8Array[]) => {
      for (const record of records) link.write(Buffer.concat([text("xx"), record]), 2, record.length + 2);
    },
    /** What the process reads of its input. */
    readInput(most: number) {
      const bytes = Buffer.alloc(most);
      return bytes.subarray(0, readSync(stdin.readFd, bytes)).toString();
    },
    isInputClosed: () => isClosed(stdin.writeFd),
    isOutputClosed: () => isClosed(stdout.readFd),
    /** All of it has been closed. */
    [Symbol.asyncDispose]: async () => {
      link.close();
      if (isPrinting) closeFd(stdout.writeFd);
      closeFd(stdin.readFd);
      await waitUntil("the output is closed", () => isClosed(stdout.readFd));
    },
  };
}

const stdout = (words: string) => encodeStream(FCGI_STDOUT, 9, text(words), false);
const END = (code: number) =>
  Buffer.concat([encodeStream(FCGI_STDOUT, 9, text(""), true), encodeEndRequest(9, code, 0)]);

test("whoever goes on to send the body of an answer that is over finds its input left, and none that is closed", async () => {
  await using all = world();
  const input = all.link.outlive();
  expect(input?.isOutlived).toBe(true);
  input?.end();
  expect(all.link.outlive()).toBeUndefined();
});

describe("what a CGI process prints", () => {
  test("comes as an answer of FastCGI, with the status of its exit at the end", async () => {
    await using all = world();
    all.print("A: b\n\nbody");
    expect([all.link.hasOutput, all.link.outputBytes]).toEqual([false, 0]);
    all.clock.advance(2);
    all.end({ code: 3, signal: null });
    await waitUntil("the end", () => all.got().length > 40);
    expect(all.got()).toEqual(Buffer.concat([stdout("A: b\n\nbody"), END(3)]));
    expect([all.link.hasOutput, all.link.outputBytes, all.heard]).toEqual([true, 10, []]);
  });

  test("goes out together with its end where the process has ended", async () => {
    await using all = world();
    all.print("A: b\n\nbody");
    all.end();
    await waitUntil("the end", () => all.got().length > 40);
    expect(all.pieces()).toBe(1);
  });

  test("is passed on as far as it came where a signal has ended it", async () => {
    await using all = world();
    all.print("A: b\n\nbody");
    all.end({ code: null, signal: "SIGKILL" });
    await waitUntil("it is told", () => all.heard.length > 0);
    expect(all.heard).toEqual(["closed: ended by SIGKILL"]);
    expect(all.got()).toEqual(Buffer.from(stdout("A: b\n\nbody")));
  });

  test("takes a while, which says how long the next one may take", async () => {
    await using all = world();
    all.clock.advance(4);
    all.print("A: b\n\n");
    all.end();
    await waitUntil("the end", () => all.got().length > 30);
    expect(all.conduct.awaitEndMs).toBe(8);
  });

  test("is complete when it has closed its output, though it works on", async () => {
    await using all = world();
    all.process.isEnding = false;
    all.print("A: b\n\n");
    all.end({ code: 9, signal: null });
    await waitUntil("the end", () => all.got().length > 30);
    expect(all.got()).toEqual(Buffer.concat([stdout("A: b\n\n"), END(0)]));
  });

  test("is complete when it has closed its output, also where its start is told later than that", async () => {
    await using all = world(false, true);
    // As whoever asks a process that has not begun is told.
    all.process.ended = new Promise(() => {});
    all.print("A: b\n\n");
    all.end();
    await waitUntil("all is read", () => all.link.outputBytes === 6);
    await Bun.sleep(20);
    expect(all.got().length).toBeLessThan(30);
    all.process.isEnding = false;
    all.process.begun.resolve();
    await waitUntil("the end", () => all.got().length > 30);
    expect(all.got()).toEqual(Buffer.concat([stdout("A: b\n\n"), END(0)]));
  });

  test("is given up with its pipe though nobody knows yet whether it has begun: who starts it may stand", async () => {
    await using all = world(false, true);
    all.link.close();
    await waitUntil("it is closed", () => all.isOutputClosed());
  });

  test("is given up where it turns out that none has begun, and its pipe is closed", async () => {
    await using all = world(false, true);
    all.process.ended = new Promise(() => {});
    all.end();
    await Bun.sleep(20);
    expect(all.heard).toEqual([]);
    all.link.onStartFailed(new FpmError("SPAWN_FAILED", "backend", "x"));
    all.process.begun.resolve();
    await waitUntil("it is told, and closed", () => all.heard.length > 0 && all.isOutputClosed());
    expect(all.heard).toEqual(["failed: SPAWN_FAILED"]);
  });

  test("waits while nobody wants it", async () => {
    await using all = world();
    all.print("A: b\n\n");
    all.clock.advance(5);
    await waitUntil("the header", () => all.got().length > 0);
    all.link.pause();
    all.print("one");
    await waitUntil("it is read, and no more", () => all.link.outputBytes === 9);
    all.print("two");
    await Bun.sleep(20);
    expect([all.link.isPaused, all.link.outputBytes, all.link.endIfRead()]).toEqual([true, 9, false]);
    all.link.resume();
    await waitUntil("the rest", () => all.link.outputBytes === 12);
    expect(all.link.isPaused).toBe(false);
  });

  test("has come to its end when all was read and the process has ended, whoever holds the pipe", async () => {
    await using all = world();
    all.print("A: b\n\n");
    all.clock.advance(5);
    await waitUntil("the header", () => all.got().length > 0);
    expect(all.link.endIfRead()).toBe(true);
    await waitUntil("the end", () => all.got().length > 30);
  });

  test.each([
    [
      "without a header",
      "hello\n",
      { code: 0, signal: null },
      'unanswered: printed no header: its first line is "hello"',
    ],
    ["without a word", "", { code: 4, signal: null }, "unanswered: exited with status 4 and printed nothing"],
    ["before a signal", "A: b\n\n", { code: null, signal: "SIGSEGV" }, "closed: ended by SIGSEGV"],
    [
      "without a beginning",
      "",
      { failure: new FpmError("BOOT_FAILED", "backend", "x") },
      "failed: BOOT_FAILED",
    ],
  ] as [string, string, CgiExit, string][])("%s is no answer", async (_how, printed, exit, told) => {
    await using all = world();
    if (printed !== "") all.print(printed);
    all.end(exit);
    await waitUntil("it is told", () => all.heard.length > 0);
    expect([all.heard, all.link.isOpen]).toEqual([[told], false]);
  });

  test("of a process that closes its output without a word is none either, a moment later", async () => {
    await using all = world();
    all.process.isEnding = false;
    all.process.ended = new Promise(() => {});
    all.end();
    await waitUntil("its end is awaited", () => all.clock.timers > 0);
    all.clock.advance(99);
    await Bun.sleep(0);
    expect(all.heard).toEqual([]);
    all.clock.advance(1);
    await waitUntil("it is told", () => all.heard.length > 0);
    expect(all.heard).toEqual(["unanswered: closed its output and printed nothing"]);
  });

  test("of a process that closes its output without a word, and ends then, is told by its end", async () => {
    await using all = world();
    all.process.isEnding = false;
    const ended = Promise.withResolvers<CgiExit>();
    all.process.ended = ended.promise;
    all.end();
    await waitUntil("its end is awaited", () => all.clock.timers > 0);
    all.process.isEnding = true;
    all.clock.advance(1000);
    await Bun.sleep(0);
    expect(all.heard).toEqual([]);
    ended.resolve({ code: 127, signal: null, why: "interpreter x not found" });
    await waitUntil("it is told", () => all.heard.length > 0);
    expect(all.heard).toEqual([
      "unanswered: exited with status 127 and printed nothing: interpreter x not found",
    ]);
    expect(all.clock.timers).toBe(0);
  });

  test("on its stderr goes to the web server as long as somebody takes it", async () => {
    await using all = world();
    expect(all.link.printError("oops")).toBe(true);
    expect(all.got()).toEqual(Buffer.from(encodeStream(FCGI_STDERR, 9, text("oops\n"), false)));
    all.link.pause();
    expect(all.link.printError("too much")).toBe(false);
    all.link.resume();
    all.link.use(undefined);
    expect(all.link.printError("nobody")).toBe(false);
    all.link.close();
    all.link.use(all.user);
    expect(all.link.printError("over")).toBe(false);
  });
});

describe("the input of a CGI process", () => {
  test("is the content of STDIN, to its end, and of nothing else", async () => {
    await using all = world();
    const record = (type: number, words: string) => encodeRecord(type, 9, text(words));
    all.send(record(FCGI_PARAMS, "no"), record(FCGI_PARAMS, ""));
    all.send(record(FCGI_STDIN, "one "), record(FCGI_DATA, "no"), record(FCGI_DATA, ""));
    expect(all.isInputClosed()).toBe(false);
    all.send(record(FCGI_STDIN, "two"), record(FCGI_STDIN, ""));
    expect([all.isInputClosed(), all.readInput(100), all.readInput(100)]).toEqual([true, "one two", ""]);
  });

  test("ends at once where none comes", async () => {
    await using all = world();
    all.link.endInput();
    expect(all.isInputClosed()).toBe(true);
  });

  test("waits where the process does not read, and is told when it has", async () => {
    await using all = world(true);
    const some = encodeRecord(FCGI_STDIN, 9, new Uint8Array(64_000));
    all.send(some);
    expect([all.link.isWaiting, all.link.isAllRead, all.link.isCongested]).toEqual([false, true, false]);
    all.send(some);
    expect([all.link.isWaiting, all.link.isAllRead, all.link.isCongested]).toEqual([true, false, false]);
    all.send(some);
    expect(all.link.isCongested).toBe(true);
    for (let i = 0; i < 3; i++) {
      all.readInput(65_536);
      all.clock.advance(20);
    }
    expect([all.link.isWaiting, new Set(all.heard)]).toEqual([false, new Set(["drain"])]);
  });

  test("is closed with the link, and nothing more goes there", async () => {
    await using all = world();
    all.link.close();
    all.send(encodeRecord(FCGI_STDIN, 9, text("late")));
    expect([all.isInputClosed(), all.readInput(100), all.link.isOpen]).toEqual([true, "", false]);
  });
});

describe("a link to a CGI process", () => {
  test("carries one request, of which it has the id", async () => {
    await using all = world();
    const { requestId, isReusable } = all.link;
    expect([requestId, isReusable, all.link.isStale(), all.link.isOpen]).toEqual([9, false, false, true]);
  });

  test("tells its end once, and nothing after it was closed", async () => {
    await using all = world();
    all.link.onClosed("why");
    all.link.onClosed("again");
    expect(all.heard).toEqual(["closed: why"]);
    await using closed = world();
    closed.link.close();
    closed.link.onClosed("why");
    closed.end();
    await Bun.sleep(10);
    expect([closed.heard, closed.got().length]).toEqual([[], 0]);
  });

  test("that was paused is read on with by whoever has it next", async () => {
    await using all = world();
    all.link.pause();
    all.link.use(all.user);
    expect(all.link.isPaused).toBe(false);
  });

  test("ends with a word about it after an exception of ours", async () => {
    await using all = world();
    all.user.onLinkData = () => {
      throw new Error("oops");
    };
    all.print("A: b\n\n");
    all.end();
    await waitUntil("it is told", () => all.heard.length > 1);
    expect(all.heard).toEqual(["a bug in std-fpm: oops", "closed: a bug in std-fpm"]);
  });
});
