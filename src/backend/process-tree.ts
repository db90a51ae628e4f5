import { readdirSync, readlinkSync, statSync } from "node:fs";
import { cpuUsageOf, NOTHING_USED, ownMemoryOf, residentOf, type Usage, withUsage } from "./usage.ts";

/** Descriptors of a process that are looked at: a connection is among the first that it has. */
const MOST_DESCRIPTORS = 64;
const FIRST_DESCRIPTORS = Array.from({ length: MOST_DESCRIPTORS }, (_, fd) => String(fd));
/** More are not listed, which would take milliseconds, and up to a second. */
const MOST_LISTED = 1024;

/** Memory that a process and its children hold, in bytes: what they share counts once. Undefined when it has gone. */
export function treeMemoryOf(pid: number, children: readonly number[]): number | undefined {
  const resident = residentOf(pid);
  return resident === undefined ? undefined : resident + sumOf(children);
}

/** The same without what any of them shares with others: about what one tree more costs. */
export function ownTreeMemoryOf(pid: number, children: readonly number[]): number | undefined {
  const own = ownMemoryOf(pid);
  return own === undefined ? undefined : own + sumOf(children);
}

/** What a process and its children have used of the CPU. */
export function treeUsageOf(own: Usage, children: readonly number[]): Usage {
  return children.reduce((total, pid) => withUsage(total, cpuUsageOf(pid) ?? NOTHING_USED), own);
}

/** Which of these processes has a socket, given by its inode; undefined where that is none, or cannot be told. */
export function holderAmong(pids: readonly number[], inode: number): number | undefined {
  return inode === 0 ? undefined : pids.find((pid) => holdsSocket(pid, inode) === true);
}

/** Whether a process has a socket, given by its inode; undefined where it has more descriptors than are looked at, or they cannot be seen. */
export function holdsSocket(pid: number, inode: number): boolean | undefined {
  try {
    const folder = `/proc/${pid}/fd`;
    // The kernel tells how many they are since Linux 6.2.
    const isListed = statSync(folder).size <= MOST_LISTED;
    const all = isListed ? readdirSync(folder) : FIRST_DESCRIPTORS;
    const looked = all.slice(0, MOST_DESCRIPTORS);
    if (looked.some((fd) => linkAt(`${folder}/${fd}`) === `socket:[${inode}]`)) return true;
    return isListed && looked.length === all.length ? false : undefined;
  } catch {
    return undefined;
  }
}

function sumOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + (ownMemoryOf(pid) ?? 0), 0);
}

function linkAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // Closed meanwhile.
    return "";
  }
}
