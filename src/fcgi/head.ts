import { FpmError } from "../base/errors.ts";
import { encodeHead } from "./encoder.ts";
import { encodeParams, latin1, ParamCursor } from "./params.ts";
import { FCGI_HEADER_LEN, FCGI_KEEP_CONN, FCGI_PARAMS } from "./protocol.ts";

/** Where the length of its padding stands in a record (§3.3), and the flags byte in a BEGIN_REQUEST (§5.1). */
const PADDING_LENGTH_AT = 6;
const FLAGS_AT = FCGI_HEADER_LEN + 2;
/** Longest parameter name taken; web servers make them from HTTP header names. */
const MAX_NAME_BYTES = 4096;

/** Of these exactly one value is forwarded: programs disagree on which of two they use. */
const SINGLE = ["SCRIPT_FILENAME", "CONTENT_LENGTH", "REQUEST_METHOD", "PATH_INFO", "SCRIPT_NAME"] as const;
/** The parameters that steer std-fpm. */
const KNOWN = [...SINGLE, "PATH_TRANSLATED", "REQUEST_URI", "SERVER_SOFTWARE"] as const;
export type KnownName = (typeof KNOWN)[number];

/**
 * Never forwarded: HTTP_PROXY is set by a `Proxy:` request header and many programs take it for their own proxy setting (httpoxy);
 * ORIG_SCRIPT_FILENAME is a second SCRIPT_FILENAME for PHP.
 */
const DROPPED = ["HTTP_PROXY", "ORIG_SCRIPT_FILENAME"] as const;

/** Values to set before the head goes to a program; undefined removes the parameter. */
export type ParamChanges = ReadonlyMap<string, string | undefined>;

/** What a request says before its body: BEGIN_REQUEST and PARAMS (specification §5.1, §5.2). */
export class RequestHead {
  readonly requestId: number;
  readonly role: number;
  /** Whether the web server keeps its connection open afterwards. */
  readonly keepConn: boolean;
  /** BEGIN_REQUEST up to the empty PARAMS record, as it came. */
  readonly #records: Uint8Array;
  /** The PARAMS stream without its record headers. */
  readonly #params: Uint8Array;
  /** Where the value of each of KNOWN begins and ends in `#params`, of one that is sent twice the last; -1: absent. */
  readonly #known: number[] = new Array(2 * KNOWN.length).fill(-1);
  /** Bytes of body announced; undefined when unknown: the body goes on until STDIN ends. */
  readonly contentLength: number | undefined;
  /** The records may go on as they are: nothing to drop in them, no pair straddles two, and BEGIN_REQUEST has no padding. */
  readonly #verbatim: boolean;

