import { expect, test } from "bun:test";
import { LimitedLog } from "../../src/base/limited-log.ts";
import { createLog, type LogLevel } from "../../src/base/log.ts";
import { FakeClock } from "../support/fake-clock.ts";

function start(level: LogLevel = "info") {
  const lines: string[] = [];
  const clock = new FakeClock();
  const log = createLog({
    level,
    format: "plain",
    write: (line) => void lines.push(line),
    reader: () => "other",
  });
  const limited = new LimitedLog(clock, log);
  const write = (count: number) => {
    for (let i = 0; i < count; i++) limited[i % 2 === 0 ? "info" : "warn"]("wrong", { code: "PROTOCOL" });
  };
  return { lines, clock, limited, write };
}

test("50 lines in five seconds are written, and the number of those above is told in one", () => {
  const { lines, clock, write } = start();
  write(50);
  clock.advance(4999);
  expect(lines).toHaveLength(50);
  write(1);
  expect(lines).toHaveLength(50);
  clock.advance(1);
  expect(lines).toHaveLength(51);
  expect(lines.at(-1)).toContain("warn 1 more lines about requests that clients got wrong are left out");
  expect(lines.at(-1)).toContain("left_out=1");
  write(51);
  expect(lines).toHaveLength(101);
});

test("at the limit nothing is left out, and no timer runs on", () => {
  const { lines, clock, write } = start();
  write(50);
  clock.advance(5000);
  expect([lines.length, clock.timers]).toEqual([50, 0]);
});

test("the end tells what was left out until then", () => {
  const { lines, clock, limited, write } = start();
  write(5000);
  limited.close();
  limited.close();
  expect([lines.length, clock.timers]).toEqual([51, 0]);
  expect(lines.at(-1)).toContain("left_out=4950");
});

test("a log for debugging has every line", () => {
  const { lines, write } = start("debug");
  write(500);
  expect(lines).toHaveLength(500);
});
