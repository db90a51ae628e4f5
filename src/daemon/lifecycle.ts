import type { Log } from "../base/log.ts";
import type { RunningDaemon } from "./daemon.ts";

const STOP_SIGNALS = ["SIGTERM", "SIGINT", "SIGQUIT"] as const;

/**
 * Hands the process's signals to the daemon until it has finished: SIGTERM, SIGINT and SIGQUIT drain, a second one
 * ends at once.
 */
export async function runUntilSignalled(daemon: RunningDaemon, log: Log): Promise<void> {
  const stop = (signal: string) => void daemon.stop(signal);
  const ignore = (signal: string) => log.warn(`${signal} is not acted upon by this version`);
  for (const signal of STOP_SIGNALS) process.on(signal, stop);
  process.on("SIGHUP", ignore);
  await daemon.finished;
  for (const signal of STOP_SIGNALS) process.off(signal, stop);
  process.off("SIGHUP", ignore);
}
