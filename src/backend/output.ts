import { closeFd } from "../base/libc.ts";

/** A longer line is logged in pieces of this size, so that no text is lost and none grows without limit. */
const MAX_LINE_BYTES = 8192;
const NEWLINE = 10;

/** Takes finished lines, without their newline. */
export type OnLine = (line: string) => void;

/**
 * Reads a pipe to its end, line by line. Somebody must always read: a program freezes when nobody takes
 * what it prints (a pipe holds 64 KiB).
 */
export class OutputReader {
  readonly #reader: ReturnType<typeof readerOf>;
  readonly #decoder = new TextDecoder();
  #rest: Uint8Array[] = [];
  #restBytes = 0;
  /** Settles when the pipe has ended. Never rejects. */
  readonly ended: Promise<void>;

  /** Takes over the reading end of a pipe and closes it when done. */
  constructor(readFd: number, onLine: OnLine) {
    this.#reader = readerOf(readFd);
    this.ended = this.#readAll(onLine).finally(() => closeFd(readFd));
  }

  /** Ends the reading although somebody may still hold the other end. */
  cancel(): void {
    this.#reader.cancel().catch(() => {});
  }

  async #readAll(onLine: OnLine): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (done) break;
        this.#split(value, onLine);
      }
    } catch {
      // A pipe that cannot be read any more has ended.
    }
    if (this.#restBytes > 0) onLine(this.#takeRest());
  }

  #split(chunk: Uint8Array, onLine: OnLine): void {
    let start = 0;
    while (start < chunk.length) {
      const newline = chunk.indexOf(NEWLINE, start);
      const lineEnd = newline === -1 ? chunk.length : newline;
      const end = Math.min(lineEnd, start + MAX_LINE_BYTES - this.#restBytes);
      this.#rest.push(chunk.slice(start, end));
      this.#restBytes += end - start;
      const isWhole = end === newline;
      if (isWhole || this.#restBytes >= MAX_LINE_BYTES) onLine(this.#takeRest());
      start = isWhole ? end + 1 : end;
    }
  }

  #takeRest(): string {
    const bytes = this.#rest.length === 1 ? (this.#rest[0] as Uint8Array) : Buffer.concat(this.#rest);
    this.#rest = [];
    this.#restBytes = 0;
    return this.#decoder.decode(bytes).replace(/\r$/, "");
  }
}

function readerOf(fd: number) {
  return Bun.file(fd).stream().getReader();
}
