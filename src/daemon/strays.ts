import { readdirSync, readFileSync } from "node:fs";
import { INSTANCE_VARIABLE } from "../backend/spawn.ts";
import type { Log } from "../base/log.ts";

/**
 * Ends what is left of a daemon's programs: processes with its mark in their environment, such as grandchildren that left their
 * group. A pid alone proves nothing, it may be another process by now. `leftBy` is for the log.
 */
export function endStraysOf(instance: string | undefined, leftBy: string, log: Log): void {
  if (instance === undefined) return;
  const ended = endMarked(instance);
  if (ended.length > 0) log.warn(`ended processes that ${leftBy} left`, { pids: ended.join(",") });
}

function endMarked(instance: string): number[] {
  const ended: number[] = [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid || !carriesMark(pid, instance)) continue;
    try {
      process.kill(pid, "SIGKILL");
      ended.push(pid);
    } catch {
      // It has ended in the meantime.
    }
  }
  return ended;
}

function carriesMark(pid: number, instance: string): boolean {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
    return environment.includes(`${INSTANCE_VARIABLE}=${instance}`);
  } catch {
    // Gone, or somebody else's: then it is not ours.
    return false;
  }
}
