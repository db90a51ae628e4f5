/**
 * The constants of the FastCGI Specification 1.0, under its own names (section 8, "Types and Constants").
 * A record is an 8-byte header {version, type, requestId (2, big-endian), contentLength (2), paddingLength,
 * reserved}, its content, its padding (section 3.3).
 */
export const FCGI_VERSION_1 = 1;
export const FCGI_HEADER_LEN = 8;
export const FCGI_MAX_LENGTH = 0xffff;
export const FCGI_NULL_REQUEST_ID = 0;

export const FCGI_BEGIN_REQUEST = 1;
export const FCGI_ABORT_REQUEST = 2;
export const FCGI_END_REQUEST = 3;
export const FCGI_PARAMS = 4;
export const FCGI_STDIN = 5;
export const FCGI_STDOUT = 6;
export const FCGI_STDERR = 7;
export const FCGI_DATA = 8;
export const FCGI_GET_VALUES = 9;
export const FCGI_GET_VALUES_RESULT = 10;
export const FCGI_UNKNOWN_TYPE = 11;

/** Mask of the flags byte of FCGI_BEGIN_REQUEST (section 5.1). */
export const FCGI_KEEP_CONN = 1;
/** Content lengths of FCGI_BEGIN_REQUEST and FCGI_END_REQUEST (sections 5.1, 5.5). */
export const BEGIN_REQUEST_LENGTH = 8;
export const END_REQUEST_LENGTH = 8;

export const FCGI_RESPONDER = 1;
export const FCGI_AUTHORIZER = 2;
export const FCGI_FILTER = 3;

/** protocolStatus of FCGI_END_REQUEST (section 5.5). */
export const FCGI_REQUEST_COMPLETE = 0;
export const FCGI_CANT_MPX_CONN = 1;
export const FCGI_OVERLOADED = 2;
export const FCGI_UNKNOWN_ROLE = 3;

const TYPE_NAMES = [
  "type 0",
  "FCGI_BEGIN_REQUEST",
  "FCGI_ABORT_REQUEST",
  "FCGI_END_REQUEST",
  "FCGI_PARAMS",
  "FCGI_STDIN",
  "FCGI_STDOUT",
  "FCGI_STDERR",
  "FCGI_DATA",
  "FCGI_GET_VALUES",
  "FCGI_GET_VALUES_RESULT",
  "FCGI_UNKNOWN_TYPE",
];

/** The specification's name of a record type, for messages. */
export function typeName(type: number): string {
  return TYPE_NAMES[type] ?? `type ${type}`;
}

/** The request id of the record that begins at `at` (§3.3). */
export function requestIdAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
}

/** How many bytes of content it has. */
export function contentLengthAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at + 4] as number) << 8) | (bytes[at + 5] as number);
}

/** Where it ends, padding included. */
export function recordEndAt(bytes: Uint8Array, at: number): number {
  return at + FCGI_HEADER_LEN + contentLengthAt(bytes, at) + (bytes[at + 6] as number);
}
