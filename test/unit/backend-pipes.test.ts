import { afterAll, describe, expect, test } from "bun:test";
import { fstatSync, readSync, writeSync } from "node:fs";
import { type PipeBytes, type PipeHolder, Pipes, type PipeTaken } from "../../src/backend/pipes.ts";
import { systemClock } from "../../src/base/clock.ts";
import { closeFd, openPipe } from "../../src/base/libc.ts";
import { createLog } from "../../src/base/log.ts";
import { isOpenAs } from "../support/open-file.ts";
import { holdPipe } from "../support/pipe-holder.ts";
import { waitUntil } from "../support/wait-until.ts";

const lines: string[] = [];
const log = createLog({
  level: "info",
  format: "plain",
  reader: () => "other",
  write: (line) => void lines.push(line),
});
const pipes = new Pipes(systemClock, log);
const OURS: PipeHolder = { key: "ours", owner: "us", uid: process.geteuid?.() };
const OTHERS: PipeHolder = { key: "others", owner: "them", uid: 4_000_000 };
const HOLDERS = [OURS, OTHERS, { key: "unknown", owner: "", uid: undefined }];

afterAll(() => pipes.end());

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
    await waitUntil("it is closed", () => !isOpenAs(readFd, ino));
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
    pipes.close(writeFd, holder);
    await waitUntil("it is closed", () => !isOpenAs(writeFd, ino));
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

/** Pipes of a program, all of which somebody holds, with something in each. */
async function heldPipes(count: number) {
  const opened = Array.from({ length: count }, openPipe);
  for (const { writeFd } of opened) writeSync(writeFd, "x");
  const held = await Promise.all(opened.map(({ writeFd }) => holdPipe(writeFd)));
  return {
    readFds: opened.map(({ readFd }) => readFd),
    inodes: opened.map(({ readFd }) => fstatSync(readFd).ino),
    [Symbol.dispose]() {
      for (const each of held) each[Symbol.dispose]();
      for (const { writeFd } of opened) closeFd(writeFd);
    },
  };
}

describe("a pipe that is held", () => {
  test("is read and closed when it is let go, and nobody else waits for it", async () => {
    const holder = { key: "holds", owner: "one", uid: 4_000_001 };
    const held = await heldPipes(1);
    const [readFd, inode] = [held.readFds[0] as number, held.inodes[0] as number];
    let got: PipeBytes | undefined;
    pipes.read(readFd, holder, (bytes) => {
      got = bytes;
    });
    await Bun.sleep(400);
    pipes.close(readFd, holder);
    expect([got, isOpenAs(readFd, inode)]).toEqual([undefined, true]);
    const other = openPipe();
    writeSync(other.writeFd, "other");
    expect(await read(other.readFd, OTHERS)).toBe("other");
    held[Symbol.dispose]();
    await waitUntil("it is closed", () => !isOpenAs(readFd, inode));
    expect(got).toEqual(new Uint8Array(Buffer.from("x")));
    for (const fd of [other.readFd, other.writeFd]) closeFd(fd);
  });

  test("takes no descriptors without end: calls that are not begun come to nothing, and no more processes are started", async () => {
    const holder = { key: "many", owner: "two", uid: 4_000_002 };
    const sibling = { ...holder, key: "a sibling" };
    const held = await heldPipes(4);
    for (const readFd of held.readFds) pipes.read(readFd, holder, () => {});
    await Bun.sleep(600);
    const waiting = Array.from({ length: 17 }, openPipe);
    const inodes = waiting.map(({ readFd }) => fstatSync(readFd).ino);
    const heard: PipeBytes[] = [];
    for (const { readFd, writeFd } of waiting) {
      writeSync(writeFd, "x");
      pipes.read(readFd, holder, (bytes) => void heard.push(bytes));
    }
    await Bun.sleep(100);
    expect(heard).toEqual([]);
    for (const { readFd } of waiting) pipes.close(readFd, holder);
    expect(heard).toEqual(Array(17).fill("later"));
    expect(pipes.admits(holder)).toBe(true);
    await Bun.sleep(1200);
    expect([pipes.admits(holder), pipes.admits(sibling), pipes.admits(OTHERS)]).toEqual([false, true, true]);
    for (const readFd of held.readFds) pipes.close(readFd, holder);
    held[Symbol.dispose]();
    await waitUntil("all are closed", () =>
      [...waiting, ...held.readFds.map((readFd) => ({ readFd }))].every(
        ({ readFd }, i) => !isOpenAs(readFd, [...inodes, ...held.inodes][i] as number),
      ),
    );
    expect(pipes.admits(holder)).toBe(true);
    for (const { writeFd } of waiting) closeFd(writeFd);
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
