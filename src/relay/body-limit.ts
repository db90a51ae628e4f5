import { FpmError } from "../base/errors.ts";
import type { AppConfig } from "../config/config.ts";
import { FCGI_AUTHORIZER } from "../fcgi/protocol.ts";
import type { ClientStream } from "./client-stream.ts";

/**
 * Has a body held to `max_body`: what is announced, what has come and what is still to come, whatever was announced. An authorizer gets none,
 * whatever the request announces that it is asked about (specification §6.3).
 * @throws FpmError BODY_TOO_LARGE.
 */
export function limitBody(client: ClientStream, { maxBodyBytes }: AppConfig): void {
  const { head, bodyBytes } = client;
  if (maxBodyBytes === 0 || head.role === FCGI_AUTHORIZER) return;
  if (Math.max(head.contentLength ?? 0, bodyBytes) > maxBodyBytes) throw bodyTooLarge(maxBodyBytes);
  client.limitBody(maxBodyBytes);
}

/** What a client is told whose body is larger than `max_body`. */
export function bodyTooLarge(maxBytes: number): FpmError {
  return new FpmError("BODY_TOO_LARGE", "client", `The body has more than max_body (${maxBytes}) bytes.`);
}

/** What a client is told that has sent nothing of its body for so long. */
export function bodyLate(forMs: number): FpmError {
  return new FpmError("BODY_TIMEOUT", "client", `No byte of the body came for ${forMs / 1000} s.`);
}
