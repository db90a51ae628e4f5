import type { FileSink } from "bun";
import type { ByteBudget } from "../base/byte-budget.ts";
import { ByteQueue } from "../base/byte-queue.ts";
import { closeFd } from "../base/libc.ts";

/** Writes into a pipe in order and never blocks: what its reader has not taken waits here; the owner keeps the limit. */
export class PipeWriter {
  readonly #fd: number;
  readonly #sink: FileSink;
  readonly #onDrain: () => void;
  readonly #queue: ByteQueue;
  /** On its way into the pipe. */
  #writing = 0;
  /** ending: nothing follows what waits. */
  #phase: "open" | "ending" | "closed" = "open";

  /** Takes over the writing end of a pipe. What waits is held of `buffers`. `onDrain`: nothing waits any more. */
  constructor(fd: number, buffers: ByteBudget, onDrain: () => void) {
    this.#queue = new ByteQueue(buffers);
    this.#fd = fd;
    this.#sink = Bun.file(fd).writer();
    this.#onDrain = onDrain;
  }

  /** Bytes that were not taken yet. */
  get waiting(): number {
    return this.#queue.bytes + this.#writing;
  }

  /** By reference. Dropped when the reader has gone, or after end(). */
  write(chunk: Uint8Array, start: number, end: number): void {
    if (this.#phase !== "open") return;
    this.#queue.push(chunk, start, end);
    if (this.#writing === 0) void this.#writeAll();
  }

  /** Closes the pipe when all was taken. */
  end(): void {
    if (this.#phase !== "open") return;
    this.#phase = "ending";
    if (this.waiting === 0) this.close();
  }

  /** Closes the pipe now. */
  close(): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#queue.clear();
    const close = () => closeFd(this.#fd);
    Promise.resolve(this.#sink.end()).then(close, close);
  }

  /** One piece after the other: the sink never settles where a second one comes while the first is on its way (Bun 1.4.5). */
  async #writeAll(): Promise<void> {
    try {
      while (this.#queue.bytes > 0) {
        const piece = this.#queue.join();
        this.#queue.clear();
        this.#writing = piece.length;
        await Promise.all([this.#sink.write(piece), this.#sink.flush()]);
        this.#writing = 0;
      }
    } catch {
      // EPIPE: the reader does not want the rest.
      this.#writing = 0;
      this.close();
    }
    if (this.#phase === "ending") this.close();
    this.#onDrain();
  }
}
