import { readSync } from "node:fs";
import type { Clock, Timer } from "../base/clock.ts";
import { errnoOf } from "../base/errors.ts";
import { isDrained, setNonBlocking } from "../base/libc.ts";
import { isShortage, SHORTAGE_MS } from "../base/shortage.ts";

/** What one read came to: bytes, or the end; `isLast`: nothing comes after it. */
export type PipeRead =
  | { readonly done: false; readonly value: Uint8Array; readonly isLast: boolean }
  | typeof ENDED;

const ENDED = { done: true, value: undefined, isLast: true } as const;
/** A pipe holds no more (pipe(7)). */
const MOST_BYTES = 64 * 1024;
/** All reads of a turn go through it; what they bring is copied. */
const shared = new Uint8Array(MOST_BYTES);

/** So much of one pipe is read in one turn of the event loop; then the others have their turn. */
const TURN_BYTES = 64 * 1024;
const TURN_READS = 8;

/**
 * The reading end of a pipe, which stays the caller's. Of a process that ends within a moment it is read at its end, all at once; of others by a stream
 * of the runtime.
 */
export class PipeReader {
  readonly #fd: number;
  readonly #clock: Clock;
  #stream: ReturnType<typeof streamOf> | undefined;
  /** A read that waits for either. */
  #waiting: PromiseWithResolvers<PipeRead> | undefined;
  #timer: Timer | undefined;
  #phase: "young" | "writer ended" | "streamed" | "cancelled" = "young";
  #isNonBlocking = false;

  /** It becomes a stream `streamAfterMs` from now, which costs as much as the rest of a short request; 0: at once. */
  constructor(fd: number, clock: Clock, streamAfterMs: number) {
    this.#fd = fd;
    this.#clock = clock;
    if (streamAfterMs > 0) this.#timer = clock.after(streamAfterMs, () => this.#onOld());
    else this.#phase = "streamed";
  }

  /** The next bytes. One read after the other. Never rejects: a pipe that cannot be read any more has ended. */
  read(): Promise<PipeRead> {
    switch (this.#phase) {
      case "young":
        this.#waiting = Promise.withResolvers();
        return this.#waiting.promise;
      case "writer ended":
        return this.#readNow();
      case "streamed":
        return this.#readStream();
      case "cancelled":
        return Promise.resolve(ENDED);
    }
  }

  /** The process that was given the other end has ended; whoever it has passed that on to may go on. */
  onWriterEnded(): void {
    if (this.#phase === "young") this.#goOn("writer ended");
  }

  /** Ends the reading although somebody may still hold the other end. */
  cancel(): void {
    this.#stream?.cancel().catch(() => {});
    this.#goOn("cancelled");
  }

  #onOld(): void {
    if (this.#phase === "young") this.#goOn("streamed");
  }

  #goOn(phase: "writer ended" | "streamed" | "cancelled"): void {
    this.#timer?.cancel();
    this.#phase = phase;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(this.read());
  }

  async #readNow(): Promise<PipeRead> {
    try {
      if (!this.#isNonBlocking) setNonBlocking(this.#fd);
      this.#isNonBlocking = true;
      const length = readSync(this.#fd, shared);
      if (length === 0) return ENDED;
      return { done: false, value: shared.slice(0, length), isLast: isDrained(this.#fd) };
    } catch (error) {
      if (errnoOf(error) !== "EAGAIN") return ENDED;
      // Somebody else still holds the other end.
      this.#phase = "streamed";
      return await this.#readStream();
    }
  }

  async #readStream(): Promise<PipeRead> {
    for (;;) {
      try {
        this.#stream ??= streamOf(this.#fd);
        const { done, value } = await this.#stream.read();
        return done ? ENDED : { done, value, isLast: false };
      } catch (error) {
        // The runtime reads a duplicate of the descriptor (Bun 1.4.5).
        if (this.#stream || !isShortage(error)) return ENDED;
        await new Promise<void>((resolve) => void this.#clock.after(SHORTAGE_MS, resolve));
        if (this.#phase === "cancelled") return ENDED;
      }
    }
  }
}

/** How much is read of one pipe before the event loop goes on: reads that are done at once would never let it. */
export class ReadTurns {
  #bytes = 0;
  #reads = 0;

  /** Counts a read. Whether it was the last one of this turn. */
  isOver(bytes: number): boolean {
    this.#bytes += bytes;
    return ++this.#reads >= TURN_READS || this.#bytes >= TURN_BYTES;
  }

  /** Settles in the next turn. */
  async next(): Promise<void> {
    this.#bytes = 0;
    this.#reads = 0;
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
}

function streamOf(fd: number) {
  return Bun.file(fd).stream().getReader();
}
