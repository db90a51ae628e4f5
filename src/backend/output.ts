import { closeFd } from "../base/libc.ts";
import { OutputLines, type OutputSink } from "./output-lines.ts";

/** So much of one program's output is read in one turn of the event loop; then the others have their turn. */
const TURN_BYTES = 64 * 1024;
const TURN_READS = 8;

/**
 * Reads a pipe to its end, line by line. Somebody must always read: a program freezes when nobody takes
 * what it prints (a pipe holds 64 KiB).
 */
export class OutputReader {
  readonly #reader: ReturnType<typeof readerOf>;
  readonly #lines: OutputLines;
  /** Settles when the pipe has ended. Never rejects. */
  readonly ended: Promise<void>;

  /** Takes over the reading end of a pipe and closes it when done. */
  constructor(readFd: number, sink: OutputSink) {
    this.#lines = new OutputLines(sink);
    this.#reader = readerOf(readFd);
    this.ended = this.#readAll().finally(() => closeFd(readFd));
  }

  /** Ends the reading although somebody may still hold the other end. */
  cancel(): void {
    this.#reader.cancel().catch(() => {});
  }

  async #readAll(): Promise<void> {
    const turns = new ReadTurns();
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (done) break;
        this.#lines.push(value);
        if (turns.isOver(value.length)) await turns.next();
      }
    } catch {
      // A pipe that cannot be read any more has ended.
    }
    this.#lines.end();
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

function readerOf(fd: number) {
  return Bun.file(fd).stream().getReader();
}
