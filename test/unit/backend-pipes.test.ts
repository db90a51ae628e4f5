import { afterAll, describe, expect, test } from "bun:test";
import { fstatSync, readSync, writeSync } from "node:fs";
import { type PipeBytes, type PipeHolder, Pipes, type PipeTaken } from "../../src/backend/pipes.ts";
import { systemClock } from "../../src/base/clock.ts";
import { closeFd, openPipe } from "../../src/base/libc.ts";
import { createLog } from "../../src/base/log.ts";
import { waitUntil } from "../support/wait-until.ts";

const lines: string[] = [];
const log = createLog({
  level: "info",
  format: "plain",
  reader: () => "other",
  write: (line) => void lines.push(line),
});
const pipes = new Pipes(systemClock, log);
const OURS: PipeHolder = { key: "ours", uid: process.geteuid?.() };
const OTHERS: PipeHolder = { key: "others", uid: 4_000_000 };
const HOLDERS = [OURS, OTHERS, { key: "unknown", uid: undefined }];

afterAll(() => pipes.end());

const isOpen = (fd: number, inode: number) => {
  try {
    return fstatSync(fd).ino === inode;
  } catch {
    return false;
  }
};

async function read(fd: number, holder: PipeHolder): Promise<string> {
  const bytes = await new Promise<PipeBytes>((resolve) => pipes.read(fd, holder, resolve));
  return typeof bytes === "string" ? `(${bytes})` : Buffer.from(bytes).toString("latin1");
}

const write = (fd: number, holder: PipeHolder, bytes: Uint8Array) =>
  new Promise<PipeTaken>((resolve) => pipes.write(fd, holder, bytes, resolve));

describe.each(HOLDERS)("calls on the pipes of $key", (holder) => {
  test("read what is there, say that there is nothing yet, and that nothing more comes", async () => {
    const { readFd, writeFd } = openPipe();
    expect(await read(readFd, holder)).toBe("(later)");
    const text = `${"x".repeat(65_535)}\xff`;
    writeSync(writeFd, Buffer.from(text, "latin1"));
    expect(await read(readFd, holder)).toBe(text);
    writeSync(writeFd, "last");
    closeFd(writeFd);
    expect([await read(readFd, holder), await read(readFd, holder)]).toEqual(["last", "(end)"]);
    const { ino } = fstatSync(readFd);
    pipes.close(readFd, holder);
    await waitUntil("it is closed", () => !isOpen(readFd, ino));
  });

  test("write what there is room for, and say that nobody reads", async () => {
    const { readFd, writeFd } = openPipe();
    const bytes = new Uint8Array(100_000).map((_, i) => i % 251);
    expect(await write(writeFd, holder, bytes)).toBe(65_536);
    expect(await write(writeFd, holder, bytes)).toBe(0);
    const got = Buffer.alloc(100_000);
    expect(got.subarray(0, readSync(readFd, got)).equals(bytes.subarray(0, 65_536))).toBe(true);
    closeFd(readFd);
    expect(await write(writeFd, holder, bytes)).toBe("gone");
    const { ino } = fstatSync(writeFd);
    pipes.closeCopies([writeFd], holder);
    await waitUntil("it is closed", () => !isOpen(writeFd, ino));
  });

  test("each bring what is their own, many at once", async () => {
    const opened = Array.from({ length: 200 }, openPipe);
    for (const [i, { writeFd }] of opened.entries()) writeSync(writeFd, `${i}`);
    const texts = await Promise.all(opened.map(({ readFd }) => read(readFd, holder)));
    expect(texts).toEqual(opened.map((_, i) => `${i}`));
    for (const { readFd, writeFd } of opened) {
      closeFd(readFd);
      closeFd(writeFd);
    }
  });
});

describe("a wait for a pipe", () => {
  test("ends when there are bytes, or the end, and is one wait", async () => {
    const { readFd, writeFd } = openPipe();
    let times = 0;
    pipes.awaitBytes(readFd, () => void times++);
    await Bun.sleep(20);
    expect(times).toBe(0);
    writeSync(writeFd, "a");
    await waitUntil("it is told", () => times === 1);
    pipes.awaitBytes(readFd, () => void times++);
    expect(times).toBe(2);
    await read(readFd, OURS);
    pipes.awaitBytes(readFd, () => void times++);
    closeFd(writeFd);
    await waitUntil("the end is told", () => times === 3);
    await Bun.sleep(20);
    expect(times).toBe(3);
    closeFd(readFd);
  });

  test("ends when there is room", async () => {
    const { readFd, writeFd } = openPipe();
    await write(writeFd, OURS, new Uint8Array(65_536));
    let isTold = false;
    pipes.awaitRoom(writeFd, () => {
      isTold = true;
    });
    await Bun.sleep(20);
    expect(isTold).toBe(false);
    await read(readFd, OURS);
    await waitUntil("it is told", () => isTold);
    closeFd(readFd);
    closeFd(writeFd);
  });

  test("that is forgotten says nothing, neither of this descriptor nor of the next with its number", async () => {
    const first = openPipe();
    let told = "";
    pipes.awaitBytes(first.readFd, () => {
      told += "first ";
    });
    writeSync(first.writeFd, "a");
    pipes.forget(first.readFd);
    closeFd(first.readFd);
    const second = openPipe();
    expect(second.readFd).toBe(first.readFd);
    pipes.awaitBytes(second.readFd, () => {
      told += "second ";
    });
    await Bun.sleep(30);
    expect(told).toBe("");
    writeSync(second.writeFd, "b");
    await waitUntil("the second is told", () => told === "second ");
    for (const fd of [first.writeFd, second.readFd, second.writeFd]) closeFd(fd);
  });

  test("costs nobody a bug", () => {
    expect(lines).toEqual([]);
  });
});
