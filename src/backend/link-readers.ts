import { readFileSync } from "node:fs";
import { childrenOf, TICK_MS } from "../base/proc-stat.ts";
import { holdsSocket } from "./process-tree.ts";
import { startTicksOf } from "./usage.ts";

/** So long a request is unread before it is asked who would read it. */
const FIRST_LOOK_MS = 50;
/** Processes of one program that are looked at. */
const MOST_READERS = 256;

/**
 * Who would read what waits on the kept connection to a process: the process itself, or one below it that was there before the connection, such as a
 * worker of a manager. A child that was forked later has a mere copy, and reads its own things.
 */
export class LinkReaders {
  /** When the connection carried its first request. */
  #connectedAt = 0;
  /** Whether that was the first of all: the workers that a process has started may be hardly older. */
  #isFirst = true;
  #lookAt = 0;

  onConnected(now: number, isFirst: boolean): void {
    this.#connectedAt = now;
    this.#isFirst = isFirst;
  }

  /**
   * Whether nobody is left who would read a request that has waited for so long; `inode` is of the process's end. Looked up the more seldom, the longer
   * it waits; false in between, and where it cannot be told.
   */
  areGone(pid: number, inode: number, waitedMs: number, now: number): boolean {
    if (waitedMs < FIRST_LOOK_MS || now < this.#lookAt) return false;
    this.#lookAt = now + waitedMs;
    if (inode === 0) return false;
    const readers = [pid];
    for (const reader of readers) {
      if (readers.length > MOST_READERS || holdsSocket(reader, inode) !== false) return false;
      readers.push(...childrenOf(reader).filter((child) => this.#isOlder(child, now)));
    }
    return true;
  }

  /** Both times are known by a tick: a child that was started with the request, or just before, may be either. */
  #isOlder(pid: number, now: number): boolean {
    const age = ageMs(pid);
    if (age === undefined) return false;
    const olderMs = age - (now - this.#connectedAt);
    return olderMs >= 2 * TICK_MS || (olderMs > -TICK_MS && this.#isFirst);
  }
}

/**
 * Who may be at a request that a process was lent `lentMs` ago: itself, and the workers that it had by then. What it has forked since has a mere copy
 * of its connection.
 */
export function workersOf(pid: number, lentMs: number): number[] {
  return [pid, ...childrenOf(pid).filter((child) => (ageMs(child) ?? 0) > lentMs)];
}

/** How long a process has been there, by a tick; undefined when it has gone. */
export function ageMs(pid: number): number | undefined {
  const ticks = startTicksOf(pid);
  return ticks === undefined ? undefined : uptimeMs() - Number(ticks) * TICK_MS;
}

function uptimeMs(): number {
  return Number.parseFloat(readFileSync("/proc/uptime", "latin1")) * 1000;
}
