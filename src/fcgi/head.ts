import type { ByteTarget } from "../base/byte-queue.ts";
import { FpmError } from "../base/errors.ts";
import { utf8 } from "../base/utf8.ts";
import { encodeHead, encodeRecord } from "./encoder.ts";
import { malformed, NameTable } from "./name-table.ts";
import { encodeParams, isAsciiAt, isEqualAt, latin1, ParamCursor } from "./params.ts";
import {
  contentLengthAt,
  FCGI_AUTHORIZER,
  FCGI_HEADER_LEN,
  FCGI_KEEP_CONN,
  FCGI_PARAMS,
  FCGI_STDIN,
  recordEndAt,
  requestIdAt,
} from "./protocol.ts";

/** Where the length of its padding stands in a record (§3.3), and the flags byte in a BEGIN_REQUEST (§5.1). */
const PADDING_LENGTH_AT = 6;
const FLAGS_AT = FCGI_HEADER_LEN + 2;
const NOTHING = new Uint8Array(0);
const FNV_OFFSET = 0x811c9dc5 | 0;
const FNV_PRIME = 0x01000193;

/** Of these exactly one value is forwarded: programs disagree on which of two they use. */
const SINGLE = [
  "SCRIPT_FILENAME",
  "CONTENT_LENGTH",
  "REQUEST_METHOD",
  "PATH_INFO",
  "SCRIPT_NAME",
  "PATH_TRANSLATED",
] as const;
/** The parameters that steer std-fpm. */
const KNOWN = [...SINGLE, "REQUEST_URI", "SERVER_SOFTWARE", "REDIRECT_URL"] as const;
export type KnownName = (typeof KNOWN)[number];

/**
 * Never forwarded: HTTP_PROXY is set by a `Proxy:` request header and many programs take it for their own proxy setting (httpoxy);
 * ORIG_SCRIPT_FILENAME is a second SCRIPT_FILENAME for PHP.
 */
const DROPPED = ["HTTP_PROXY", "ORIG_SCRIPT_FILENAME"] as const;

/** Both, each with its place. */
const PLACES = Object.fromEntries([...KNOWN, ...DROPPED].map((name, place) => [name, place])) as Record<
  KnownName | (typeof DROPPED)[number],
  number
>;
const NAMES = new NameTable([...KNOWN, ...DROPPED]);
/** A bit for each of SINGLE, which are the first of NAMES. */
const SINGLE_BITS = 2 ** SINGLE.length - 1;

const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];

/** Values to set before the head goes to a program; undefined removes the parameter. */
export type ParamChanges = ReadonlyMap<string, string | undefined>;

/** What a request says before its body: BEGIN_REQUEST and PARAMS (specification §5.1, §5.2). */
export class RequestHead {
  readonly requestId: number;
  readonly role: number;
  /** Whether the web server keeps its connection open afterwards. */
  readonly keepConn: boolean;
  /** Bytes of body announced; undefined when unknown: the body goes on until STDIN ends. */
  readonly contentLength: number | undefined;
  /** BEGIN_REQUEST up to the empty PARAMS record, as it came: `#records[#start, #end)`. */
  readonly #records: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  /** The PARAMS stream without its record headers: `#params[#paramsStart, #paramsEnd)`. */
  #params: Uint8Array = NOTHING;
  #paramsStart = 0;
  #paramsEnd = 0;
  /** Where the value of each of NAMES begins and ends in `#params`, of one that is sent twice the last; 0: absent. */
  readonly #known = new Int32Array(2 * NAMES.size);
  /** The records may go on as they are: nothing to drop in them, no pair straddles two, and BEGIN_REQUEST has no padding. */
  readonly #verbatim: boolean;
  #method: string | undefined;

