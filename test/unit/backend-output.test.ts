import { describe, expect, test } from "bun:test";
import { writeSync } from "node:fs";
import fc from "fast-check";
import type { Lease } from "../../src/backend/backend.ts";
import { InFlight } from "../../src/backend/in-flight.ts";
import { OutputReader } from "../../src/backend/output.ts";
import { OutputLimit } from "../../src/backend/output-limit.ts";
import { OutputLines } from "../../src/backend/output-lines.ts";
import { systemClock } from "../../src/base/clock.ts";
import { closeFd, openPipe } from "../../src/base/libc.ts";
import type { Log } from "../../src/base/log.ts";
import type { RequestHead } from "../../src/fcgi/head.ts";
import type { Program } from "../../src/start/program.ts";
import { appConfig } from "../support/app-config.ts";
import { directPipes, OURS } from "../support/direct-pipes.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { waitUntil } from "../support/wait-until.ts";

/** The lines that are read of what is written in these pieces. */
async function linesOf(pieces: readonly Uint8Array[], wantsLine = () => true): Promise<string[]> {
  const pipe = openPipe();
  const lines: string[] = [];
  const reader = new OutputReader(
    pipe.readFd,
    OURS,
    directPipes(systemClock),
    { wantsLine, onLine: (line) => void lines.push(line) },
    systemClock,
  );
  for (const piece of pieces) if (piece.length > 0) writeSync(pipe.writeFd, piece);
  closeFd(pipe.writeFd);
  await reader.ended;
  return lines;
}

describe("what a program prints", () => {
  test("is read line by line, the last one without its newline, too", async () => {
    expect(await linesOf([Buffer.from("one\r\ntw"), Buffer.from("o\n\nthree")])).toEqual([
      "one",
      "two",
      "",
      "three",
    ]);
  });

  test("keeps every character of a long line, wherever its pieces end", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(4), fc.nat(8200), async (shift, cut) => {
        const text = "x".repeat(shift) + "äé€😀".repeat(1500);
        const bytes = Buffer.from(`${text}\nnext\n`);
        const lines = await linesOf([bytes.subarray(0, cut), bytes.subarray(cut)]);
        expect(lines.length).toBeGreaterThan(2);
        expect(lines.slice(0, -1).join("")).toBe(text);
        expect(lines.at(-1)).toBe("next");
      }),
      { numRuns: 30 },
    );
  });

  test("is a line also where nothing but a part of a character comes last, and none where nothing does", async () => {
    expect(await linesOf([Buffer.from("one\n"), Buffer.of(0xc3)])).toEqual(["one", "\ufffd"]);
    expect(await linesOf([Buffer.concat([Buffer.alloc(8191, "x"), Buffer.of(0xc3)])])).toEqual([
      "x".repeat(8191),
      "\ufffd",
    ]);
    expect(await linesOf([Buffer.alloc(8192, "x")])).toEqual(["x".repeat(8192)]);
  });

  test("has pieces of 8 KiB where a line is long, however it comes", () => {
    const lengths: number[] = [];
    const lines = new OutputLines({
      wantsLine: () => true,
      onLine: (line) => void lengths.push(line.length),
    });
    for (let i = 0; i < 4; i++) lines.push(Buffer.alloc(5000, "x"));
    lines.push(Buffer.from("\n"));
    expect(lengths).toEqual([8192, 8192, 3616]);
  });

  test("and is not wanted is counted by its lines, and goes on or ends with its last", () => {
    let dropped = 0;
    const lines: string[] = [];
    let wants = false;
    const output = new OutputLines({
      wantsLine: () => wants,
      onLine: (line) => void lines.push(line),
      onDropped(more) {
        dropped += more;
      },
    });
    output.push(Buffer.from("\n".repeat(100)));
    expect(dropped).toBe(100 - 65);
    wants = true;
    output.push(Buffer.from("wanted\n"));
    wants = false;
    output.push(Buffer.from(`${"\n".repeat(100)}begun `));
    wants = true;
    output.push(Buffer.from("and not wanted\nwanted\n"));
    expect([dropped, lines]).toEqual([2 * 35 + 1, ["wanted", "wanted"]]);
  });

  test("is replaced, not lost, where it is no UTF-8", async () => {
    const bytes = Buffer.concat([Buffer.alloc(8191, "x"), Buffer.of(0xff, 0xc3, 0x28, 10)]);
    expect((await linesOf([bytes])).join("")).toBe(`${"x".repeat(8191)}\ufffd\ufffd(`);
  });

  test("is dropped by whole lines where it is not wanted", async () => {
    let asked = 0;
    const text = Buffer.from(`one\n${"x".repeat(20_000)}\nthree\n`);
    expect(await linesOf([text], () => asked++ !== 1)).toEqual(["one", "three"]);
    expect(asked).toBe(3);
  });

  test("is asked about piece by piece where a line does not end", async () => {
    let asked = 0;
    const lines = await linesOf([Buffer.alloc(40_000, "x")], () => asked++ < 2);
    expect([lines.map((line) => line.length), asked]).toEqual([[8192, 8192], 3]);
  });

  test("is counted, and nobody asked any more, where many lines are not wanted", async () => {
    let [asked, dropped] = [0, 0];
    const pipe = openPipe();
    const sink = {
      wantsLine: () => asked++ < 0,
      onLine: () => expect.unreachable(),
      onDropped(lines: number) {
        dropped += lines;
      },
    };
    const reader = new OutputReader(pipe.readFd, OURS, directPipes(systemClock), sink, systemClock);
    writeSync(pipe.writeFd, Buffer.from(`${"\n".repeat(10_000)}and`));
    await waitUntil("all are counted", () => asked + dropped === 10_001);
    expect(asked).toBe(65);
    closeFd(pipe.writeFd);
    await reader.ended;
  });
});

