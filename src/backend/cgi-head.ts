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

/**
 * The header of what a CGI program prints: held until it is complete. A status line such as NPH scripts write becomes `Status:`, as everybody
 * behind FastCGI expects it; answers 1xx before the real one are left out.
 */
export class CgiHead {
  #held: Uint8Array = new Uint8Array(0);
  #isComplete = false;
  #problem: string | undefined;

  /** Whether the program has printed something. */
  get hasBegun(): boolean {
    return this.#isComplete || this.#held.length > 0;
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
    if (this.#held.length === 0) return "printed nothing";
    return `printed no whole header: its first line is ${this.#firstLine()}`;
  }

  /** The next bytes of the output. The header, and what follows it, when that is complete; undefined until then, and where it is none. */
  push(bytes: Uint8Array): Uint8Array | undefined {
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    for (;;) {
      const lineEnd = this.#held.indexOf(NEWLINE);
      if (lineEnd === -1 && this.#held.length <= MAX_LINE_BYTES) return undefined;
      const line = latin1(this.#held, 0, Math.max(0, lineEnd)).replace(/\r$/, "");
      if (lineEnd === -1 || !HEADER_START.test(line)) return this.#fail();
      const headerEnd = endOfHeader(this.#held, lineEnd);
      if (headerEnd === undefined && this.#held.length <= MAX_HEADER_BYTES) return undefined;
      if (!line.startsWith("HTTP/")) return this.#complete(this.#held);
      const [, code = "", reason = ""] = STATUS_LINE.exec(line) ?? [];
      if (code === "" || headerEnd === undefined) return this.#fail();
      if (!code.startsWith("1")) {
        const status = Buffer.from(`Status: ${code} ${reason}`.trimEnd(), "latin1");
        const hasReturn = this.#held[lineEnd - 1] === RETURN;
        return this.#complete(
          Buffer.concat([status, this.#held.subarray(hasReturn ? lineEnd - 1 : lineEnd)]),
        );
      }
      this.#held = this.#held.subarray(headerEnd);
    }
  }

  #complete(output: Uint8Array): Uint8Array {
    this.#isComplete = true;
    this.#held = new Uint8Array(0);
    return output;
  }

  #fail(): undefined {
    this.#problem = `printed no header: its first line is ${this.#firstLine()}`;
    return undefined;
  }

  #firstLine(): string {
    const end = this.#held.indexOf(NEWLINE);
    const length = Math.min(end === -1 ? this.#held.length : end, TOLD_CHARACTERS);
    return JSON.stringify(latin1(this.#held, 0, length));
  }
}

/** Where the first empty line after `from` ends. */
function endOfHeader(bytes: Uint8Array, from: number): number | undefined {
  for (let at = from; at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) {
    const next = bytes[at + 1] === RETURN ? at + 2 : at + 1;
    if (bytes[next] === NEWLINE) return next + 1;
  }
  return undefined;
}
