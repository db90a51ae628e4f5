import type { AppConfig } from "../config/config.ts";
import { FCGI_HEADER_LEN, FCGI_RESPONDER } from "../fcgi/protocol.ts";
import type { ClientStream } from "./client-stream.ts";

/**
 * Whether a body must be complete before a program gets it: the program would not know its length, or the settings say so. A plain CGI program gets
 * it whole, too: many print their header before they read, and nginx sends no more of a body then.
 */
export function mustBeSpooled(client: ClientStream, { spool, protocol }: AppConfig): boolean {
  const { head } = client;
  if (spool === "never" || head.role !== FCGI_RESPONDER) return false;
  if (head.contentLength !== undefined)
    return (spool === "always" || protocol === "cgi") && !client.isBodyComplete;
  // Nearly every request: a GET without CONTENT_LENGTH and without a body. Where others have none it is told as 0.
  const isEmpty = client.isBodyComplete && client.body.bytes <= FCGI_HEADER_LEN;
  return !isEmpty || !head.isSafe || (head.value("CONTENT_LENGTH") ?? "") !== "";
}
