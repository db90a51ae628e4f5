import { readdirSync, readFileSync } from "node:fs";
import { childrenOf } from "../base/proc-stat.ts";
import { holderAmong, MOST_DESCRIPTORS } from "./process-tree.ts";
import { startTicksOf } from "./usage.ts";

/** A tick of /proc: USER_HZ is 100 on x86-64 and arm64. */
const TICK_MS = 10;
/** Processes of one program that are looked at. */
const MOST_READERS = 256;

/** A kept connection whose request nobody has read yet. */
export interface UnreadLink {
  /** Of the program's end; 0: not known. */
  readonly inode: number;
  /** How long ago it carried its first request. */
  readonly ageMs: number;
  /** Whether that was the first of all: the workers that a process has started may be hardly older. */
  readonly isFirst: boolean;
}

/**
 * Whether anybody is left who would read it: the process, or one below it that was there before the connection, such as a worker of a manager. A child
 * that was forked later has a mere copy, and reads its own things. True where it cannot be told.
 */
export function hasReaders(pid: number, link: UnreadLink): boolean {
  const { inode } = link;
  if (inode === 0) return true;
  const readers = [pid, ...below(pid, link)];
  return readers.length > MOST_READERS || readers.some(hasMany) || holderAmong(readers, inode) !== undefined;
}

/** Those below a process that are older than the connection. */
function below(pid: number, link: UnreadLink): number[] {
  const found: number[] = [];
  const parents = [pid];
  for (
    let parent = parents.pop();
    parent !== undefined && found.length <= MOST_READERS;
    parent = parents.pop()
  ) {
    const children = childrenOf(parent).filter((child) => isOlder(child, link));
    found.push(...children);
    parents.push(...children);
  }
  return found;
}

/** Both times are known by a tick: a child that was started with the request, or just before, may be either. */
function isOlder(pid: number, { ageMs, isFirst }: UnreadLink): boolean {
  const ticks = startTicksOf(pid);
  if (ticks === undefined) return false;
  const olderMs = uptimeMs() - Number(ticks) * TICK_MS - ageMs;
  return olderMs >= 2 * TICK_MS || (olderMs > -TICK_MS && isFirst);
}

function uptimeMs(): number {
  return Number.parseFloat(readFileSync("/proc/uptime", "latin1")) * 1000;
}

/** Whether it has more descriptors than are looked at, or they cannot be seen. */
function hasMany(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).length > MOST_DESCRIPTORS;
  } catch {
    return true;
  }
}
