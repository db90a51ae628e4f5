import { describe, expect, test } from "bun:test";
import { fstatSync, readSync } from "node:fs";
import { PipeWriter } from "../../src/backend/pipe-writer.ts";
import type { PipeCalls, PipeTaken } from "../../src/backend/pipes.ts";
import { ByteBudget } from "../../src/base/byte-budget.ts";
import { closeFd, openPipe } from "../../src/base/libc.ts";
import { directPipes, OURS } from "../support/direct-pipes.ts";
import { FakeClock } from "../support/fake-clock.ts";

const PIPE_BYTES = 64 * 1024;

function openWriter(roomBytes = 2 ** 30, isShared = true) {
  const { readFd, writeFd } = openPipe();
  const clock = new FakeClock();
  const buffers = new ByteBudget(roomBytes);
  let drains = 0;
  const writer = new PipeWriter(writeFd, OURS, directPipes(clock, 16), buffers, clock, () => void drains++);
  if (isShared) writer.share();
  return {
    readFd,
    clock,
    buffers,
    writer,
    drains: () => drains,
    write: (bytes: Uint8Array) => writer.write(bytes, 0, bytes.length),
    isClosed: () => {
      try {
        return fstatSync(writeFd) === undefined;
      } catch {
        return true;
      }
    },
  };
}

/** What is read until the pipe is empty, or has ended. */
function readAll(fd: number, most: number): Buffer {
  const bytes = Buffer.alloc(most);
  return bytes.subarray(0, readSync(fd, bytes));
}

