import type { FileSink } from "bun";
import type { ByteBudget } from "../base/byte-budget.ts";
import { ByteQueue } from "../base/byte-queue.ts";
import { closeFd } from "../base/libc.ts";
import { isShortage, SHORTAGE_MS } from "../base/shortage.ts";

/** Writes into a pipe in order and never blocks: what its reader has not taken waits here; the owner keeps the limit. */
export class PipeWriter {
  readonly #fd: number;
  /** Made for the first byte: most requests have none. */
  #sink: FileSink | undefined;
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
    if (this.#sink) Promise.resolve(this.#sink.end()).then(close, close);
    else close();
  }

  /** One piece after the other: the sink never settles where a second one comes while the first is on its way (Bun 1.4.5). */
  async #writeAll(): Promise<void> {
    try {
      while (this.#queue.bytes > 0) {
        const piece = this.#queue.join();
        this.#queue.clear();
        this.#writing = piece.length;
        await this.#writePiece(piece);
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

  /** The runtime writes to a duplicate of the descriptor (Bun 1.4.5): where there is none left, it is tried again. */
  async #writePiece(piece: Uint8Array): Promise<void> {
    for (;;) {
      try {
        this.#sink ??= Bun.file(this.#fd).writer();
        await Promise.all([this.#sink.write(piece), this.#sink.flush()]);
        return;
      } catch (error) {
        if (this.#sink || !isShortage(error)) throw error;
        await Bun.sleep(SHORTAGE_MS);
        if (this.#phase === "closed") return;
      }
    }
  }
}
