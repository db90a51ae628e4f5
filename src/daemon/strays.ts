import { readdirSync } from "node:fs";
import { isEnding } from "../backend/usage.ts";
import { beginningOfText } from "../base/bounded-read.ts";
import type { Log } from "../base/log.ts";
import { parentOf } from "../base/proc-stat.ts";
import { sendSignal } from "../base/signal.ts";
import type { Reaper } from "../start/reaper.ts";
import { MarkLook } from "./marks.ts";

/** The first process, which adopts what nobody else does; and whoever started that, outside of a container. */
const FIRST_PIDS: readonly number[] = [0, 1];
const LOOK_MS = 20;
/** Of signal 9 in a mask of signals. */
const SIGKILL_BIT = 1n << 8n;
/** How long the end of what was killed may take: the kernel's part of it. */
const KILLED_MS = 2000;

/**
 * Kills what is left of an earlier daemon's programs: processes with its mark in their environment, such as children that a program left
 * behind on purpose. A pid alone proves nothing, it may be another process by now; and a mark proves nothing for a process that somebody else has
 * started since, such as atd(8), which keeps the environment of whoever asked.
 */
export function endStraysOf(instance: string | undefined, log: Log): void {
  if (instance === undefined) return;
  const ended = new Set<number>();
  // What a killed one had started belongs to nobody then.
  for (let found = straysOf(instance); found.some((pid) => !ended.has(pid)); found = straysOf(instance))
    for (const pid of found) if (sendSignal(pid, "SIGKILL")) ended.add(pid);
  if (ended.size > 0) log.warn("ended processes that an earlier daemon left", { pids: [...ended].join(",") });
}

export interface LeftBehind {
  readonly reaper: Reaper;
  readonly instance: string;
  readonly timeoutMs: number;
  readonly log: Log;
}

/** Ends what programs have left behind: SIGTERM, and SIGKILL after `timeoutMs`. */
export async function endLeftBehind({ reaper, instance, timeoutMs, log }: LeftBehind): Promise<void> {
  const ended = new Set<number>();
  const startedAt = performance.now();
  for (;;) {
    reaper.reapOrphans();
    const found = [...new Set([...reaper.orphans(), ...straysOf(instance)])];
    const elapsedMs = performance.now() - startedAt;
    if (found.length === 0 || elapsedMs > timeoutMs + KILLED_MS) break;
    for (const pid of found) {
      // What was killed together with its program has not been left.
      if (!ended.has(pid) && isBeingKilled(pid)) continue;
      if (elapsedMs >= timeoutMs) sendSignal(pid, "SIGKILL");
      else if (!ended.has(pid)) {
        sendSignal(pid, "SIGTERM");
        sendSignal(pid, "SIGCONT");
      }
      ended.add(pid);
    }
    await Bun.sleep(LOOK_MS);
  }
  if (ended.size > 0) log.warn("ended processes that programs left", { pids: [...ended].join(",") });
}

/** Processes with this mark that nobody else answers for. */
function straysOf(instance: string): number[] {
  const look = new MarkLook(instance);
  const marked = new Set(pids().filter((pid) => pid !== process.pid && look.finds(pid)));
  const adopters = new Set([...FIRST_PIDS, process.pid]);
  return [...marked].filter((pid) => {
    let parent = parentOf(pid);
    while (parent !== undefined && marked.has(parent)) parent = parentOf(parent);
    return parent !== undefined && (adopters.has(parent) || isSystemd(parent));
  });
}

function pids(): number[] {
  return readdirSync("/proc").map(Number).filter(Number.isInteger);
}

/** A user's systemd adopts what is left of that user's services. */
function isSystemd(pid: number): boolean {
  return beginningOfText(`/proc/${pid}/comm`) === "systemd\n";
}

/** Whether a process has been sent SIGKILL and does not know it yet, or is about to end (/proc/PID/status). */
function isBeingKilled(pid: number): boolean {
  const status = beginningOfText(`/proc/${pid}/status`);
  const pending = [...status.matchAll(/^(?:SigPnd|ShdPnd):\t([0-9a-f]+)$/gm)];
  return isEnding(pid) || pending.some(([, mask]) => (BigInt(`0x${mask}`) & SIGKILL_BIT) !== 0n);
}
