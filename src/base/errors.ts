/** Whose mistake an error is: the web server's side, the program's side, or std-fpm's own. */
export type Fault = "client" | "backend" | "daemon";

/** Stable names of every expected failure; docs/errors.md explains each. */
export type ErrorCode =
  | "CONFIG_INVALID"
  | "CONFIG_UNREADABLE"
  | "LISTEN_IN_USE"
  | "LISTEN_FAILED"
  | "PROC_MISSING"
  | "RUNTIME_DIR"
  | "ALREADY_RUNNING"
  | "HANDOVER"
  | "NOT_RUNNING"
  | "NOT_ALLOWED"
  | "PROTOCOL"
  | "HEAD_TOO_LARGE"
  | "ENVIRONMENT_TOO_LARGE"
  | "ENVIRONMENT_NOT_TEXT"
  | "HEAD_TIMEOUT"
  | "BODY_TIMEOUT"
  | "BODY_TOO_LARGE"
  | "SPOOL_FAILED"
  | "SPOOL_FULL"
  | "PARAMS_MALFORMED"
  | "SCRIPT_MISSING"
  | "SCRIPT_INVALID"
  | "SCRIPT_NOT_FOUND"
  | "SCRIPT_FORBIDDEN"
  | "DISK_STANDS"
  | "ROLE_UNKNOWN"
  | "SPAWN_FAILED"
  | "BOOT_FAILED"
  | "START_TIMEOUT"
  | "BREAKER_OPEN"
  | "BACKEND_BROKEN"
  | "REQUEST_TIMEOUT"
  | "BUFFER_FULL"
  | "QUEUE_FULL"
  | "QUEUE_TIMEOUT"
  | "SHUTTING_DOWN"
  | "CONNECT_FAILED"
  | "NO_DESCRIPTORS"
  | "SYSTEM_CALL";

export interface FpmErrorOptions extends ErrorOptions {
  retryAfterMs?: number;
}

/** An expected failure. `message` says what happened, to which path, program or pid, and what to do. */
export class FpmError extends Error {
  override readonly name = "FpmError";
  readonly code: ErrorCode;
  readonly fault: Fault;
  /** When it is worth trying again, in milliseconds from now; undefined where nobody knows. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, fault: Fault, message: string, options?: FpmErrorOptions) {
    super(message, options);
    this.code = code;
    this.fault = fault;
    this.retryAfterMs = options?.retryAfterMs;
  }
}

/** Something that cannot happen did: a mistake in std-fpm itself, worth a bug report. */
export class BugError extends Error {
  override readonly name = "BugError";
}

/** The text of anything thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The errno name (`ENOENT`, …) of a system error, or "" when it has none. */
export function errnoOf(thrown: unknown): string {
  const code = (thrown as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}
