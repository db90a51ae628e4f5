import {
  BEGIN_REQUEST_LENGTH,
  contentLengthAt,
  END_REQUEST_LENGTH,
  FCGI_BEGIN_REQUEST,
  FCGI_END_REQUEST,
  FCGI_HEADER_LEN,
  FCGI_NULL_REQUEST_ID,
  FCGI_PARAMS,
  FCGI_RESPONDER,
  FCGI_STDIN,
  FCGI_STDOUT,
  FCGI_VERSION_1,
  recordEndAt,
  requestIdAt,
} from "./protocol.ts";

const BEGIN_END = FCGI_HEADER_LEN + BEGIN_REQUEST_LENGTH;

/**
 * Where the body begins in a chunk that is one request of a Responder without a body, no more and no less, as web servers send most of theirs: BEGIN_REQUEST,
 * PARAMS, the empty PARAMS, the empty STDIN (specification §6.2). 0: it is something else, or not in order, or has padding where nearly nobody puts it.
 */
export function bodyOfWholeRequest(chunk: Uint8Array): number {
  if (chunk.length < BEGIN_END + 3 * FCGI_HEADER_LEN) return 0;
  const id = requestIdAt(chunk, 0);
  if (id === FCGI_NULL_REQUEST_ID || !isRecord(chunk, 0, FCGI_BEGIN_REQUEST, id)) return 0;
  if (contentLengthAt(chunk, 0) !== BEGIN_REQUEST_LENGTH || chunk[6] !== 0) return 0;
  if (chunk[FCGI_HEADER_LEN] !== 0 || chunk[FCGI_HEADER_LEN + 1] !== FCGI_RESPONDER) return 0;
  if (!isRecord(chunk, BEGIN_END, FCGI_PARAMS, id)) return 0;
  const paramsEnd = recordEndAt(chunk, BEGIN_END);
  const bodyAt = paramsEnd + FCGI_HEADER_LEN;
  if (contentLengthAt(chunk, BEGIN_END) === 0 || bodyAt + FCGI_HEADER_LEN !== chunk.length) return 0;
  if (!isRecord(chunk, paramsEnd, FCGI_PARAMS, id) || recordEndAt(chunk, paramsEnd) !== bodyAt) return 0;
  return isRecord(chunk, bodyAt, FCGI_STDIN, id) && recordEndAt(chunk, bodyAt) === chunk.length ? bodyAt : 0;
}

/** Whether a chunk is one answer to this request, no more and no less: records of STDOUT, then END_REQUEST. */
export function isWholeAnswer(chunk: Uint8Array, id: number): boolean {
  for (let at = 0; at + FCGI_HEADER_LEN <= chunk.length; ) {
    const end = recordEndAt(chunk, at);
    if (isRecord(chunk, at, FCGI_END_REQUEST, id))
      return end === chunk.length && contentLengthAt(chunk, at) === END_REQUEST_LENGTH;
    if (!isRecord(chunk, at, FCGI_STDOUT, id)) return false;
    at = end;
  }
  return false;
}

/** Whether such a record begins there. */
function isRecord(chunk: Uint8Array, at: number, type: number, id: number): boolean {
  return chunk[at] === FCGI_VERSION_1 && chunk[at + 1] === type && requestIdAt(chunk, at) === id;
}
