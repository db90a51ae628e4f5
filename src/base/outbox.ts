import type { ByteBudget } from "./byte-budget.ts";
import { ByteQueue, type WritableSocket } from "./byte-queue.ts";

/** Above this many waiting bytes the source should be paused until the outbox is empty. */
export const OUTBOX_HIGH_WATER = 256 * 1024;
/** Small pieces are joined up to this size: a copy is cheaper than a system call. */
const JOIN_BELOW = 16 * 1024;

/** What a socket did not take at once, in order. Bun itself buffers nothing. */
export class Outbox {
  readonly #socket: WritableSocket;
  readonly #queue: ByteQueue;
  readonly #budget: ByteBudget | undefined;

  /** What waits is held of `budget`: its owner must end with `clear()`. */
  constructor(socket: WritableSocket, budget?: ByteBudget) {
    this.#socket = socket;
    this.#queue = new ByteQueue(budget);
    this.#budget = budget;
  }

  get bytes(): number {
    return this.#queue.bytes;
  }

  /** Whether so much waits that its source should pause: where all together hold much already, anything. */
  get isHigh(): boolean {
    const { bytes } = this.#queue;
    return bytes > OUTBOX_HIGH_WATER || (bytes > 0 && (this.#budget?.isTight ?? false));
  }

  /** Sends `chunk[start, end)` now or later; by reference, so it must not change. */
  write(chunk: Uint8Array, start: number, end: number): void {
    if (this.#queue.bytes > 0) {
      this.#queue.push(chunk, start, end);
      return;
    }
    const bytes = start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end);
    const taken = Math.max(0, this.#socket.write(bytes));
    if (taken < bytes.length) this.#queue.push(chunk, start + taken, end);
  }

  /** Adds without writing yet: several pieces leave in one `flush()`. */
  push(chunk: Uint8Array, start: number, end: number): void {
    this.#queue.push(chunk, start, end);
  }

  /** Writes what the socket takes. True when nothing is left. */
  flush(): boolean {
    if (this.#queue.bytes === 0) return true;
    if (this.#queue.bytes <= JOIN_BELOW) this.#queue.gather();
    this.#queue.drainTo(this.#socket);
    return this.#queue.bytes === 0;
  }

  /** Forgets what waits; the socket is gone. */
  clear(): void {
    this.#queue.clear();
  }
}
