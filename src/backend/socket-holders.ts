import { readdir, readlink } from "node:fs/promises";
import { sendSignal } from "../base/signal.ts";

/** Descriptors of a process that are looked at: a program has its listening socket among the first. */
const MOST_DESCRIPTORS = 64;
/** A process that is forking when it is looked at has a child that is not there yet: nobody must be found so often in a row. */
const EMPTY_ROUNDS = 3;
const MOST_ROUNDS = 20;
const ROUND_MS = 20;

/**
 * Kills every other process that has a socket, given by its inode, until none is left; their pids. For what a program leaves behind that has ended
 * before it was of any use: nobody else can have its listening socket. Reads /proc, which may take a while, off the event loop.
 */
export async function endHoldersOf(inode: number): Promise<readonly number[]> {
  const ended = new Set<number>();
  let emptyRounds = 0;
  for (let round = 0; round < MOST_ROUNDS && emptyRounds < EMPTY_ROUNDS; round++) {
    const found = await holdersOf(`socket:[${inode}]`);
    emptyRounds = found.length === 0 ? emptyRounds + 1 : 0;
    for (const pid of found) {
      ended.add(pid);
      sendSignal(pid, "SIGKILL");
    }
    await Bun.sleep(ROUND_MS);
  }
  return [...ended];
}

async function holdersOf(link: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await list("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    if (await holds(pid, link)) found.push(pid);
  }
  return found;
}

async function holds(pid: number, link: string): Promise<boolean> {
  for (const fd of (await list(`/proc/${pid}/fd`)).slice(0, MOST_DESCRIPTORS)) {
    if ((await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")) === link) return true;
  }
  return false;
}

/** Empty when it has gone, or is somebody else's. */
async function list(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => []);
}
