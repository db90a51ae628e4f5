import type { Clock } from "../base/clock.ts";
import { childrenOfAll, userOf } from "../base/proc-stat.ts";
import { sendSignal } from "../base/signal.ts";
import type { Turns } from "../base/turns.ts";
import type { BackendSocket } from "./backend-socket.ts";
import type { BackendDeps } from "./lent-backend.ts";
import { holdsSocket } from "./process-tree.ts";

/** A process that is forking when it is looked at has a child that is not there yet: nobody must be found so often in a row. */
const EMPTY_ROUNDS = 3;
const MOST_ROUNDS = 20;
const ROUND_MS = 20;
/** How long somebody who has the socket of a program that has ended may take to accept a connection there. */
const STILL_ACCEPTING_MS = 100;
/** Of the program's user, in one round; the next one goes on with others. */
const MOST_ORPHANS = 256;
/** With what these have started. */
const MOST_PROCESSES = 1024;

/** Where those are looked for that have a program's listening socket. */
export interface HoldersSearch {
  /** The socket's. */
  readonly inode: number;
  /** Whom the program ran as. */
  readonly uid: number;
  /** What std-fpm was left, the oldest first. */
  orphans(): readonly number[];
  /** There may be many, with many descriptors each, and they may be somebody else's: nobody stands for that. */
  readonly turns: Turns;
}

/**
 * Kills what a program has left behind that has its listening socket, given by its inode, until none is left; their pids. For a program that has ended
 * before it was of any use, or whose workers go on. Only what is known to come of it: what std-fpm was left (`orphans`), and what these have started, as
 * far as it runs as the program's user. Somebody else may have been sent the socket.
 */
export async function endHoldersOf(search: HoldersSearch): Promise<readonly number[]> {
  const ended: number[] = [];
  const others = new Set<number>();
  let emptyRounds = 0;
  for (let round = 0; round < MOST_ROUNDS && emptyRounds < EMPTY_ROUNDS; round++) {
    const found = await search.turns.run(killHolders(search, others));
    emptyRounds = found.length === 0 ? emptyRounds + 1 : 0;
    ended.push(...found);
    await Bun.sleep(ROUND_MS);
  }
  return [...new Set(ended)];
}

/**
 * One round. The youngest orphans come first: they are the likeliest. `others` need no second look: they do not have it, and get it no more, and what
 * they started while they had it has been looked for after that.
 */
function* killHolders(search: HoldersSearch, others: Set<number>): Generator<void, readonly number[]> {
  const { inode, uid, orphans } = search;
  const family: number[] = [];
  const found: number[] = [];
  const add = (pid: number, most: number) => {
    if (family.length >= most || others.has(pid)) return;
    if (userOf(pid) === uid) family.push(pid);
    else others.add(pid);
  };
  for (const pid of orphans().toReversed()) {
    yield;
    add(pid, MOST_ORPHANS);
  }
  for (const pid of family) {
    yield;
    const isHolder = holdsSocket(pid, inode);
    const children = childrenOfAll(pid);
    if (isHolder) {
      found.push(pid);
      sendSignal(pid, "SIGKILL");
    } else others.add(pid);
    for (const child of children) add(child, MOST_PROCESSES);
  }
  return found;
}

/**
 * A program that puts itself into the background has ended for us, and so has one whose workers go on: what accepts there is of no use to
 * anybody, and could not be ended later. A job that it has left on purpose accepts nothing, and goes on. `isStarted`: it had accepted a connection.
 */
export async function endBackground(
  socket: BackendSocket,
  uid: number,
  isStarted: boolean,
  { clock, orphans, turns }: BackendDeps,
): Promise<readonly number[]> {
  if (isStarted && !(await isStillAccepting(socket, clock))) return [];
  return await endHoldersOf({ inode: socket.inode, uid, orphans, turns });
}

/** Whether somebody accepts on the socket of a process that has ended. A mere child of it would not. */
function isStillAccepting(socket: BackendSocket, clock: Clock): Promise<boolean> {
  socket.closeIdle();
  socket.knock();
  return new Promise((resolve) => {
    clock.after(STILL_ACCEPTING_MS, () => resolve(!socket.hasUnaccepted));
  });
}
