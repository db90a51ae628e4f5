import type { Clock, Timer } from "../base/clock.ts";
import { hasSomething, isDrained } from "../base/libc.ts";
import type { PipeBytes, PipeCalls, PipeHolder } from "./pipes.ts";

/** What one read came to: bytes, or the end; `isLast`: nothing comes after it. */
export type PipeRead =
  | { readonly done: false; readonly value: Uint8Array; readonly isLast: boolean }
  | typeof ENDED;

const ENDED = { done: true, value: undefined, isLast: true } as const;

/** So much of one pipe is read in one turn of the event loop; then the others have their turn. */
const TURN_BYTES = 64 * 1024;
const TURN_READS = 8;

/**
 * The reading end of a pipe. Of a process that ends within a moment it is read at its end, all at once: to wait for its first bytes would cost as much as
 * the rest of a short request.
 */
export class PipeReader {
  readonly #fd: number;
  readonly #holder: PipeHolder;
  readonly #calls: PipeCalls;
  /** A read that waits. */
  #waiting: PromiseWithResolvers<PipeRead> | undefined;
  #timer: Timer | undefined;
  #phase: "young" | "old" | "cancelled" | "closed" = "young";
  /** A call has not come back yet. */
  #isAtWork = false;

  /** Takes over the reading end. It is read as it comes `oldAfterMs` from now; 0: at once. */
  constructor(fd: number, holder: PipeHolder, calls: PipeCalls, clock: Clock, oldAfterMs: number) {
    this.#fd = fd;
    this.#holder = holder;
    this.#calls = calls;
    if (oldAfterMs > 0) this.#timer = clock.after(oldAfterMs, () => this.#onOld());
    else this.#phase = "old";
  }

  /** Whether nothing has come: a call that is at work may bring something, however long it takes. */
  get isEmpty(): boolean {
    return !this.#isAtWork && !hasSomething(this.#fd);
  }

  /** The next bytes. One read after the other. Never rejects: a pipe that cannot be read any more has ended. */
  read(): Promise<PipeRead> {
    if (this.#phase === "cancelled" || this.#phase === "closed") return Promise.resolve(ENDED);
    const waiting = Promise.withResolvers<PipeRead>();
    this.#waiting = waiting;
    if (this.#phase === "old") this.#await();
    return waiting.promise;
  }

  /** The process that was given the other end has ended; whoever it has passed that on to may go on. */
  onWriterEnded(): void {
    if (this.#phase === "young") this.#onOld();
  }

  /** Ends the reading although somebody may still hold the other end. */
  cancel(): void {
    if (this.#phase === "closed") return;
    this.#phase = "cancelled";
    this.#timer?.cancel();
    this.#calls.forget(this.#fd);
    this.#settle(ENDED);
  }

  close(): void {
    if (this.#phase === "closed") return;
    this.cancel();
    this.#phase = "closed";
    this.#calls.close(this.#fd, this.#holder);
  }

  #onOld(): void {
    this.#timer?.cancel();
    this.#phase = "old";
    if (this.#waiting) this.#await();
  }

  #await(): void {
    this.#calls.awaitBytes(this.#fd, () => {
      this.#isAtWork = true;
      this.#calls.read(this.#fd, this.#holder, (bytes) => this.#onRead(bytes));
    });
  }

  #onRead(bytes: PipeBytes): void {
    this.#isAtWork = false;
    if (this.#phase === "cancelled" || this.#phase === "closed") return;
    if (bytes === "later") this.#await();
    else if (bytes === "end") this.#settle(ENDED);
    else this.#settle({ done: false, value: bytes, isLast: isDrained(this.#fd) });
  }

  #settle(read: PipeRead): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(read);
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