  /**
   * Reads whole records, `records[start, end)`: BEGIN_REQUEST, PARAMS …, the empty PARAMS.
   * @throws FpmError PARAMS_MALFORMED when the pairs do not fit their lengths, or CONTENT_LENGTH is none; BODY_TOO_LARGE when it is
   * beyond all numbers.
   */
  constructor(records: Uint8Array, start = 0, end = records.length) {
    this.#records = records;
    this.#start = start;
    this.#end = end;
    this.requestId = requestIdAt(records, start);
    this.role = ((records[start + 8] as number) << 8) | (records[start + 9] as number);
    this.keepConn = keepsConnection(records, start);
    const cuts = this.#findParams();
    const twice = NAMES.locate(this.#params, this.#paramsStart, this.#paramsEnd, this.#known);
    const isOnce = (twice & SINGLE_BITS) === 0;
    this.contentLength = this.#has("CONTENT_LENGTH")
      ? lengthIn(this.value("CONTENT_LENGTH") ?? "")
      : undefined;
    // libfcgi 2.4.2 takes padding behind BEGIN_REQUEST for the next record, and has no parameters then.
    const isClean = isOnce && !this.#has("HTTP_PROXY") && !this.#has("ORIG_SCRIPT_FILENAME");
    this.#verbatim =
      isClean && !(cuts && this.#pairStraddles(cuts)) && records[start + PADDING_LENGTH_AT] === 0;
  }

  /** A parameter's value, a character a byte; undefined when the web server did not send it. */
  value(name: KnownName): string | undefined {
    if (!this.#has(name)) return undefined;
    const at = 2 * PLACES[name];
    const [start, end] = [this.#known[at] as number, this.#known[at + 1] as number];
    return start === end ? "" : latin1(this.#params, start, end);
  }

  #cursor(): ParamCursor {
    return new ParamCursor(this.#params, this.#paramsStart, this.#paramsEnd);
  }

  /** The contents of the PARAMS records. One record, as nearly always: no copy. Of several where they were joined. */
  #findParams(): readonly number[] | undefined {
    const records = this.#records;
    let firstEnd = 0;
    for (let at = this.#start; at < this.#end; at = recordEndAt(records, at)) {
      const length = contentLengthAt(records, at);
      if (records[at + 1] !== FCGI_PARAMS || length === 0) continue;
      if (firstEnd > 0) return this.#joinParams();
      this.#paramsStart = at + FCGI_HEADER_LEN;
      firstEnd = this.#paramsStart + length;
    }
    this.#params = records;
    this.#paramsEnd = firstEnd;
    return undefined;
  }

  #joinParams(): readonly number[] {
    const records = this.#records;
    const bytes = new Uint8Array(this.#end - this.#start);
    const cuts: number[] = [];
    let length = 0;
    for (let at = this.#start; at < this.#end; at = recordEndAt(records, at)) {
      if (records[at + 1] !== FCGI_PARAMS) continue;
      if (length > 0) cuts.push(length);
      const from = at + FCGI_HEADER_LEN;
      const more = contentLengthAt(records, at);
      bytes.set(records.subarray(from, from + more), length);
      length += more;
    }
    this.#params = bytes;
    this.#paramsStart = 0;
    this.#paramsEnd = length;
    return cuts.filter((cut) => cut < length);
  }

  /** Whether a pair goes on behind one of these places in PARAMS. */
  #pairStraddles(cuts: readonly number[]): boolean {
    const starts = new Set<number>();
    const cursor = this.#cursor();
    while (cursor.next()) starts.add(cursor.pairStart);
    return cuts.some((cut) => !starts.has(cut));
  }

  #has(name: keyof typeof PLACES): boolean {
    return this.#known[2 * PLACES[name]] !== 0;
  }

  /** How many bytes SCRIPT_FILENAME has; 0 where it is absent. */
  get scriptLength(): number {
    const at = 2 * PLACES.SCRIPT_FILENAME;
    return (this.#known[at + 1] as number) - (this.#known[at] as number);
  }

  /** A number of 32 bits that SCRIPT_FILENAME gives, and hardly another one (FNV-1a). */
  get scriptHash(): number {
    const at = 2 * PLACES.SCRIPT_FILENAME;
    const params = this.#params;
    const end = this.#known[at + 1] as number;
    let hash = FNV_OFFSET;
    for (let i = this.#known[at] as number; i < end; i++)
      hash = Math.imul(hash ^ (params[i] as number), FNV_PRIME);
    return hash;
  }

  /** Whether SCRIPT_FILENAME is these bytes. */
  isScript(script: Uint8Array): boolean {
    const start = this.#known[2 * PLACES.SCRIPT_FILENAME] as number;
    return script.length === this.scriptLength && isEqualAt(this.#params, start, script);
  }

  /** As the web server names it; GET when it names none. */
  get method(): string {
    this.#method ??= this.value("REQUEST_METHOD") || "GET";
    return this.#method;
  }

  /** Whether asking twice does no harm (RFC 9110 §9.2.1). */
  get isSafe(): boolean {
    const at = 2 * PLACES.REQUEST_METHOD;
    const [start, end] = [this.#known[at] as number, this.#known[at + 1] as number];
    if (start === end) return true;
    for (const method of SAFE_METHODS)
      if (end - start === method.length && isAsciiAt(this.#params, start, method)) return true;
    return false;
  }

  /** What was asked for, without the query, which is nobody's business; as text where it is UTF-8, else a character a byte. */
  get path(): string | undefined {
    const path = pathAskedFor(this.value("REQUEST_URI"), this.value("SCRIPT_NAME"));
    return path && (utf8(path) ?? path);
  }

  /** Method and path, as lines of the log name a request. */
  get label(): string {
    return `${this.method} ${this.path ?? "-"}`;
  }

  /** Whether the records can go to a program as they came, but for the KEEP_CONN flag. */
  isVerbatim(changes: ParamChanges): boolean {
    return this.#verbatim && changes.size === 0;
  }

  /** How many bytes its records have. */
  get bytes(): number {
    return this.#end - this.#start;
  }

  /** Gives `target` what a program gets of it: the records as they came, with the KEEP_CONN flag set in place, or else made anew. */
  sendTo(target: ByteTarget, keepConn: boolean, changes: ParamChanges): void {
    if (this.isVerbatim(changes)) {
      this.#records[this.#start + FLAGS_AT] = keepConn ? FCGI_KEEP_CONN : 0;
      target.push(this.#records, this.#start, this.#end);
    } else {
      const records = this.encode(keepConn, changes);
      target.push(records, 0, records.length);
    }
    if (this.role !== FCGI_AUTHORIZER) return;
    const end = encodeRecord(FCGI_STDIN, this.requestId, NOTHING);
    target.push(end, 0, end.length);
  }

  /** The head with the parameters that a program gets: itself where those are the ones that came. */
  changed(changes: ParamChanges): RequestHead {
    return this.isVerbatim(changes) ? this : new RequestHead(this.encode(this.keepConn, changes));
  }

  /** The head anew, with one value of every parameter, HTTP_PROXY dropped and `changes` applied. */
  encode(keepConn: boolean, changes: ParamChanges): Uint8Array {
    const pairs: [string, string][] = [];
    const last = new Map<string, [string, string]>();
    const cursor = this.#cursor();
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

  /** The value of any parameter, a character a byte, of one that is sent twice the last; undefined when it was not sent. */
  parameter(name: string): string | undefined {
    let value: string | undefined;
    const cursor = this.#cursor();
    while (cursor.next()) if (cursor.nameIs(name)) value = cursor.value();
    return value;
  }

  /** Has `table` note in `places` where its parameters stand in the bytes that it answers. */
  locate(table: NameTable, places: Int32Array): Uint8Array {
    table.locate(this.#params, this.#paramsStart, this.#paramsEnd, places);
    return this.#params;
  }

  /** Every pair in the order it came, a character a byte. */
  *pairs(): Generator<[string, string]> {
    const cursor = this.#cursor();
    while (cursor.next()) yield [cursor.name(), cursor.value()];
  }
}

/** The head in whole records, `records[start, end)`: see RequestHead. */
export function readHead(records: Uint8Array, start: number, end: number): RequestHead {
  return new RequestHead(records, start, end);
}

/** Whether a BEGIN_REQUEST record, which begins at `start`, asks to keep the connection; false where it has not come so far. */
export function keepsConnection(records: Uint8Array, start: number): boolean {
  return ((records[start + FLAGS_AT] ?? 0) & FCGI_KEEP_CONN) !== 0;
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

/** What was asked for, without the query: from REQUEST_URI, or where there is none from SCRIPT_NAME. */
export function pathAskedFor(
  requestUri: string | undefined,
  scriptName: string | undefined,
): string | undefined {
  return requestUri?.replace(/\?.*$/s, "") || scriptName;
}
