import { encodeEndRequest, encodeStream } from "../fcgi/encoder.ts";
import { FCGI_REQUEST_COMPLETE, FCGI_STDOUT } from "../fcgi/protocol.ts";

/**
 * A whole answer in one piece: a CGI response (RFC 3875 §6) on STDOUT, its end, END_REQUEST. This is the only form that nginx,
 * Apache, lighttpd and Caddy all show alike.
 */
export function wholeReply(
  requestId: number,
  response: Uint8Array,
  protocolStatus = FCGI_REQUEST_COMPLETE,
): Uint8Array {
  const stdout = encodeStream(FCGI_STDOUT, requestId, response, true);
  const end = encodeEndRequest(requestId, 0, protocolStatus);
  const reply = new Uint8Array(stdout.length + end.length);
  reply.set(stdout);
  reply.set(end, stdout.length);
  return reply;
}
