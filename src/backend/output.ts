import type { Clock } from "../base/clock.ts";
import { OutputLines, type OutputSink } from "./output-lines.ts";
import { PipeReader, ReadTurns } from "./pipe-reader.ts";
import type { PipeCalls, PipeHolder } from "./pipes.ts";

/**
 * Reads a pipe to its end, line by line. Somebody must always read: a program freezes when nobody takes
 * what it prints (a pipe holds 64 KiB).
 */
export class OutputReader {
  readonly #reader: PipeReader;
  readonly #lines: OutputLines;
  /** Settles when the pipe has ended. Never rejects. */
  readonly ended: Promise<void>;

  /** Takes over the reading end of a pipe and closes it when done. `oldAfterMs`: see PipeReader. */
  constructor(
    readFd: number,
    holder: PipeHolder,
    calls: PipeCalls,
    sink: OutputSink,
    clock: Clock,
    oldAfterMs = 0,
  ) {
    this.#lines = new OutputLines(sink);
    this.#reader = new PipeReader(readFd, holder, calls, clock, oldAfterMs);
    this.ended = this.#readAll().finally(() => this.#reader.close());
  }

  /** Ends the reading although somebody may still hold the other end. */
  cancel(): void {
    this.#reader.cancel();
  }

  /** The process that prints has ended. */
  onWriterEnded(): void {
    this.#reader.onWriterEnded();
  }

  async #readAll(): Promise<void> {
    const turns = new ReadTurns();
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) break;
      this.#lines.push(value);
      if (turns.isOver(value.length)) await turns.next();
    }
    this.#lines.end();
  }
}
