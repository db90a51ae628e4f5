import { latin1 } from "../fcgi/params.ts";

/** A field name and a colon, or the status line of a program that writes the whole header itself (RFC 3875 §5 and §6.2). */
const HEADER_START = /^(?:[!-9;-~]+:|HTTP\/)/;
const STATUS_LINE = /^HTTP\/[0-9](?:\.[0-9])? ([1-9][0-9]{2})(?: (.*))?$/;
const NEWLINE = 10;
const RETURN = 13;
/** A longer first line is none of a header. */
const MAX_LINE_BYTES = 8192;
/** A longer header is handed on as it comes: no web server takes it. */
const MAX_HEADER_BYTES = 64 * 1024;
const TOLD_CHARACTERS = 200;
const NO_BYTES = new Uint8Array(0);

/**
 * The header of what a CGI program prints: held until it is complete. A status line such as NPH scripts write becomes `Status:`, as everybody
 * behind FastCGI expects it; answers 1xx before the real one are left out.
 */
export class CgiHead {
  /** What is held is `#bytes[0, #length)`. It grows by doubling, and nothing is looked at twice: a header may come in very many pieces. */
  #bytes: Uint8Array = NO_BYTES;
  #length = 0;
  /** Where the first line ends; -1 before it does. */
  #lineEnd = -1;
  /** The last newline that was found, and where the search for the next one goes on. */
  #newline = -1;
  #searched = 0;
  #isComplete = false;
  #problem: string | undefined;

  /** Whether the program has printed something. */
  get hasBegun(): boolean {
    return this.#isComplete || this.#length > 0;
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Why it can be no header; undefined as long as it may be one. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** What is wrong with output that ends here, before its header does. */
  get problemAtEnd(): string {
    if (this.#length === 0) return "printed nothing";
    return `printed no whole header: its first line is ${this.#firstLine()}`;
  }

  /** The next bytes of the output. The header, and what follows it, when that is complete; undefined until then, and where it is none. */
  push(bytes: Uint8Array): Uint8Array | undefined {
    this.#add(bytes);
    for (;;) {
      if (this.#lineEnd === -1 && !this.#findLine()) {
        return this.#lineEnd === -1 && this.#length <= MAX_LINE_BYTES ? undefined : this.#fail();
      }
      const headerEnd = this.#findEnd();
      if (headerEnd === undefined && this.#length <= MAX_HEADER_BYTES) return undefined;
      const line = this.#line();
      if (!line.startsWith("HTTP/")) return this.#complete(this.#held(0));
      const [, code = "", reason = ""] = STATUS_LINE.exec(line) ?? [];
      if (code === "" || headerEnd === undefined) return this.#fail();
      if (!code.startsWith("1")) {
        const status = Buffer.from(`Status: ${code} ${reason}`.trimEnd(), "latin1");
        const hasReturn = this.#bytes[this.#lineEnd - 1] === RETURN;
        const rest = this.#held(hasReturn ? this.#lineEnd - 1 : this.#lineEnd);
        return this.#complete(Buffer.concat([status, rest]));
      }
      this.#hold(this.#held(headerEnd));
    }
  }

  #add(bytes: Uint8Array): void {
    if (this.#length === 0) {
      this.#hold(bytes);
      return;
    }
    const length = this.#length + bytes.length;
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(2 * length);
      larger.set(this.#held(0));
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = length;
  }

  /** Begins with these bytes, which may be somebody's: what comes next is put behind a copy. */
  #hold(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#length = bytes.length;
    this.#lineEnd = -1;
    this.#newline = -1;
    this.#searched = 0;
  }

  #held(from: number): Uint8Array {
    return this.#bytes.subarray(from, this.#length);
  }

  /** Looks for the end of the first line. Whether it has come, and is one of a header. */
  #findLine(): boolean {
    this.#lineEnd = this.#nextNewline();
    return this.#lineEnd !== -1 && HEADER_START.test(this.#line());
  }

  #line(): string {
    return latin1(this.#bytes, 0, this.#lineEnd).replace(/\r$/, "");
  }

  /** Where the first empty line ends; undefined: it has not come. */
  #findEnd(): number | undefined {
    do {
      const next = this.#bytes[this.#newline + 1] === RETURN ? this.#newline + 2 : this.#newline + 1;
      if (next >= this.#length) return undefined;
      if (this.#bytes[next] === NEWLINE) return next + 1;
    } while (this.#nextNewline() !== -1);
    return undefined;
  }

  /** The next newline; -1: it has not come, and the last one stays. */
  #nextNewline(): number {
    const found = this.#held(this.#searched).indexOf(NEWLINE);
    if (found === -1) {
      this.#searched = this.#length;
      return -1;
    }
    this.#newline = this.#searched + found;
    this.#searched = this.#newline + 1;
    return this.#newline;
  }

  #complete(output: Uint8Array): Uint8Array {
    this.#isComplete = true;
    this.#hold(NO_BYTES);
    return output;
  }

  #fail(): undefined {
    this.#problem = `printed no header: its first line is ${this.#firstLine()}`;
    return undefined;
  }

  #firstLine(): string {
    const end = this.#held(0).indexOf(NEWLINE);
    const length = Math.min(end === -1 ? this.#length : end, TOLD_CHARACTERS);
    return JSON.stringify(latin1(this.#bytes, 0, length));
  }
}
