import type { Backend } from "../backend/backend.ts";
import { causeOf, describeExit, type Exit } from "../backend/exit.ts";
import type { Log } from "../base/log.ts";

/** Writes the one line about an exit, once the program's last words have been read. */
export async function logExit(backend: Backend, exit: Exit, ageMs: number, log: Log): Promise<void> {
  await backend.finished;
  const cause = causeOf(exit);
  const isFailure = cause === "crash" || cause === "boot failure";
  log[isFailure ? "error" : "info"](describeExit(exit), {
    program: backend.program.name,
    pid: backend.pid,
    cause,
    reason: exit.reason,
    age: `${Math.round(ageMs / 100) / 10}s`,
    served: backend.served,
    stderr: backend.lastStderr || undefined,
  });
}
