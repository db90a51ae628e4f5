import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ByteBudget } from "../../src/base/byte-budget.ts";
import { ByteQueue } from "../../src/base/byte-queue.ts";
import { OUTBOX_HIGH_WATER, Outbox } from "../../src/base/outbox.ts";

/** A socket that takes a given number of bytes with each write. */
function socketTaking(amounts: number[]) {
  const taken: number[] = [];
  return {
    taken,
    writes: 0,
    write(bytes: Uint8Array) {
      this.writes++;
      const amount = amounts.length > 0 ? (amounts.shift() as number) : bytes.length;
      const count = Math.min(amount, bytes.length);
      for (let i = 0; i < count; i++) taken.push(bytes[i] as number);
      return amount < 0 ? -1 : count;
    },
  };
}

describe("a byte queue", () => {
  test("keeps neighbouring pieces of one chunk as one, without a copy", () => {
    const chunk = Uint8Array.of(1, 2, 3, 4, 5, 6);
    const queue = new ByteQueue();
    queue.push(chunk, 0, 2);
    queue.push(chunk, 2, 5);
    const joined = queue.join();
    expect([...joined]).toEqual([1, 2, 3, 4, 5]);
    expect(joined.buffer).toBe(chunk.buffer);
  });

  test("does not join pieces of different chunks, or with a gap between them", () => {
    const chunk = Uint8Array.of(1, 2, 3, 4);
    const queue = new ByteQueue();
    queue.push(chunk, 0, 1);
    queue.push(chunk, 2, 3);
    queue.push(chunk.slice(), 3, 4);
    let pieces = 0;
    queue.visit(() => void pieces++);
    expect(pieces).toBe(3);
    expect([...queue.join()]).toEqual([1, 3, 4]);
  });

  test("joins bytes that trickle in, so that they cost no object each", () => {
    const queue = new ByteQueue();
    for (let i = 0; i < 1000; i++) queue.push(Uint8Array.of(i), 0, 1);
    let pieces = 0;
    queue.visit(() => void pieces++);
    expect(pieces).toBeLessThanOrEqual(65);
    expect(queue.bytes).toBe(1000);
    expect([...queue.join()]).toEqual(Array.from({ length: 1000 }, (_, i) => i & 0xff));
  });

  test("has nothing to write where it is empty, and that is no closed socket", () => {
    const socket = socketTaking([]);
    expect([new ByteQueue().drainTo(socket), socket.taken]).toEqual([true, []]);
  });

  test("is drained by any sequence of partial writes without losing or repeating a byte", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), fc.array(fc.nat(7)), (pieces, amounts) => {
        const queue = new ByteQueue();
        for (const piece of pieces) queue.push(piece, 0, piece.length);
        const socket = socketTaking(amounts.slice());
        for (let i = 0; i <= amounts.length + pieces.length && queue.bytes > 0; i++) {
          expect(queue.drainTo(socket)).toBe(true);
        }
        expect(queue.bytes).toBe(0);
        expect(socket.taken).toEqual(pieces.flatMap((piece) => [...piece]));
      }),
    );
  });

  test("is taken from piece by piece, in parts of them, while more comes", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), fc.array(fc.nat(20)), (pieces, amounts) => {
        const budget = new ByteBudget(1000);
        const queue = new ByteQueue(budget);
        const sent = pieces.flatMap((piece) => [...piece]);
        const taken: number[] = [];
        for (let i = 0; i < pieces.length || queue.bytes > 0; i++) {
          const { first } = queue;
          const piece = pieces[i] ?? new Uint8Array(0);
          queue.push(piece, 0, piece.length);
          const count = Math.min(amounts[i] ?? 20, first.length);
          taken.push(...first.subarray(0, count));
          queue.dropFirst(count);
          expect(budget.heldBytes).toBe(queue.bytes);
        }
        expect(taken).toEqual(sent);
      }),
    );
  });

  test("has nothing left when all was taken, and begins anew", () => {
    const chunk = Uint8Array.of(1, 2, 3, 4);
    const queue = new ByteQueue();
    queue.push(chunk, 0, 2);
    queue.drainTo(socketTaking([]));
    const pieces: number[][] = [];
    const note = (piece: Uint8Array, start: number, end: number) =>
      void pieces.push([...piece.subarray(start, end)]);
    queue.visit(note);
    queue.feed({ push: note });
    expect(pieces).toEqual([]);
    queue.push(chunk, 2, 4);
    queue.feed({ push: note });
    expect([pieces, queue.bytes]).toEqual([[[3, 4]], 2]);
  });

  test("says so when the socket is closed, and keeps its bytes", () => {
    const queue = new ByteQueue();
    queue.push(Uint8Array.of(1, 2), 0, 2);
    expect(queue.drainTo(socketTaking([-1]))).toBe(false);
    expect(queue.bytes).toBe(2);
  });

  test("is empty after clear", () => {
    const queue = new ByteQueue();
    queue.push(Uint8Array.of(1), 0, 1);
    queue.clear();
    expect(queue.bytes).toBe(0);
    expect(queue.join().length).toBe(0);
  });
});

