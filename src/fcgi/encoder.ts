import { encodeParams, ParamCursor } from "./params.ts";
import {
  BEGIN_REQUEST_LENGTH,
  END_REQUEST_LENGTH,
  FCGI_ABORT_REQUEST,
  FCGI_BEGIN_REQUEST,
  FCGI_END_REQUEST,
  FCGI_GET_VALUES_RESULT,
  FCGI_HEADER_LEN,
  FCGI_KEEP_CONN,
  FCGI_MAX_LENGTH,
  FCGI_NULL_REQUEST_ID,
  FCGI_PARAMS,
  FCGI_UNKNOWN_TYPE,
  FCGI_VERSION_1,
} from "./protocol.ts";

/** One record without padding. `content` is at most 65,535 bytes. */
export function encodeRecord(type: number, requestId: number, content: Uint8Array): Uint8Array {
  const record = new Uint8Array(FCGI_HEADER_LEN + content.length);
  writeHeader(record, 0, type, requestId, content.length);
  record.set(content, FCGI_HEADER_LEN);
  return record;
}

/** A stream's bytes as records of at most 65,535 bytes; with `end` also the empty record that closes it (§3.3). */
export function encodeStream(type: number, requestId: number, bytes: Uint8Array, end: boolean): Uint8Array {
  const records = Math.ceil(bytes.length / FCGI_MAX_LENGTH) + (end ? 1 : 0);
  const encoded = new Uint8Array(bytes.length + records * FCGI_HEADER_LEN);
  let at = 0;
  for (let from = 0; from < bytes.length; from += FCGI_MAX_LENGTH) {
    const content = bytes.subarray(from, from + FCGI_MAX_LENGTH);
    writeHeader(encoded, at, type, requestId, content.length);
    encoded.set(content, at + FCGI_HEADER_LEN);
    at += FCGI_HEADER_LEN + content.length;
  }
  if (end) writeHeader(encoded, at, type, requestId, 0);
  return encoded;
}

/**
 * BEGIN_REQUEST (§5.1) and the whole PARAMS stream (§5.2). Records end between pairs wherever a pair fits into
 * one: php-cgi resets the connection on a pair that is cut.
 */
export function encodeHead(
  requestId: number,
  role: number,
  keepConn: boolean,
  params: Uint8Array,
): Uint8Array {
  const cuts = recordCuts(params);
  const head = new Uint8Array(
    FCGI_HEADER_LEN + BEGIN_REQUEST_LENGTH + params.length + (cuts.length + 1) * FCGI_HEADER_LEN,
  );
  writeHeader(head, 0, FCGI_BEGIN_REQUEST, requestId, BEGIN_REQUEST_LENGTH);
  head[8] = role >>> 8;
  head[9] = role;
  head[10] = keepConn ? FCGI_KEEP_CONN : 0;
  let at = FCGI_HEADER_LEN + BEGIN_REQUEST_LENGTH;
  let from = 0;
  for (const to of cuts) {
    writeHeader(head, at, FCGI_PARAMS, requestId, to - from);
    head.set(params.subarray(from, to), at + FCGI_HEADER_LEN);
    at += FCGI_HEADER_LEN + to - from;
    from = to;
  }
  writeHeader(head, at, FCGI_PARAMS, requestId, 0);
  return head;
}

/** END_REQUEST (§5.5). */
export function encodeEndRequest(requestId: number, appStatus: number, protocolStatus: number): Uint8Array {
  const record = new Uint8Array(FCGI_HEADER_LEN + END_REQUEST_LENGTH);
  writeHeader(record, 0, FCGI_END_REQUEST, requestId, END_REQUEST_LENGTH);
  new DataView(record.buffer).setUint32(FCGI_HEADER_LEN, appStatus);
  record[FCGI_HEADER_LEN + 4] = protocolStatus;
  return record;
}

/** ABORT_REQUEST (§5.4). */
export function encodeAbortRequest(requestId: number): Uint8Array {
  const record = new Uint8Array(FCGI_HEADER_LEN);
  writeHeader(record, 0, FCGI_ABORT_REQUEST, requestId, 0);
  return record;
}

/** GET_VALUES_RESULT with these pairs (§4.1). */
export function encodeGetValuesResult(pairs: Iterable<readonly [string, string]>): Uint8Array {
  return encodeRecord(FCGI_GET_VALUES_RESULT, FCGI_NULL_REQUEST_ID, encodeParams(pairs));
}

/** UNKNOWN_TYPE: the answer to a management record of a type not understood (§4.2). */
export function encodeUnknownType(type: number): Uint8Array {
  const content = new Uint8Array(8);
  content[0] = type;
  return encodeRecord(FCGI_UNKNOWN_TYPE, FCGI_NULL_REQUEST_ID, content);
}

/** Writes a record header without padding at `at`. */
export function writeHeader(
  target: Uint8Array,
  at: number,
  type: number,
  requestId: number,
  length: number,
): void {
  target[at] = FCGI_VERSION_1;
  target[at + 1] = type;
  target[at + 2] = requestId >>> 8;
  target[at + 3] = requestId;
  target[at + 4] = length >>> 8;
  target[at + 5] = length;
  target[at + 6] = 0;
  target[at + 7] = 0;
}

/** Where PARAMS records end, so that each is at most 65,535 bytes and cuts a pair only when it must. */
function recordCuts(params: Uint8Array): number[] {
  const cuts: number[] = [];
  let from = 0;
  const cutAt = (to: number) => {
    while (to - from > FCGI_MAX_LENGTH) {
      from += FCGI_MAX_LENGTH;
      cuts.push(from);
    }
    if (to > from) cuts.push(to);
    from = to;
  };
  if (params.length > FCGI_MAX_LENGTH) {
    const cursor = new ParamCursor(params);
    while (cursor.next()) {
      if (cursor.valueEnd - from > FCGI_MAX_LENGTH) cutAt(cursor.pairStart);
    }
  }
  cutAt(params.length);
  return cuts;
}