describe("the writing end of a program's stdin", () => {
  test("brings all bytes in order through a pipe that is often full, and closes then", () => {
    const { readFd, clock, buffers, writer, write, drains, isClosed } = openWriter();
    const sent = Buffer.from(Array.from({ length: 5 * PIPE_BYTES }, (_, i) => i % 251));
    for (let at = 0; at < sent.length; at += 50_000) write(sent.subarray(at, at + 50_000));
    writer.end();
    // A pipe holds 16 pages, of which one may be full only in part.
    expect(writer.waiting).toBeWithin(4 * PIPE_BYTES, 4 * PIPE_BYTES + 4096);
    expect(buffers.heldBytes).toBe(writer.waiting);
    const got: Buffer[] = [];
    for (let bytes = 0; bytes < sent.length; ) {
      const piece = readAll(readFd, 3 * PIPE_BYTES);
      got.push(piece);
      bytes += piece.length;
      clock.advance(16);
    }
    expect(Buffer.concat(got).equals(sent)).toBe(true);
    expect([writer.waiting, buffers.heldBytes, isClosed()]).toEqual([0, 0, true]);
    // The first piece was taken at once.
    expect(drains()).toBe(2);
    closeFd(readFd);
  });

  test("is written before anybody has the other end, as far as it fits, and goes on afterwards", () => {
    const small = openWriter(2 ** 30, false);
    small.write(Buffer.from("a body"));
    small.writer.end();
    expect([small.isClosed(), readAll(small.readFd, 100).toString(), small.clock.timers]).toEqual([
      true,
      "a body",
      0,
    ]);
    small.writer.share();
    closeFd(small.readFd);
    const { readFd, clock, writer, write, isClosed } = openWriter(2 ** 30, false);
    for (const byte of [1, 2]) write(new Uint8Array(PIPE_BYTES).fill(byte));
    writer.end();
    expect([writer.waiting, isClosed(), clock.timers]).toEqual([PIPE_BYTES, false, 0]);
    writer.share();
    const first = readAll(readFd, PIPE_BYTES);
    clock.advance(16);
    expect([first[0], readAll(readFd, PIPE_BYTES)[0], writer.waiting, isClosed()]).toEqual([1, 2, 0, true]);
    closeFd(readFd);
  });

  test("is closed at once, and holds nothing, when the request is over and somebody has the pipe who does not read", () => {
    const { readFd, clock, buffers, writer, write, isClosed } = openWriter();
    write(new Uint8Array(3 * PIPE_BYTES));
    clock.advance(1000);
    expect([isClosed(), buffers.heldBytes]).toEqual([false, 2 * PIPE_BYTES]);
    writer.close();
    expect([isClosed(), writer.waiting, buffers.heldBytes, clock.timers]).toEqual([true, 0, 0, 0]);
    closeFd(readFd);
  });

  test("is left to who reads it where all was sent, and closed where not", () => {
    const { readFd, clock, buffers, writer, write, isClosed } = openWriter();
    write(new Uint8Array(3 * PIPE_BYTES));
    writer.end();
    writer.leave();
    clock.advance(60_000);
    expect([isClosed(), writer.isClosed, buffers.heldBytes]).toEqual([false, false, 2 * PIPE_BYTES]);
    for (let i = 0; i < 3; i++) {
      readAll(readFd, 3 * PIPE_BYTES);
      clock.advance(300);
    }
    expect([isClosed(), buffers.heldBytes, clock.timers]).toEqual([true, 0, 0]);
    closeFd(readFd);
    const begun = openWriter();
    begun.write(new Uint8Array(3 * PIPE_BYTES));
    begun.writer.leave();
    expect([begun.isClosed(), begun.buffers.heldBytes, begun.clock.timers]).toEqual([true, 0, 0]);
    closeFd(begun.readFd);
  });

  test("is given up when nobody waits any more and nothing has been read for ten minutes", () => {
    const { readFd, clock, buffers, writer, write, drains, isClosed } = openWriter();
    write(new Uint8Array(3 * PIPE_BYTES));
    writer.outlive();
    clock.advance(9 * 60_000);
    readAll(readFd, PIPE_BYTES);
    clock.advance(9 * 60_000);
    expect([isClosed(), buffers.heldBytes, drains()]).toEqual([false, PIPE_BYTES, 0]);
    clock.advance(2 * 60_000);
    expect([isClosed(), buffers.heldBytes, drains(), clock.timers]).toEqual([true, 0, 1, 0]);
    closeFd(readFd);
  });

  test("has that time from what comes later on, too", () => {
    const { readFd, clock, buffers, writer, write, isClosed } = openWriter();
    write(new Uint8Array(PIPE_BYTES));
    writer.outlive();
    clock.advance(60 * 60_000);
    // The pipe is full, though nothing waited.
    write(new Uint8Array(PIPE_BYTES));
    clock.advance(9 * 60_000);
    expect([isClosed(), buffers.heldBytes]).toEqual([false, PIPE_BYTES]);
    clock.advance(2 * 60_000);
    expect([isClosed(), buffers.heldBytes, clock.timers]).toEqual([true, 0, 0]);
    closeFd(readFd);
  });

  test("is given up soon where nobody waits, nothing is read, and the process has ended that it was meant for", () => {
    for (const isFirst of [true, false]) {
      const { readFd, clock, buffers, writer, write, isClosed } = openWriter();
      write(new Uint8Array(3 * PIPE_BYTES));
      writer.end();
      if (isFirst) writer.onReaderEnded();
      clock.advance(60_000);
      expect(isClosed()).toBe(false);
      writer.leave();
      if (!isFirst) writer.onReaderEnded();
      clock.advance(1500);
      readAll(readFd, PIPE_BYTES);
      clock.advance(1500);
      expect([isClosed(), buffers.heldBytes]).toEqual([false, PIPE_BYTES]);
      clock.advance(1000);
      expect([isClosed(), buffers.heldBytes, clock.timers]).toEqual([true, 0, 0]);
      closeFd(readFd);
    }
  });

  test("is given up at once where the process has ended and the room is needed", () => {
    const { readFd, clock, buffers, writer, write, isClosed } = openWriter(3 * PIPE_BYTES);
    write(new Uint8Array(3 * PIPE_BYTES));
    writer.end();
    writer.leave();
    clock.advance(5000);
    expect(isClosed()).toBe(false);
    writer.onReaderEnded();
    clock.advance(300);
    expect([isClosed(), buffers.heldBytes, clock.timers]).toEqual([true, 0, 0]);
    closeFd(readFd);
  });

  test("holds what a call is at work with until that has come back, also when it is closed", () => {
    const { readFd, writeFd } = openPipe();
    const buffers = new ByteBudget(2 ** 30);
    const clock = new FakeClock();
    let taken: ((taken: PipeTaken) => void) | undefined;
    const holders: unknown[] = [];
    const direct = directPipes(clock);
    const calls: PipeCalls = {
      ...direct,
      write(_fd, holder, _bytes, onTaken) {
        holders.push(holder);
        taken = onTaken;
      },
      close(fd, holder) {
        holders.push(holder);
        direct.close(fd, holder);
      },
    };
    const writer = new PipeWriter(writeFd, OURS, calls, buffers, clock, () => {});
    writer.share();
    writer.write(new Uint8Array(5000), 0, 5000);
    writer.close();
    expect([writer.waiting, writer.isClosed, buffers.heldBytes]).toEqual([0, true, 5000]);
    taken?.(100);
    expect(buffers.heldBytes).toBe(0);
    // All of it goes on the account of who has the other end.
    expect(holders).toEqual([OURS, OURS]);
    closeFd(readFd);
  });

  test("joins small pieces, and leaves a full pipe alone for a moment", () => {
    const { readFd, writeFd } = openPipe();
    const clock = new FakeClock();
    const direct = directPipes(clock);
    const lengths: number[] = [];
    const write: PipeCalls["write"] = (fd, holder, bytes, onTaken) => {
      lengths.push(bytes.length);
      direct.write(fd, holder, bytes, onTaken);
    };
    const writer = new PipeWriter(
      writeFd,
      OURS,
      { ...direct, write },
      new ByteBudget(2 ** 30),
      clock,
      () => {},
    );
    for (let i = 0; i < 400; i++) writer.write(new Uint8Array(500), 0, 500);
    writer.share();
    // The pipe took what it holds before it was shared.
    expect(lengths).toEqual([]);
    readAll(readFd, 8192);
    clock.advance(0.5);
    readAll(readFd, 8192);
    expect(lengths).toEqual([]);
    clock.advance(1);
    expect(lengths).toHaveLength(1);
    expect(lengths[0]).toBeGreaterThan(PIPE_BYTES);
    readAll(readFd, 8192);
    expect(lengths).toHaveLength(1);
    clock.advance(2);
    expect(lengths).toHaveLength(2);
    writer.close();
    closeFd(readFd);
  });

  test("drops what a reader does not want that has gone", () => {
    const { readFd, clock, buffers, writer, write, drains, isClosed } = openWriter();
    write(new Uint8Array(2 * PIPE_BYTES));
    closeFd(readFd);
    clock.advance(50);
    expect([drains(), writer.waiting, buffers.heldBytes, isClosed()]).toEqual([1, 0, 0, true]);
    write(new Uint8Array(10));
    writer.end();
    expect(writer.waiting).toBe(0);
  });
});