describe("an outbox", () => {
  test("writes at once what the socket takes and keeps the rest in order", () => {
    const socket = socketTaking([2, 0]);
    const outbox = new Outbox(socket);
    outbox.write(Uint8Array.of(1, 2, 3), 0, 3);
    outbox.write(Uint8Array.of(0, 4, 5), 1, 3);
    expect(socket.taken).toEqual([1, 2]);
    expect(outbox.flush()).toBe(false);
    expect(outbox.flush()).toBe(true);
    expect(socket.taken).toEqual([1, 2, 3, 4, 5]);
  });

  test("joins small pieces into one write", () => {
    const socket = socketTaking([]);
    const outbox = new Outbox(socket);
    outbox.push(Uint8Array.of(1), 0, 1);
    outbox.push(Uint8Array.of(2), 0, 1);
    expect(outbox.flush()).toBe(true);
    expect(socket.writes).toBe(1);
  });

  test("is high one byte above its mark, not at it", () => {
    const outbox = new Outbox(socketTaking([0]));
    outbox.write(new Uint8Array(OUTBOX_HIGH_WATER), 0, OUTBOX_HIGH_WATER);
    expect(outbox.isHigh).toBe(false);
    outbox.write(Uint8Array.of(1), 0, 1);
    expect(outbox.isHigh).toBe(true);
  });

  test("keeps everything when the socket says that it is closed: its owner hears of that by itself", () => {
    const outbox = new Outbox(socketTaking([-1]));
    outbox.write(Uint8Array.of(1, 2), 0, 2);
    expect(outbox.bytes).toBe(2);
    outbox.clear();
    expect(outbox.bytes).toBe(0);
  });
});

describe("a budget", () => {
  test("knows what all queues of it hold, whatever comes and goes", () => {
    const budget = new ByteBudget(1000);
    const queues = [new ByteQueue(budget), new ByteQueue(budget)];
    const step = fc.record({
      queue: fc.nat(1),
      bytes: fc.nat(100),
      verb: fc.constantFrom("push", "drain", "join", "clear"),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        for (const { queue: index, bytes, verb } of steps) {
          const queue = queues[index] as ByteQueue;
          if (verb === "push") queue.push(new Uint8Array(bytes), 0, bytes);
          else if (verb === "drain") queue.drainTo({ write: (piece) => Math.min(piece.length, bytes) });
          else queue[verb]();
          expect(budget.heldBytes).toBe(queues.reduce((sum, each) => sum + each.bytes, 0));
        }
      }),
    );
  });

  test("is spent above its limit, tight above half of it, and counts for its parent", () => {
    const parent = new ByteBudget(200);
    const [one, other] = [new ByteBudget(100, parent), new ByteBudget(1000, parent)];
    const seen = () => [one.isTight, one.isSpent, other.isTight, other.isSpent];
    one.hold(50);
    expect(seen()).toEqual([false, false, false, false]);
    one.hold(50);
    expect(seen()).toEqual([true, false, false, false]);
    one.hold(1);
    expect(seen()).toEqual([true, true, true, false]);
    other.hold(100);
    expect(seen()).toEqual([true, true, true, true]);
    one.release(101);
    expect([seen(), parent.heldBytes]).toEqual([[false, false, false, false], 100]);
  });

  test("has an outbox pause its source at the first byte that waits, when it is tight", () => {
    const budget = new ByteBudget(100);
    const outbox = new Outbox(socketTaking([0, 0]), budget);
    outbox.write(new Uint8Array(50), 0, 50);
    expect(outbox.isHigh).toBe(false);
    budget.hold(1);
    expect(outbox.isHigh).toBe(true);
    outbox.clear();
    expect([outbox.isHigh, budget.heldBytes]).toEqual([false, 1]);
  });
});

describe("a small part of a large chunk", () => {
  const kept = (queue: ByteQueue) => {
    let bytes = 0;
    queue.visit(({ buffer }) => {
      bytes += buffer.byteLength;
    });
    return bytes;
  };

  test("is copied, so that it does not keep the chunk; a large part is not", () => {
    const queue = new ByteQueue();
    queue.push(new Uint8Array(512 * 1024), 1000, 1010);
    expect(kept(queue)).toBe(10);
    queue.push(new Uint8Array(512 * 1024), 0, 256 * 1024);
    expect(kept(queue)).toBe(10 + 512 * 1024);
  });

  test("is copied, too, when it is what a socket has left of it", () => {
    const queue = new ByteQueue();
    queue.push(new Uint8Array(512 * 1024), 0, 512 * 1024);
    queue.drainTo({ write: (piece) => piece.length - 100 });
    expect([queue.bytes, kept(queue)]).toEqual([100, 100]);
  });
});

test("a queue that was cleared has nothing to write, and begins anew", () => {
  const queue = new ByteQueue();
  queue.push(new Uint8Array(10), 4, 8);
  queue.clear();
  const written: number[] = [];
  const socket = {
    write(bytes: Uint8Array) {
      written.push(bytes.length);
      return bytes.length;
    },
  };
  expect([queue.drainTo(socket), written, queue.first.length]).toEqual([true, [], 0]);
  queue.push(new Uint8Array([1, 2, 3]), 0, 3);
  expect([queue.drainTo(socket), written, queue.bytes]).toEqual([true, [3], 0]);
});
