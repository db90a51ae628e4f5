import type { Backend } from "../backend/backend.ts";
import type { Exit } from "../backend/exit.ts";
import { FpmError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";

/** The failed start that this exit is, or undefined: the process had accepted a connection, or we ended it. */
export function bootFailureOf(backend: Backend, exit: Exit): FpmError | undefined {
  if (exit.wasStarted) return undefined;
  if (exit.reason === "start timeout") {
    return new FpmError(
      "START_TIMEOUT",
      "backend",
      `${backend.label} did not accept a connection within start_timeout.`,
    );
  }
  if (exit.reason !== undefined) return undefined;
  return new FpmError(
    "BOOT_FAILED",
    "backend",
    `${backend.label} ${describe(exit)} before it accepted a connection.`,
  );
}

/** Writes the one line about an exit, once the program's last words have been read. */
export async function logExit(backend: Backend, exit: Exit, ageMs: number, log: Log): Promise<void> {
  await backend.finished;
  const isAsked = exit.reason !== undefined && exit.reason !== "start timeout";
  const isExpected = isAsked || (exit.wasStarted && exit.code === 0);
  const reason = exit.reason ?? (exit.wasStarted ? undefined : "boot failure");
  log[isExpected ? "info" : "error"](describe(exit), {
    program: backend.program.name,
    pid: backend.pid,
    reason,
    age: `${Math.round(ageMs / 100) / 10}s`,
    served: backend.served,
    stderr: backend.lastStderr || undefined,
  });
}

function describe(exit: Exit): string {
  return exit.signal === null ? `exited with status ${exit.code}` : `ended by ${exit.signal}`;
}
