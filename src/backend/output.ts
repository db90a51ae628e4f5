import { closeFd } from "../base/libc.ts";

/** A longer line is logged in pieces of this size, so that no text is lost and none grows without limit. */
const MAX_LINE_BYTES = 8192;
const NEWLINE = 10;

/** Takes what a program prints. */
export interface OutputSink {
  /** Whether the next line is wanted; asked once a line. */
  wantsLine(): boolean;
  /** A finished line, without its newline. */
  onLine(line: string): void;
}

/**
 * Reads a pipe to its end, line by line. Somebody must always read: a program freezes when nobody takes
 * what it prints (a pipe holds 64 KiB).
 */
export class OutputReader {
  readonly #reader: ReturnType<typeof readerOf>;
  readonly #sink: OutputSink;
  readonly #decoder = new TextDecoder();
  /** Whether the line in progress is wanted; undefined between two lines. */
  #isWanted: boolean | undefined;
  #rest: Uint8Array[] = [];
  #restBytes = 0;
  /** Settles when the pipe has ended. Never rejects. */
  readonly ended: Promise<void>;

  /** Takes over the reading end of a pipe and closes it when done. */
  constructor(readFd: number, sink: OutputSink) {
    this.#sink = sink;
    this.#reader = readerOf(readFd);
    this.ended = this.#readAll().finally(() => closeFd(readFd));
  }

  /** Ends the reading although somebody may still hold the other end. */
  cancel(): void {
    this.#reader.cancel().catch(() => {});
  }

  async #readAll(): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (done) break;
        this.#split(value);
      }
    } catch {
      // A pipe that cannot be read any more has ended.
    }
    const isOpen = this.#restBytes > 0;
    const last = this.#takeRest(true);
    if (isOpen || last !== "") this.#sink.onLine(last);
  }

  #split(chunk: Uint8Array): void {
    let start = 0;
    while (start < chunk.length) {
      const newline = chunk.indexOf(NEWLINE, start);
      const lineEnd = newline === -1 ? chunk.length : newline;
      this.#isWanted ??= this.#sink.wantsLine();
      // A flood is not copied, and not decoded.
      const end = this.#isWanted ? Math.min(lineEnd, start + MAX_LINE_BYTES - this.#restBytes) : lineEnd;
      const isWhole = end === newline;
      if (this.#isWanted) this.#take(chunk.slice(start, end), isWhole);
      if (isWhole) this.#isWanted = undefined;
      start = isWhole ? end + 1 : end;
    }
  }

  #take(bytes: Uint8Array, isWhole: boolean): void {
    this.#rest.push(bytes);
    this.#restBytes += bytes.length;
    if (isWhole || this.#restBytes >= MAX_LINE_BYTES) this.#sink.onLine(this.#takeRest(isWhole));
  }

  /** With a line that goes on, the decoder keeps a character that is not complete. */
  #takeRest(isWhole: boolean): string {
    const bytes = this.#rest.length === 1 ? (this.#rest[0] as Uint8Array) : Buffer.concat(this.#rest);
    this.#rest = [];
    this.#restBytes = 0;
    const text = this.#decoder.decode(bytes, { stream: !isWhole });
    return isWhole ? text.replace(/\r$/, "") : text;
  }
}

function readerOf(fd: number) {
  return Bun.file(fd).stream().getReader();
}
