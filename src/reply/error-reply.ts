import type { ErrorCode, FpmError } from "../base/errors.ts";
import { FCGI_REQUEST_COMPLETE, FCGI_UNKNOWN_ROLE } from "../fcgi/protocol.ts";
import { wholeReply } from "./whole-reply.ts";

/** In an answer 503, where nobody knows better. */
const RETRY_AFTER_S = 5;

/** What the browser is told. The reason with its paths stays in the log. */
const STATUS: Partial<Record<ErrorCode, readonly [line: string, text: string]>> = {
  SCRIPT_MISSING: ["400 Bad Request", "No input file specified."],
  SCRIPT_INVALID: ["400 Bad Request", "Invalid file name."],
  PARAMS_MALFORMED: ["400 Bad Request", "Malformed request."],
  HEAD_TOO_LARGE: ["400 Bad Request", "Request head too large."],
  ENVIRONMENT_NOT_TEXT: ["400 Bad Request", "Malformed request."],
  ENVIRONMENT_TOO_LARGE: ["431 Request Header Fields Too Large", "Request head too large."],
  ROLE_UNKNOWN: ["400 Bad Request", "Unknown FastCGI role."],
  SCRIPT_NOT_FOUND: ["404 Not Found", "File not found."],
  SCRIPT_FORBIDDEN: ["403 Forbidden", "Access denied."],
  HEAD_TIMEOUT: ["408 Request Timeout", "The request did not arrive in time."],
  BODY_TIMEOUT: ["408 Request Timeout", "The request did not arrive in time."],
  BODY_TOO_LARGE: ["413 Content Too Large", "The request body is too large."],
  SPOOL_FAILED: ["500 Internal Server Error", "The request could not be stored."],
  DISK_STANDS: ["503 Service Unavailable", "The file cannot be looked at at present."],
  SPOOL_FULL: ["503 Service Unavailable", "Too many uploads are under way."],
  NO_DESCRIPTORS: ["503 Service Unavailable", "Too many requests are at work."],
  BUFFER_FULL: ["503 Service Unavailable", "Too much is waiting."],
  QUEUE_FULL: ["503 Service Unavailable", "Too many requests are waiting."],
  QUEUE_TIMEOUT: ["503 Service Unavailable", "No process became free in time."],
  BREAKER_OPEN: ["503 Service Unavailable", "The program cannot be started at present."],
  SHUTTING_DOWN: ["503 Service Unavailable", "The server is shutting down."],
  REQUEST_TIMEOUT: ["504 Gateway Timeout", "The program did not answer in time."],
  START_TIMEOUT: ["504 Gateway Timeout", "The program did not start in time."],
};
const BROKEN = ["502 Bad Gateway", "The program failed."] as const;

/** The HTTP status code that stands for an error. */
export function statusOf(error: FpmError): number {
  return Number.parseInt((STATUS[error.code] ?? BROKEN)[0], 10);
}

/** How long the body of the answer is that stands for an error. */
export function refusalBytes(error: FpmError): number {
  return bodyOf(error).length;
}

/** What the web server is answered instead of a program's answer. */
export function errorReply(requestId: number, error: FpmError): Uint8Array {
  const [line] = STATUS[error.code] ?? BROKEN;
  const seconds =
    error.retryAfterMs === undefined ? RETRY_AFTER_S : Math.max(1, Math.ceil(error.retryAfterMs / 1000));
  const retryAfter = line.startsWith("503") ? `Retry-After: ${seconds}\r\n` : "";
  const response = `Status: ${line}\r\nContent-Type: text/plain; charset=utf-8\r\n${retryAfter}\r\n${bodyOf(error)}`;
  const protocolStatus = error.code === "ROLE_UNKNOWN" ? FCGI_UNKNOWN_ROLE : FCGI_REQUEST_COMPLETE;
  return wholeReply(requestId, new TextEncoder().encode(response), protocolStatus);
}

/** ASCII. */
function bodyOf(error: FpmError): string {
  const [, text] = STATUS[error.code] ?? BROKEN;
  return `${text}\n`;
}
