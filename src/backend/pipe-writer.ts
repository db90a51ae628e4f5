import { writeSync } from "node:fs";
import type { ByteBudget } from "../base/byte-budget.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { errnoOf } from "../base/errors.ts";
import { closeFd, setNonBlocking } from "../base/libc.ts";
import { Outbox } from "../base/outbox.ts";

/**
 * How soon a full pipe is tried again, at first and at the most: a program that reads gets 64 KiB (pipe(7)) each time, one that does not costs little.
 * The runtime's own writer waits for the reader also when it is told to end (Bun 1.4.5): what a program leaves behind may hold a pipe for ever.
 */
const FIRST_RETRY_MS = 1;
const LAST_RETRY_MS = 16;
/**
 * And how seldom when nobody waits for it any more. After so long without a byte that was taken it is given up; much sooner where the process has ended
 * that it was meant for: what it has started holds the pipe often, and reads it seldom.
 */
const LEFT_RETRY_MS = 250;
const LEFT_MS = 10 * 60_000;
const ENDED_MS = 2000;

/** Writes into a pipe in order and never blocks: what its reader has not taken waits here; the owner keeps the limit. */
export class PipeWriter {
  readonly #fd: number;
  readonly #clock: Clock;
  readonly #onDrain: () => void;
  /** Made for the first byte: most requests have none. */
  #outbox: Outbox | undefined;
  readonly #buffers: ByteBudget;
  #retry: Timer | undefined;
  #retryMs = FIRST_RETRY_MS;
  /** Nobody reads any more. */
  #isBroken = false;
  /** ending: nothing follows what waits. */
  #phase: "open" | "ending" | "closed" = "open";
  /** Nobody waits for what is read any more; when the last byte was taken, since then. */
  #leftAt: number | undefined;
  #leftMs = LEFT_MS;

  /** Takes over the writing end of a pipe. What waits is held of `buffers`. `onDrain`: what had to wait does so no more. */
  constructor(fd: number, buffers: ByteBudget, clock: Clock, onDrain: () => void) {
    this.#fd = fd;
    this.#buffers = buffers;
    this.#clock = clock;
    this.#onDrain = onDrain;
  }

  /** Bytes that were not taken yet. */
  get waiting(): number {
    return this.#outbox?.bytes ?? 0;
  }

  get isClosed(): boolean {
    return this.#phase === "closed";
  }

  /** Whether nobody waits any more for what is read. */
  get isOutlived(): boolean {
    return this.#leftAt !== undefined;
  }

  /** By reference. Dropped when the reader has gone, or after end(). */
  write(chunk: Uint8Array, start: number, end: number): void {
    if (this.#phase !== "open") return;
    if (!this.#outbox) {
      setNonBlocking(this.#fd);
      this.#outbox = new Outbox({ write: (bytes) => this.#writeNow(bytes) }, this.#buffers);
    }
    this.#outbox.write(chunk, start, end);
    if (this.#isBroken) this.close();
    else if (this.waiting > 0) this.#awaitRoom();
  }

  /** Closes the pipe when all was taken. */
  end(): void {
    if (this.#phase !== "open") return;
    this.#phase = "ending";
    if (this.waiting === 0) this.close();
  }

  /** The process that was given the other end has ended; whoever it has passed that on to may read on. */
  onReaderEnded(): void {
    this.#leftMs = ENDED_MS;
    if (this.#leftAt !== undefined) this.#leftAt = this.#clock.now();
  }

  /** Nobody waits any more for what is read. */
  outlive(): void {
    this.#leftAt ??= this.#clock.now();
  }

  /** The same, and nothing more comes: what was sent to its end is still brought to whoever reads it, something begun is broken off. */
  leave(): void {
    this.outlive();
    if (this.#phase === "open") this.close();
  }

  /** Closes the pipe now. */
  close(): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#retry?.cancel();
    this.#outbox?.clear();
    closeFd(this.#fd);
  }

  #awaitRoom(): void {
    this.#retry ??= this.#clock.after(this.#retryMs, () => {
      this.#retry = undefined;
      const before = this.waiting;
      const isDone = this.#outbox?.flush() ?? true;
      const isTaken = this.waiting < before;
      const lastMs = this.#leftAt === undefined ? LAST_RETRY_MS : LEFT_RETRY_MS;
      this.#retryMs = isTaken ? FIRST_RETRY_MS : Math.min(lastMs, 2 * this.#retryMs);
      if (!isDone && !this.#isBroken && !this.#isForgotten(isTaken)) this.#awaitRoom();
      else {
        if (!isDone || this.#isBroken || this.#phase === "ending") this.close();
        this.#onDrain();
      }
    });
  }

  #isForgotten(isTaken: boolean): boolean {
    if (this.#leftAt === undefined) return false;
    const now = this.#clock.now();
    if (isTaken) this.#leftAt = now;
    // Others have better use for the room.
    if (this.#leftMs === ENDED_MS && this.#buffers.isTight) return true;
    return now - this.#leftAt > this.#leftMs;
  }

  /** As a socket does: bytes taken, 0 where there is no room, -1 where nobody reads. */
  #writeNow(bytes: Uint8Array): number {
    try {
      return writeSync(this.#fd, bytes);
    } catch (error) {
      if (errnoOf(error) === "EAGAIN") return 0;
      // EPIPE: the reader does not want the rest.
      this.#isBroken = true;
      return -1;
    }
  }
}
