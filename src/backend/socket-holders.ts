import { childrenOfAll, userOf } from "../base/proc-stat.ts";
import { sendSignal } from "../base/signal.ts";
import { holdsSocket } from "./process-tree.ts";

/** A process that is forking when it is looked at has a child that is not there yet: nobody must be found so often in a row. */
const EMPTY_ROUNDS = 3;
const MOST_ROUNDS = 20;
const ROUND_MS = 20;
/** Of those that are looked at in one round. */
const MOST_PROCESSES = 1024;

/**
 * Kills what a program has left behind that has its listening socket, given by its inode, until none is left; their pids. For a program that has ended
 * before it was of any use, or whose workers go on. Only what is known to come of it: what std-fpm was left (`orphans`), and what these have started, as
 * far as it runs as the program's user. Somebody else may have been sent the socket.
 */
export async function endHoldersOf(
  inode: number,
  uid: number,
  orphans: () => readonly number[],
): Promise<readonly number[]> {
  const ended = new Set<number>();
  let emptyRounds = 0;
  for (let round = 0; round < MOST_ROUNDS && emptyRounds < EMPTY_ROUNDS; round++) {
    const found = familiesOf(orphans()).filter((pid) => userOf(pid) === uid && holdsSocket(pid, inode));
    emptyRounds = found.length === 0 ? emptyRounds + 1 : 0;
    for (const pid of found) {
      ended.add(pid);
      sendSignal(pid, "SIGKILL");
    }
    await Bun.sleep(ROUND_MS);
  }
  return [...ended];
}

/** These processes and all that they have started. */
function familiesOf(pids: readonly number[]): number[] {
  const family = [...pids];
  for (const pid of family) if (family.length < MOST_PROCESSES) family.push(...childrenOfAll(pid));
  return family;
}
