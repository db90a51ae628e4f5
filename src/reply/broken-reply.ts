import { FCGI_HEADER_LEN, FCGI_VERSION_1 } from "../fcgi/protocol.ts";

/** A header of version 0: an answer is aborted that nginx would pass on as complete, and whose rest HAProxy 2.6 would wait for. */
export const BROKEN_HEADER: Uint8Array = new Uint8Array(FCGI_HEADER_LEN);
/** The first byte of a header whose rest never comes: so all others, Caddy among them, tell broken from complete. */
const CUT_HEADER = Uint8Array.of(FCGI_VERSION_1);

/** Web servers that look at the version of a record. */
const LOOKS_AT_VERSION = /^(?:nginx|haproxy)\b/i;

/** What a connection ends with whose answer broke off, by what the web server calls itself (SERVER_SOFTWARE, RFC 3875 §4.1.17). */
export function brokenReply(serverSoftware: string | undefined): Uint8Array {
  return LOOKS_AT_VERSION.test(serverSoftware ?? "") ? BROKEN_HEADER : CUT_HEADER;
}
