import { latin1 } from "../fcgi/params.ts";

/** A longer header is read no further: what it says up to here counts. */
const MAX_HEADER_BYTES = 64 * 1024;
const NO_BYTES = new Uint8Array(0);
const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

/** Room for a header at first. */
const USUAL_HEADER_BYTES = 512;

/** What has come of a line of the header. */
const NOTHING = 0;
const ONLY_RETURN = 1;
const SOMETHING = 2;

/** What the header of an answer comes to, and how long its body is; fed with the content of its STDOUT records. */
export class AnswerWatch {
  bodyBytes = 0;
  /** The header up to its empty line, as far as it came: the first `#length` bytes. */
  #bytes = new Uint8Array(USUAL_HEADER_BYTES);
  #length = 0;
  /** The same as text, when it is complete. */
  #header: string | undefined;
  #line = NOTHING;

  /** What the program's header says, as a web server reads it (RFC 3875 §6.3); undefined before the header is complete. */
  get status(): number | undefined {
    if (this.#header === undefined) return undefined;
    // The program of an old CGI habit writes the whole HTTP header.
    const status = this.header("status") ?? /^HTTP\/\S+ +(\d{3})/.exec(this.#header)?.[1];
    const code = /^\d{3}/.exec(status ?? "")?.[0];
    if (code !== undefined) return Number(code);
    return this.header("location") === undefined ? 200 : 302;
  }

  /** The value of a header field, its name in small letters; a character a byte. */
  header(name: string): string | undefined {
    for (const line of (this.#header ?? latin1(this.#bytes, 0, this.#length)).split("\n")) {
      const colon = line.indexOf(":");
      if (colon === name.length && line.slice(0, colon).toLowerCase() === name)
        return line.slice(colon + 1).trim();
    }
    return undefined;
  }

  push(chunk: Uint8Array, start: number, end: number): void {
    const bodyAt = this.#header === undefined ? this.#readHeader(chunk, start, end) : start;
    this.bodyBytes += end - bodyAt;
  }

  /** Where the body begins; `end` while it does not. Looks at each byte once, however small the pieces are. */
  #readHeader(chunk: Uint8Array, start: number, end: number): number {
    for (let at = start; at < end; at++) {
      const byte = chunk[at] as number;
      if (byte === NEWLINE && this.#line !== SOMETHING) {
        this.#complete();
        return at + 1;
      }
      if (byte === NEWLINE) this.#line = NOTHING;
      else this.#line = byte === CARRIAGE_RETURN && this.#line === NOTHING ? ONLY_RETURN : SOMETHING;
      if (this.#length === this.#bytes.length) this.#grow();
      this.#bytes[this.#length++] = byte;
    }
    if (this.#length > MAX_HEADER_BYTES) this.#complete();
    return end;
  }

  #complete(): void {
    this.#header = latin1(this.#bytes, 0, this.#length);
    this.#bytes = NO_BYTES;
  }

  #grow(): void {
    const larger = new Uint8Array(2 * this.#length);
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}
