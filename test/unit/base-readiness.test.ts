import { expect, test } from "bun:test";
import { writeFileSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { addTo, createEpoll, EPOLLIN, waitOn } from "../../src/base/epoll.ts";
import { closeFd, openPipe } from "../../src/base/libc.ts";
import { createLog } from "../../src/base/log.ts";
import { Readiness } from "../../src/base/readiness.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { descriptorsOf } from "../support/processes.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

const open = (kind: string) =>
  [...descriptorsOf(process.pid).values()].filter((what) => what.includes(kind)).length;

function readinessWith(file?: string, clock: Clock = systemClock) {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  const log = createLog({ level: "info", format: "plain", reader: () => "other", write });
  return { lines, readiness: new Readiness(clock, log, file) };
}

/** A thread that takes an event at first, says nothing of it, and fails; the next one works. */
const failingThread = (mark: string) => `
  import { existsSync, writeFileSync } from "node:fs";
  import { END_SERIAL, waitOn } from ${JSON.stringify(resolve("src/base/epoll.ts"))};
  self.onmessage = ({ data: epoll }) => {
    for (;;) {
      const events = waitOn(epoll);
      if (!existsSync(${JSON.stringify(mark)})) {
        writeFileSync(${JSON.stringify(mark)}, "");
        throw new Error("no memory");
      }
      self.postMessage(JSON.stringify(events));
      if (events.some(([, serial]) => serial === END_SERIAL)) return;
    }
  };
`;

test("what waits for a pipe hears of it though the thread has failed meanwhile, and that is told", async () => {
  using dir = makeTempDir();
  const file = dir.at("thread.ts");
  writeFileSync(file, failingThread(dir.at("failed")));
  const { lines, readiness } = readinessWith(file);
  const [first, second] = [openPipe(), openPipe()];
  const told: string[] = [];
  readiness.await(first.readFd, "bytes", () => void told.push("first"));
  readiness.await(second.readFd, "bytes", () => void told.push("second"));
  writeSync(first.writeFd, "a");
  await waitUntil("it has failed", () => lines.length === 1);
  expect(lines[0]).toContain("the thread that waits for pipes has failed: ");
  expect(told).toEqual([]);
  await waitUntil("the other thread tells of it", () => told.length === 1);
  writeSync(second.writeFd, "b");
  await waitUntil("it tells of the other pipe", () => told.length === 2);
  expect([told, lines.length]).toEqual([["first", "second"], 1]);
  readiness.close();
  for (const fd of [first.readFd, first.writeFd, second.readFd, second.writeFd]) closeFd(fd);
});

test("who has heard of a pipe may wait for it again, and is told by the kernel once more", async () => {
  const clock = new FakeClock();
  const { readiness } = readinessWith(undefined, clock);
  const pipe = openPipe();
  let told = 0;
  writeSync(pipe.writeFd, "a");
  for (const times of [1, 2]) {
    readiness.await(pipe.readFd, "bytes", () => void told++);
    await waitUntil("it is told", () => told === times);
  }
  // Nobody had to look by the clock.
  expect(clock.timers).toBe(0);
  readiness.close();
  for (const fd of [pipe.readFd, pipe.writeFd]) closeFd(fd);
});

test("it gives back what it has taken, and says nothing more", async () => {
  const before = [open("eventpoll"), open("pipe:")];
  const { readiness } = readinessWith();
  const pipe = openPipe();
  let isTold = false;
  readiness.await(pipe.readFd, "bytes", () => {
    isTold = true;
  });
  readiness.close();
  writeSync(pipe.writeFd, "a");
  for (const fd of [pipe.readFd, pipe.writeFd]) closeFd(fd);
  const isAsBefore = () =>
    open("eventpoll") <= (before[0] as number) && open("pipe:") <= (before[1] as number);
  await waitUntil("all is given back", isAsBefore);
  expect(isTold).toBe(false);
});

test("an epoll that is none is an error, not a wait without end", () => {
  const epoll = createEpoll();
  const pipe = openPipe();
  writeSync(pipe.writeFd, "a");
  expect(addTo(epoll, pipe.readFd, EPOLLIN, 7)).toBe(true);
  expect(addTo(epoll, pipe.readFd, EPOLLIN, 8)).toBe(false);
  expect(waitOn(epoll)).toEqual([[pipe.readFd, 7]]);
  expect(() => waitOn(pipe.readFd)).toThrow("epoll_wait failed: errno 22");
  expect(() => waitOn(-1)).toThrow("epoll_wait failed: errno 9");
  for (const fd of [epoll, pipe.readFd, pipe.writeFd]) closeFd(fd);
});
