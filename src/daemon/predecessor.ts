import type { Clock } from "../base/clock.ts";
import { sendSignal } from "../base/signal.ts";

const LOOK_MS = 10;

/**
 * Waits until the daemon that handed over to this one has ended: it is this process's parent. While `isHurried`, it is told
 * to end at once.
 */
export async function waitForPredecessor(pid: number, clock: Clock, isHurried: () => boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = () => {
    // Orphans get another parent in the same moment, so this is never a process that merely has the same number.
    if (process.ppid !== pid) resolve();
    // The first one merely asks for what it does already; the second one counts.
    else if (isHurried()) sendSignal(pid, "SIGTERM");
  };
  const looking = clock.every(LOOK_MS, look);
  look();
  await promise;
  looking.cancel();
}
