import { messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { RunningDaemon } from "./daemon.ts";

/** sysexits.h: an internal software error. */
const EX_SOFTWARE = 70;
const STOP_SIGNALS = ["SIGTERM", "SIGINT", "SIGQUIT"] as const;

/**
 * Hands the process's signals to the daemon until it has finished: SIGTERM, SIGINT and SIGQUIT drain, a second one
 * ends at once. Returns the exit status.
 */
export async function runUntilSignalled(daemon: RunningDaemon, log: Log): Promise<number> {
  let status = 0;
  const stop = (signal: string) => void daemon.stop(signal);
  const ignore = (signal: string) => log.warn(`${signal} is not acted upon by this version`);
  for (const signal of STOP_SIGNALS) process.on(signal, stop);
  process.on("SIGHUP", ignore);
  // Nobody knows what state it left: finish what can be finished and let the service manager start anew.
  const onBug = (error: unknown) => {
    const stack = error instanceof Error ? error.stack : undefined;
    log.error(`a bug in std-fpm, stopping: ${messageOf(error)}`, { stack });
    status = EX_SOFTWARE;
    stop("a bug");
  };
  process.on("uncaughtException", onBug);
  await daemon.finished;
  for (const signal of STOP_SIGNALS) process.off(signal, stop);
  process.off("SIGHUP", ignore);
  process.off("uncaughtException", onBug);
  return status;
}