  /**
   * Reads whole records: BEGIN_REQUEST, PARAMS …, the empty PARAMS.
   * @throws FpmError PARAMS_MALFORMED when the pairs do not fit their lengths, or CONTENT_LENGTH is none; BODY_TOO_LARGE when it is
   * beyond all numbers.
   */
  constructor(records: Uint8Array) {
    this.#records = records;
    this.requestId = ((records[2] as number) << 8) | (records[3] as number);
    this.role = ((records[8] as number) << 8) | (records[9] as number);
    this.keepConn = ((records[FLAGS_AT] as number) & FCGI_KEEP_CONN) !== 0;
    const params = paramsOf(records);
    this.#params = params.bytes;
    const isClean = scan(params.bytes, this.#known);
    this.contentLength = lengthIn(this.value("CONTENT_LENGTH") ?? "");
    const isStraddled = params.cuts.length > 0 && pairStraddles(params.bytes, params.cuts);
    // libfcgi 2.4.2 takes padding behind BEGIN_REQUEST for the next record, and has no parameters then.
    this.#verbatim = isClean && !isStraddled && records[PADDING_LENGTH_AT] === 0;
  }

  /** A parameter's value, a character a byte; undefined when the web server did not send it. */
  value(name: KnownName): string | undefined {
    const at = 2 * KNOWN.indexOf(name);
    const start = this.#known[at] as number;
    return start === -1 ? undefined : latin1(this.#params, start, this.#known[at + 1]);
  }

  /** The method in capitals; GET when the web server names none. */
  get method(): string {
    return this.value("REQUEST_METHOD") || "GET";
  }

  /** What was asked for, without the query, which is nobody's business. */
  get path(): string | undefined {
    return pathAskedFor(this.value("REQUEST_URI"), this.value("SCRIPT_NAME"));
  }

  /** Method and path, as lines of the log name a request. */
  get label(): string {
    return `${this.method} ${this.path ?? "-"}`;
  }

  /** Whether the records can go to a program as they came, but for the KEEP_CONN flag. */
  isVerbatim(changes: ParamChanges): boolean {
    return this.#verbatim && changes.size === 0;
  }

  /** The records as they came, with the KEEP_CONN flag set in place for the program's connection. */
  verbatimRecords(keepConn: boolean): Uint8Array {
    this.#records[FLAGS_AT] = keepConn ? FCGI_KEEP_CONN : 0;
    return this.#records;
  }

  /** The head anew, with one value of every parameter, HTTP_PROXY dropped and `changes` applied. */
  encode(keepConn: boolean, changes: ParamChanges): Uint8Array {
    const pairs: [string, string][] = [];
    const last = new Map<string, [string, string]>();
    const cursor = new ParamCursor(this.#params);
    while (cursor.next()) {
      const name = cursor.name();
      if ((DROPPED as readonly string[]).includes(name) || changes.has(name)) continue;
      const pair: [string, string] = [name, cursor.value()];
      const earlier = (SINGLE as readonly string[]).includes(name) ? last.get(name) : undefined;
      if (earlier) earlier[1] = pair[1];
      else {
        pairs.push(pair);
        last.set(name, pair);
      }
    }
    for (const [name, value] of changes) if (value !== undefined) pairs.push([name, value]);
    return encodeHead(this.requestId, this.role, keepConn, encodeParams(pairs));
  }

  /** The values of these parameters, a character a byte; of one that is sent twice the last. */
  parameters(names: readonly string[]): Map<string, string> {
    const found = new Map<string, string>();
    const cursor = new ParamCursor(this.#params);
    while (cursor.next()) {
      const length = cursor.nameEnd - cursor.nameStart;
      const name = names.find((each) => each.length === length && cursor.nameIs(each));
      if (name !== undefined) found.set(name, cursor.value());
    }
    return found;
  }

  /** Every pair in the order it came, a character a byte. */
  *pairs(): Generator<[string, string]> {
    const cursor = new ParamCursor(this.#params);
    while (cursor.next()) yield [cursor.name(), cursor.value()];
  }
}

/** Notes where the values of KNOWN are. False when a parameter stands twice or must be dropped. */
function scan(params: Uint8Array, known: number[]): boolean {
  const cursor = new ParamCursor(params);
  let clean = true;
  while (cursor.next()) {
    const length = cursor.nameEnd - cursor.nameStart;
    if (length > MAX_NAME_BYTES) {
      throw malformed(`a parameter's name has ${length} bytes; at most ${MAX_NAME_BYTES} are taken`);
    }
    for (const name of DROPPED) if (length === name.length && cursor.nameIs(name)) clean = false;
    const index = knownIndex(cursor, length);
    if (index === -1) continue;
    if (known[2 * index] !== -1 && index < SINGLE.length) clean = false;
    known[2 * index] = cursor.valueStart;
    known[2 * index + 1] = cursor.valueEnd;
  }
  if (cursor.malformed) throw malformed(`a parameter reaches beyond the ${params.length} bytes of PARAMS`);
  return clean;
}

function knownIndex(cursor: ParamCursor, length: number): number {
  for (let index = 0; index < KNOWN.length; index++) {
    const name = KNOWN[index] as KnownName;
    if (name.length === length && cursor.nameIs(name)) return index;
  }
  return -1;
}

/** The PARAMS contents as one array, and where records were joined. One record, as nearly always: no copy. */
function paramsOf(records: Uint8Array): { bytes: Uint8Array; cuts: number[] } {
  const contents: Uint8Array[] = [];
  let total = 0;
  for (let at = 0; at < records.length; ) {
    const length = ((records[at + 4] as number) << 8) | (records[at + 5] as number);
    const start = at + FCGI_HEADER_LEN;
    if (records[at + 1] === FCGI_PARAMS && length > 0) {
      contents.push(records.subarray(start, start + length));
      total += length;
    }
    at = start + length + (records[at + 6] as number);
  }
  const only = contents[0];
  if (contents.length <= 1) return { bytes: only ?? new Uint8Array(0), cuts: [] };
  const bytes = new Uint8Array(total);
  const cuts: number[] = [];
  let at = 0;
  for (const content of contents) {
    if (at > 0) cuts.push(at);
    bytes.set(content, at);
    at += content.length;
  }
  return { bytes, cuts };
}

function pairStraddles(params: Uint8Array, cuts: readonly number[]): boolean {
  const starts = new Set<number>();
  const cursor = new ParamCursor(params);
  while (cursor.next()) starts.add(cursor.pairStart);
  return cuts.some((cut) => !starts.has(cut));
}

/**
 * What CONTENT_LENGTH says: digits and nothing else (RFC 3875 §4.1.2, RFC 9110 §8.6). Undefined where the web server does not know it,
 * which Caddy tells by -1.
 */
function lengthIn(text: string): number | undefined {
  if (text === "" || text === "-1") return undefined;
  if (!/^\d+$/.test(text)) throw malformed(`CONTENT_LENGTH is ${JSON.stringify(text.slice(0, 40))}`);
  const length = Number(text);
  if (Number.isSafeInteger(length)) return length;
  throw new FpmError("BODY_TOO_LARGE", "client", `A body of ${text.slice(0, 40)} bytes is announced.`);
}

function malformed(problem: string): FpmError {
  return new FpmError("PARAMS_MALFORMED", "client", `Malformed PARAMS: ${problem}.`);
}

/** What was asked for, without the query: from REQUEST_URI, or where there is none from SCRIPT_NAME. */
export function pathAskedFor(
  requestUri: string | undefined,
  scriptName: string | undefined,
): string | undefined {
  return requestUri?.replace(/\?.*$/s, "") || scriptName;
}
