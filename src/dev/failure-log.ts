import type { Log, LogFields, LogLevel } from "../base/log.ts";
import { remember } from "../base/remembering.ts";

/** A request that the daemon could not answer well. */
export interface LoggedFailure {
  readonly reason: string;
  readonly program: string;
}

/** A log that remembers what the failure page shows. */
export interface FailureLog {
  /** To be handed to the daemon; every line goes on to the log behind. */
  readonly log: Log;
  /** The oldest failure logged for the path of a request (its REQUEST_URI without the query), which is forgotten then. */
  takeFailure(uri: string): LoggedFailure | undefined;
  /** The last lines that a program's processes wrote to stderr, oldest first. */
  stderrOf(program: string): readonly string[];
}

const MAX_FAILURES = 100;
const MAX_PROGRAMS = 200;
const MAX_LINES = 30;

/** Wraps a log. Relies on two kinds of the daemon's lines: output with `stream` and `program`, failures with `code` and `uri`. */
export function createFailureLog(behind: Log): FailureLog {
  const failures: (LoggedFailure & { uri: string })[] = [];
  const lines = new Map<string, string[]>();

  function watch(message: string, fields: LogFields | undefined): void {
    if (fields === undefined) return;
    const program = String(fields["program"] ?? "");
    if (fields["stream"] === "stderr") {
      const known = lines.get(program) ?? [];
      remember(lines, program, [...known, message].slice(-MAX_LINES), MAX_PROGRAMS);
    } else if (fields["code"] !== undefined && fields["uri"] !== undefined) {
      failures.push({ reason: message, program, uri: String(fields["uri"]) });
      if (failures.length > MAX_FAILURES) failures.shift();
    }
  }

  const tee = (level: LogLevel) => (message: string, fields?: LogFields) => {
    watch(message, fields);
    behind[level](message, fields);
  };
  return {
    log: {
      isDebug: behind.isDebug,
      debug: tee("debug"),
      info: tee("info"),
      warn: tee("warn"),
      error: tee("error"),
    },
    takeFailure(uri) {
      const at = failures.findIndex((failure) => failure.uri === uri);
      return at === -1 ? undefined : failures.splice(at, 1)[0];
    },
    stderrOf: (program) => lines.get(program) ?? [],
  };
}
