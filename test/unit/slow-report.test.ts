import { describe, expect, test } from "bun:test";
import { leftOutLine, type QueueFacts, slowEndLine, slowLine } from "../../src/slow/slow-report.ts";

const NO_TIME = { route: 0, body: 0, queue: 0, boot: 0, program: 0 };
const TIMES = { route: 3, body: 0, queue: 1200, boot: 300, program: 3500 };
const NOBODY: QueueFacts = {
  ahead: 0,
  busy: 0,
  starting: undefined,
  slowest: undefined,
  limit: { kind: "none" },
};

const inProgram = (changes = {}) => ({
  stage: "program" as const,
  cause: "sleeps",
  isUnaccepted: false,
  hasAnswer: false,
  others: 0,
  ...changes,
});

describe("the report", () => {
  test("tells the stages of its way that took a while, then what it is at", () => {
    expect(slowLine(5003, TIMES, inProgram())).toBe(
      "slow request, 5.0 s so far: waited 1.2 s in the queue, 0.3 s for a process to start, 3.5 s in the program: sleeps",
    );
    expect(slowLine(5000, { ...NO_TIME, route: 60, body: 4000, program: 900 }, inProgram())).toBe(
      "slow request, 5.0 s so far: 0.1 s until its program was found, 4.0 s until its body had come, 0.9 s in the program: sleeps",
    );
  });

  test.each([
    [{ cause: undefined }, "3.5 s in the program: its process has ended"],
    [{ isUnaccepted: true }, "3.5 s not accepted by its process: sleeps"],
    [{ hasAnswer: true }, "3.5 s in the program: sleeps; its answer has begun"],
    [{ others: 1 }, "3.5 s in the program (beside 1 other request): sleeps"],
    [{ others: 2 }, "3.5 s in the program (beside 2 other requests): sleeps"],
  ])("of one in its program: %j", (changes, end) => {
    expect(slowLine(5000, TIMES, inProgram(changes))).toEndWith(`, ${end}`);
  });

  test.each([
    [{ busy: 1, limit: { kind: "max_processes" } }, "the one process is busy; max_processes allows no more"],
    [
      { busy: 4, ahead: 12, limit: { kind: "all programs" } },
      "all 4 processes are busy; it may have no more of the processes that all programs share; 12 requests before it",
    ],
    [
      { busy: 4, ahead: 1, limit: { kind: "cores and memory" } },
      "all 4 processes are busy; the processor and the memory have no room for more; 1 request before it",
    ],
    [{ limit: { kind: "failed starts", retryInMs: 2000 } }, "starts failed, the next try is in 2.0 s"],
    [{ starting: { pid: 7, ageMs: 4900, what: "sleeps" } }, "pid 7 has been starting for 4.9 s: it sleeps"],
    [{ starting: { pid: 7, ageMs: 4900, what: undefined } }, "pid 7 has been starting for 4.9 s"],
    [
      { busy: 1, slowest: { pid: 8, ageMs: 12_300, what: "GET /slow" } },
      "the one process is busy; pid 8 has been at GET /slow for 12.3 s",
    ],
  ] as const)("of one in the queue: %j", (changes, words) => {
    const queue = { ...NOBODY, ...changes };
    expect(slowLine(5000, { ...NO_TIME, queue: 5000 }, { stage: "queue", queue })).toBe(
      `slow request, 5.0 s so far: has waited 5.0 s for a process: ${words}`,
    );
  });

  test("of one that has no program yet, or whose body still comes", () => {
    expect(slowLine(5000, { ...NO_TIME, route: 5000 }, { stage: "route" })).toEndWith(
      ": its program has been looked up for 5.0 s: the file system does not answer",
    );
    expect(slowLine(5000, { ...NO_TIME, body: 5000 }, { stage: "body" })).toEndWith(
      ": its body has been coming for 5.0 s",
    );
  });
});

test("the report of the end tells the same, and the CPU time", () => {
  expect(slowEndLine(7300, { ...TIMES, program: 5800 }, 120)).toBe(
    "slow request ended after 7.3 s: waited 1.2 s in the queue, 0.3 s for a process to start, 5.8 s in the program (0.1 s on the CPU)",
  );
  expect(slowEndLine(7300, { ...NO_TIME, program: 7300 }, undefined)).toBe(
    "slow request ended after 7.3 s: 7.3 s in the program",
  );
  expect(slowEndLine(7300, { ...NO_TIME, queue: 7300 }, undefined)).toBe(
    "slow request ended after 7.3 s: waited 7.3 s in the queue",
  );
});

test("what is left out is counted, with the program that has most of it", () => {
  expect(leftOutLine(30, [["/a.fcgi", 30]])).toBe(
    "30 more slow requests are not reported one by one: all at /a.fcgi",
  );
  expect(
    leftOutLine(31, [
      ["/a.fcgi", 30],
      ["/b.fcgi", 1],
    ]),
  ).toEndWith(": 30 of them at /a.fcgi");
});
