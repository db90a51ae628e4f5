import { latin1 } from "../fcgi/params.ts";

/** A longer header is read no further: what it says up to here counts. */
const MAX_HEADER_BYTES = 64 * 1024;
const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

/** What the header of an answer comes to, and how long its body is; fed with the content of its STDOUT records. */
export class AnswerWatch {
  bodyBytes = 0;
  /** The header up to its empty line, as far as it came. */
  #header = "";
  #isHeaderComplete = false;

  /** What the program's header says, as a web server reads it (RFC 3875 §6.3); undefined before the header is complete. */
  get status(): number | undefined {
    if (!this.#isHeaderComplete) return undefined;
    // The program of an old CGI habit writes the whole HTTP header.
    const status = this.header("status") ?? /^HTTP\/\S+ +(\d{3})/.exec(this.#header)?.[1];
    const code = /^\d{3}/.exec(status ?? "")?.[0];
    if (code !== undefined) return Number(code);
    return this.header("location") === undefined ? 200 : 302;
  }

  /** The value of a header field, its name in small letters; a character a byte. */
  header(name: string): string | undefined {
    for (const line of this.#header.split("\n")) {
      const colon = line.indexOf(":");
      if (colon === name.length && line.slice(0, colon).toLowerCase() === name)
        return line.slice(colon + 1).trim();
    }
    return undefined;
  }

  push(chunk: Uint8Array, start: number, end: number): void {
    if (this.#isHeaderComplete) this.bodyBytes += end - start;
    else this.#readHeader(chunk, start, end);
  }

  #readHeader(chunk: Uint8Array, start: number, end: number): void {
    // An empty line may begin in the piece before.
    let isLineEmpty = /(?:^|\n)\r?$/.test(this.#header);
    for (let lineStart = start; lineStart < end; ) {
      const newline = chunk.indexOf(NEWLINE, lineStart);
      if (newline === -1 || newline >= end) break;
      const length = newline - lineStart;
      const isBare = length === 0 || (length === 1 && chunk[lineStart] === CARRIAGE_RETURN);
      if (isBare && (isLineEmpty || lineStart > start)) {
        this.#header += latin1(chunk, start, newline);
        this.#isHeaderComplete = true;
        this.bodyBytes += end - newline - 1;
        return;
      }
      isLineEmpty = false;
      lineStart = newline + 1;
    }
    this.#header += latin1(chunk, start, end);
    if (this.#header.length > MAX_HEADER_BYTES) this.#isHeaderComplete = true;
  }
}