describe("the limit of what a program may print", () => {
  const program = (outputLimit: number) =>
    ({ name: "/p.fcgi", app: appConfig({ outputLimit }) }) as unknown as Program;

  function limitWithLog() {
    const clock = new FakeClock();
    const said: string[] = [];
    const line = (message: string) => void said.push(message);
    const log: Log = { isDebug: true, debug: line, info: line, warn: line, error: line };
    const limit = new OutputLimit(clock, log);
    const taken = (lines: number, of: Program) =>
      Array.from({ length: lines }, () => limit.take(of)).filter(Boolean).length;
    return { clock, said, limit, taken };
  }

  test("takes as many lines as a second has, drops one more, and says once how many it dropped", () => {
    const { clock, said, taken } = limitWithLog();
    expect(taken(100, program(100))).toBe(100);
    expect(taken(51, program(100))).toBe(0);
    clock.advance(500);
    expect(taken(100, program(100))).toBe(50);
    clock.advance(500);
    expect(said).toEqual(["it printed more than output_limit (100 lines a second): 101 lines were dropped"]);
    clock.advance(10_000);
    expect(said.length).toBe(1);
    expect(taken(101, program(100))).toBe(100);
  });

  test("counts a long line for each KiB that it has", () => {
    const { limit, taken } = limitWithLog();
    expect(taken(1, program(100))).toBe(1);
    limit.charge(program(100), 1024);
    expect(taken(1, program(100))).toBe(1);
    limit.charge(program(100), 90 * 1024);
    // 100 less 2, and 89 more of the long one.
    expect(taken(100, program(100))).toBe(9);
  });

  test("is none with 0", () => {
    const { clock, limit, taken } = limitWithLog();
    expect(taken(100_000, program(0))).toBe(100_000);
    expect(clock.timers).toBe(0);
    expect(taken(1, program(100))).toBe(1);
    // As long as there is none, nothing is charged for when there will be one.
    limit.charge(program(0), 1e6);
    expect(taken(99, program(100))).toBe(99);
  });
});

describe("the request in flight", () => {
  const lease = (label: string) => ({ head: { label } as RequestHead }) as Lease;

  test("is the only one at work, or for a moment the one that ended", () => {
    const clock = new FakeClock();
    clock.advance(5000);
    const inFlight = new InFlight(clock);
    const [first, second] = [lease("GET /1"), lease("GET /2")];
    expect(inFlight.only([])).toBeUndefined();
    expect(inFlight.only([first])?.head.label).toBe("GET /1");
    expect(inFlight.only([first, second])).toBeUndefined();
    inFlight.onEnd(first, clock.now());
    expect(inFlight.only([second])?.head.label).toBe("GET /2");
    clock.advance(100);
    expect(inFlight.only([])?.head.label).toBe("GET /1");
    clock.advance(1);
    expect(inFlight.only([])).toBeUndefined();
  });
});
