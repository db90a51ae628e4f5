import { isEnding } from "../backend/usage.ts";
import { beginningOfText } from "../base/bounded-read.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { sendSignal } from "../base/signal.ts";
import type { Reaper } from "../start/reaper.ts";
import { MarkReader } from "./mark-reader.ts";
import { StrayLook, stillThere } from "./stray-look.ts";

const LOOK_MS = 20;
/** Of signal 9 in a mask of signals. */
const SIGKILL_BIT = 1n << 8n;
/** How long the end of what was killed may take: the kernel's part of it. */
const KILLED_MS = 2000;

/**
 * Kills what is left of an earlier daemon's programs: processes with its mark in their environment, such as children that a program left
 * behind on purpose. A pid alone proves nothing, it may be another process by now; and a mark proves nothing for a process that somebody else has
 * started since, such as atd(8), which keeps the environment of whoever asked. Takes some seconds at the most, whatever they do.
 */
export async function endStraysOf(instance: string, clock: Clock, log: Log): Promise<void> {
  const marks = new MarkReader(instance, { clock, log });
  const look = new StrayLook(marks);
  const ended = new Set<number>();
  try {
    let found = await look.strays();
    const until = clock.now() + KILLED_MS;
    // What a killed one had started belongs to nobody then.
    while (found.some(({ pid }) => !ended.has(pid)) && clock.now() < until) {
      for (const pid of stillThere(found)) if (sendSignal(pid, "SIGKILL")) ended.add(pid);
      found = await look.strays();
    }
  } finally {
    marks.close();
  }
  if (ended.size > 0) log.warn("ended processes that an earlier daemon left", { pids: [...ended].join(",") });
}

export interface LeftBehind {
  readonly reaper: Reaper;
  readonly instance: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Ends what programs have left behind: SIGTERM, and SIGKILL after `timeoutMs`. What the reaper knows of hears it at once, whatever others do. */
export async function endLeftBehind({ reaper, instance, timeoutMs, clock, log }: LeftBehind): Promise<void> {
  const marks = new MarkReader(instance, { clock, log });
  const look = new StrayLook(marks);
  const ended = new Set<number>();
  try {
    endAll(orphansOf(reaper), timeoutMs === 0, ended);
    let strays = await look.strays();
    const startedAt = performance.now();
    for (;;) {
      const found = new Set([...orphansOf(reaper), ...stillThere(strays)]);
      const elapsedMs = performance.now() - startedAt;
      if (found.size === 0 || elapsedMs > timeoutMs + KILLED_MS) break;
      endAll(found, elapsedMs >= timeoutMs, ended);
      await Bun.sleep(LOOK_MS);
      strays = await look.strays();
    }
  } finally {
    marks.close();
  }
  if (ended.size > 0) log.warn("ended processes that programs left", { pids: [...ended].join(",") });
}

function orphansOf(reaper: Reaper): number[] {
  reaper.reapOrphans();
  return reaper.orphans();
}

/** A signal for each of them; `ended`: those that had one. */
function endAll(found: Iterable<number>, isTimeUp: boolean, ended: Set<number>): void {
  for (const pid of found) {
    // What was killed together with its program has not been left.
    if (!ended.has(pid) && isBeingKilled(pid)) continue;
    if (isTimeUp) sendSignal(pid, "SIGKILL");
    else if (!ended.has(pid)) {
      sendSignal(pid, "SIGTERM");
      sendSignal(pid, "SIGCONT");
    }
    ended.add(pid);
  }
}

/** Whether a process has been sent SIGKILL and does not know it yet, or is about to end (/proc/PID/status). */
function isBeingKilled(pid: number): boolean {
  const status = beginningOfText(`/proc/${pid}/status`);
  const pending = [...status.matchAll(/^(?:SigPnd|ShdPnd):\t([0-9a-f]+)$/gm)];
  return isEnding(pid) || pending.some(([, mask]) => (BigInt(`0x${mask}`) & SIGKILL_BIT) !== 0n);
}
