/** The head of a CGI answer (RFC 3875, section 6): its status and its other headers, in the program's order. */
export interface CgiHead {
  readonly status: number;
  /** What the program wrote after the number, e.g. "Not Found"; often "". */
  readonly statusText: string;
  /** Without `Status`; repeated names stay apart. A character is a byte. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** What the bytes so far come to: a head and where the body begins in the last chunk, a reason why there is none, or not yet known. */
export type HeadResult =
  | { readonly kind: "head"; readonly head: CgiHead; readonly rest: Uint8Array }
  | { readonly kind: "malformed"; readonly reason: string; readonly bytes: Uint8Array }
  | { readonly kind: "incomplete" };

/** Longer heads are refused: no web server takes them. */
export const MAX_HEAD_BYTES = 256 * 1024;

const INCOMPLETE: HeadResult = { kind: "incomplete" };
const NEWLINE = 10;
const RETURN = 13;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Finds the head at the start of a program's output, which is cut anywhere. Takes LF and CRLF line ends. */
export class CgiHeadParser {
  #bytes = new Uint8Array(0);
  /** Lines before this position are known not to be empty. */
  #lineStart = 0;

  /** The bytes that came so far without a head being complete. */
  get pending(): Uint8Array {
    return this.#bytes;
  }

  /** Takes the next bytes. After a head or a malformed one it must not be called again. */
  push(chunk: Uint8Array): HeadResult {
    const bytes = new Uint8Array(this.#bytes.length + chunk.length);
    bytes.set(this.#bytes);
    bytes.set(chunk, this.#bytes.length);
    this.#bytes = bytes;
    for (;;) {
      const newline = bytes.indexOf(NEWLINE, this.#lineStart);
      if (newline === -1 || newline >= MAX_HEAD_BYTES) break;
      const length = newline - this.#lineStart;
      const isEmpty = length === 0 || (length === 1 && bytes[this.#lineStart] === RETURN);
      if (isEmpty) return this.#finish(newline + 1);
      this.#lineStart = newline + 1;
    }
    if (bytes.length <= MAX_HEAD_BYTES) return INCOMPLETE;
    return { kind: "malformed", reason: `the headers are longer than ${MAX_HEAD_BYTES} bytes`, bytes };
  }

  #finish(bodyStart: number): HeadResult {
    const text = Buffer.from(this.#bytes.buffer, 0, this.#lineStart).toString("latin1");
    const head = parseHead(text);
    if (typeof head === "string") return { kind: "malformed", reason: head, bytes: this.#bytes };
    return { kind: "head", head, rest: this.#bytes.subarray(bodyStart) };
  }
}

/** The head that complete lines make, or the reason why they make none. */
function parseHead(text: string): CgiHead | string {
  const headers: [string, string][] = [];
  let status: string | undefined;
  for (const line of unfolded(text)) {
    const statusLine = headers.length === 0 ? /^HTTP\/[0-9.]+ +(.*)$/.exec(line) : null;
    if (statusLine !== null) {
      status = statusLine[1];
      continue;
    }
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0)).trimEnd();
    if (!TOKEN.test(name)) return `this is not a header line: ${JSON.stringify(line.slice(0, 80))}`;
    const value = line.slice(colon + 1).trim();
    if (name.toLowerCase() === "status") status = value;
    else headers.push([name, value]);
  }
  if (status === undefined) {
    const isRedirect = headers.some(([name]) => name.toLowerCase() === "location");
    return { status: isRedirect ? 302 : 200, statusText: "", headers };
  }
  const [, number, statusText = ""] = /^([1-9][0-9]{2})(?: +(.*))?$/.exec(status) ?? [];
  if (number === undefined) return `this is not a status: ${JSON.stringify(status.slice(0, 80))}`;
  return { status: Number(number), statusText, headers };
}

/** The lines, those that begin with a blank joined to the one before (RFC 9112, section 5.2). */
function unfolded(text: string): string[] {
  const lines = text.split("\n").map((line) => line.replace(/\r$/, ""));
  lines.pop();
  return lines.reduce<string[]>((joined, line) => {
    const last = joined.length - 1;
    if (/^[ \t]/.test(line) && last >= 0) joined[last] += ` ${line.trim()}`;
    else joined.push(line);
    return joined;
  }, []);
}
