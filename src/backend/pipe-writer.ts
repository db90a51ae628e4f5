import { writeSync } from "node:fs";
import type { ByteBudget } from "../base/byte-budget.ts";
import { ByteQueue } from "../base/byte-queue.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { errnoOf } from "../base/errors.ts";
import { closeFd, setNonBlocking } from "../base/libc.ts";
import { PIPE_BYTES, type PipeCalls, type PipeHolder, type PipeTaken } from "./pipes.ts";

/**
 * How often it is seen whether what waits is given up, once nobody waits for it any more: after so long without a byte that was taken; much sooner
 * where the process has ended that it was meant for: what it has started holds the pipe often, and reads it seldom.
 */
const LOOK_MS = 250;
const LEFT_MS = 10 * 60_000;
const ENDED_MS = 2000;
/** A full pipe is left alone for so long: its reader takes a page at a time, and a call in a thread for each would cost more than all the rest. */
const FULL_MS = 1;

/** Writes into a pipe in order and never blocks: what its reader has not taken waits here; the owner keeps the limit. */
export class PipeWriter {
  readonly #fd: number;
  readonly #holder: PipeHolder;
  readonly #calls: PipeCalls;
  readonly #clock: Clock;
  readonly #onDrain: () => void;
  readonly #queue: ByteQueue;
  readonly #buffers: ByteBudget;
  /** Nobody else has the pipe yet, so that nobody holds a call up. */
  #isPrivate = true;
  /** It waits for room, or for a call to come back. */
  #isSending = false;
  #isAtWork = false;
  #full: Timer | undefined;
  #look: Timer | undefined;
  /** ending: nothing follows what waits. */
  #phase: "open" | "ending" | "closed" = "open";
  /** Nobody waits for what is read any more; when the last byte was taken, since then. */
  #leftAt: number | undefined;
  #leftMs = LEFT_MS;

  /** Takes over the writing end of a pipe. What waits is held of `buffers`. `onDrain`: what had to wait does so no more. */
  constructor(
    fd: number,
    holder: PipeHolder,
    calls: PipeCalls,
    buffers: ByteBudget,
    clock: Clock,
    onDrain: () => void,
  ) {
    this.#fd = fd;
    this.#holder = holder;
    this.#calls = calls;
    this.#buffers = buffers;
    this.#clock = clock;
    this.#onDrain = onDrain;
    this.#queue = new ByteQueue(buffers);
  }

  /** Bytes that were not taken yet. */
  get waiting(): number {
    return this.isClosed ? 0 : this.#queue.bytes;
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
    // From now on it is seen whether it is read.
    if (this.waiting === 0 && this.isOutlived) this.#leftAt = this.#clock.now();
    const taken = this.#isPrivate && this.waiting === 0 ? writeHere(this.#fd, chunk.subarray(start, end)) : 0;
    this.#queue.push(chunk, start + taken, end);
    if (!this.#isPrivate) this.#send();
    if (this.isOutlived) this.#lookLater();
  }

  /** Somebody gets the other end now. */
  share(): void {
    this.#isPrivate = false;
    this.#send();
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
    this.#lookLater();
  }

  /** The same, and nothing more comes: what was sent to its end is still brought to whoever reads it, something begun is broken off. */
  leave(): void {
    this.outlive();
    if (this.#phase === "open") this.close();
  }

  close(): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#look?.cancel();
    this.#full?.cancel();
    // What a call is at work with is held until that has come back.
    if (!this.#isAtWork) this.#queue.clear();
    if (this.#isPrivate) closeFd(this.#fd);
    else this.#calls.close(this.#fd, this.#holder);
  }

  #send(): void {
    if (this.#isSending || this.waiting === 0) return;
    this.#isSending = true;
    this.#awaitRoom();
  }

  #awaitRoom(): void {
    this.#calls.awaitRoom(this.#fd, () => {
      this.#isAtWork = true;
      // A copy is cheaper than a call in a thread.
      if (this.#queue.first.length < PIPE_BYTES) this.#queue.gather();
      const { first } = this.#queue;
      this.#calls.write(this.#fd, this.#holder, first, (taken) => this.#onTaken(taken, first.length));
    });
  }

  #onTaken(taken: PipeTaken, given: number): void {
    this.#isAtWork = false;
    if (this.#phase === "closed") {
      this.#queue.clear();
      return;
    }
    if (taken === "gone") this.close();
    else if (taken > 0) {
      this.#queue.dropFirst(taken);
      if (this.#leftAt !== undefined) this.#leftAt = this.#clock.now();
    }
    if (this.waiting > 0 && taken !== given) this.#full = this.#clock.after(FULL_MS, () => this.#awaitRoom());
    else if (this.waiting > 0) this.#awaitRoom();
    else {
      this.#isSending = false;
      if (this.#phase === "ending") this.close();
      this.#onDrain();
    }
  }

  #lookLater(): void {
    if (this.#look || this.waiting === 0) return;
    this.#look = this.#clock.after(LOOK_MS, () => {
      this.#look = undefined;
      if (this.waiting > 0 && this.#isForgotten()) {
        this.close();
        this.#onDrain();
      } else this.#lookLater();
    });
  }

  #isForgotten(): boolean {
    if (this.#leftAt === undefined) return false;
    // Others have better use for the room.
    if (this.#leftMs === ENDED_MS && this.#buffers.isTight) return true;
    return this.#clock.now() - this.#leftAt > this.#leftMs;
  }
}

/** Bytes that were taken: all that fits into a pipe that nobody else has. */
function writeHere(fd: number, bytes: Uint8Array): number {
  try {
    setNonBlocking(fd);
    return writeSync(fd, bytes);
  } catch (error) {
    if (errnoOf(error) === "EAGAIN") return 0;
    throw error;
  }
}
