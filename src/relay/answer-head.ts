import { ByteQueue } from "../base/byte-queue.ts";
import { latin1 } from "../fcgi/params.ts";

/** A longer header is read no further: what it says up to here counts. */
const MAX_HEADER_BYTES = 64 * 1024;
/** What a header without `Status` says, with a `Location` and without. */
const FOUND = 302;
const OK = 200;
const NEWLINE = 10;
const CARRIAGE_RETURN = 13;
const COLON = 58;
/** Makes an ASCII letter small. */
const SMALL = 32;
const SMALL_H = 104;
const SMALL_L = 108;
const SMALL_S = 115;

/**
 * The header of an answer (RFC 3875 §6.2), up to its first empty line, and how long the body is that follows; fed with the content of its STDOUT
 * records, wherever that is cut. Looks at each byte of the header once, and at none of the body.
 */
export class AnswerHead {
  /** Any content has come. */
  hasBegun = false;
  isComplete = false;
  bodyBytes = 0;
  /** What the header comes to, as a web server reads it (RFC 3875 §6.3); undefined before it is complete. */
  status: number | undefined = undefined;
  readonly #keepsFields: boolean;
  /** What has come of it: nothing where it has come whole and is not asked for again. */
  #header: ByteQueue | undefined;
  /** Nothing but carriage returns has come of the present line, and another line before it: a header has one at the least (RFC 3875 §6.2.1). */
  #isLineEmpty = false;

  /** `keepsFields`: whether `field` will be asked. */
  constructor(keepsFields: boolean) {
    this.#keepsFields = keepsFields;
  }

  /** Takes the next piece of the content of STDOUT. */
  push(chunk: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    this.hasBegun = true;
    if (this.isComplete) {
      this.bodyBytes += end - start;
      return;
    }
    const bodyAt = this.#endOfHeader(chunk, start, end);
    const headerEnd = bodyAt === 0 ? end : bodyAt;
    if (bodyAt > 0 && !this.#header && !this.#keepsFields) {
      // As nearly always: it came in one piece.
      this.isComplete = true;
      this.status = statusIn(chunk, start, headerEnd);
    } else {
      this.#header ??= new ByteQueue();
      this.#header.push(chunk, start, headerEnd);
      if (bodyAt === 0 && this.#header.bytes <= MAX_HEADER_BYTES) return;
      this.complete();
    }
    this.bodyBytes = end - headerEnd;
  }

  /** What has come so far is the header. */
  complete(): void {
    this.isComplete = true;
    this.status = this.#header?.read(statusIn) ?? OK;
    if (!this.#keepsFields) this.#header = undefined;
  }

  /** The value of a header field, its name in small letters; a character a byte. */
  field(name: string): string | undefined {
    return this.#header?.read((bytes, start, end) => fieldIn(bytes, start, end, name));
  }

  /** Where the body begins; 0: not in this piece. */
  #endOfHeader(chunk: Uint8Array, start: number, end: number): number {
    for (let at = start; at < end; at++) {
      const byte = chunk[at];
      if (byte !== NEWLINE) this.#isLineEmpty = this.#isLineEmpty && byte === CARRIAGE_RETURN;
      else if (this.#isLineEmpty) return at + 1;
      else this.#isLineEmpty = true;
    }
    return 0;
  }
}

function statusIn(bytes: Uint8Array, start: number, end: number): number {
  let status: string | undefined;
  // The program of an old CGI habit writes the whole HTTP header.
  let http: string | undefined;
  let hasLocation = false;
  for (let at = start; at < end; at = lineEnd(bytes, at, end) + 1) {
    // Most lines say nothing of it: their first letter tells.
    const letter = (bytes[at] as number) | SMALL;
    if (letter === SMALL_S) status ??= fieldAt(bytes, at, end, "status");
    else if (letter === SMALL_L) hasLocation ||= fieldAt(bytes, at, end, "location") !== undefined;
    else if (letter === SMALL_H && at === start) http = codeOfHttpLine(bytes, at, end);
  }
  const code = codeOf(status ?? http ?? "");
  if (!Number.isNaN(code)) return code;
  return hasLocation ? FOUND : OK;
}

/** Three digits at the beginning; NaN: there are none. */
function codeOf(status: string): number {
  let code = 0;
  for (let at = 0; at < 3; at++) {
    const digit = status.charCodeAt(at) - 48;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    code = 10 * code + digit;
  }
  return code;
}

function codeOfHttpLine(bytes: Uint8Array, at: number, end: number): string | undefined {
  return /^HTTP\/\S+ +(\d{3})/.exec(latin1(bytes, at, lineEnd(bytes, at, end)))?.[1];
}

function fieldIn(bytes: Uint8Array, start: number, end: number, name: string): string | undefined {
  for (let at = start; at < end; at = lineEnd(bytes, at, end) + 1) {
    const value = fieldAt(bytes, at, end, name);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** The value of the field in the line that begins at `at`, if it has that name. */
function fieldAt(bytes: Uint8Array, at: number, end: number, name: string): string | undefined {
  const valueAt = at + name.length + 1;
  if (valueAt > end || bytes[valueAt - 1] !== COLON || !isName(bytes, at, name)) return undefined;
  return latin1(bytes, valueAt, lineEnd(bytes, valueAt, end)).trim();
}

/** Whether the name in small letters stands at `at`, in whatever letters. */
function isName(bytes: Uint8Array, at: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const byte = bytes[at + i] as number;
    const small = byte >= 65 && byte <= 90 ? byte + 32 : byte;
    if (small !== name.charCodeAt(i)) return false;
  }
  return true;
}

function lineEnd(bytes: Uint8Array, at: number, end: number): number {
  let found = at;
  while (found < end && bytes[found] !== NEWLINE) found++;
  return found;
}
