import type { Clock } from "../base/clock.ts";
import { isOpenSomewhere } from "../base/unix-peer.ts";
import { holderAmong, holdsSocket } from "./process-tree.ts";
import { startTicksOf } from "./usage.ts";

/** How often it is asked whether one is done: less and less often. */
const FIRST_LOOK_MS = 2;
const SLOWER = 1.2;
const LAST_LOOK_MS = 100;

/** Something that goes on for a client that has left. */
export interface Left {
  /** Of the program's end of the client's connection. */
  readonly inode: number;
  /** When its client left. */
  readonly since: number;
  /** Who may be at it, when it is asked. */
  workers(): readonly number[];
  readonly dueAt: number;
  /** `worker` is at it still at `dueAt`. */
  onDue(worker: number): void;
}

interface Work extends Left {
  worker: number | undefined;
  isDue: boolean;
  isGivenUp: boolean;
}

/**
 * What threads or children of one process do for clients that have left. Each has the place of its request until it lets go of the connection: before,
 * it accepts no other. One that nobody below the process has any more, but a job that it has left, is done.
 */
export class LeftWork {
  readonly #clock: Clock;
  readonly #onBack: () => void;
  readonly #works = new Set<Work>();
  #isOver = false;

  /** `onBack`: one of them is done. */
  constructor(clock: Clock, onBack: () => void) {
    this.#clock = clock;
    this.#onBack = onBack;
  }

  get size(): number {
    return this.#works.size;
  }

  /** Since when the oldest goes on; undefined where there is none, or one was given up and is not done yet. */
  get since(): number | undefined {
    return this.#oldest?.since;
  }

  add(left: Left): void {
    if (this.#isOver) return;
    const work: Work = Object.assign(left, { worker: undefined, isDue: false, isGivenUp: false });
    this.#works.add(work);
    const look = (delayMs: number) => {
      this.#clock.after(delayMs, () => {
        if (this.#isOver) return;
        this.#look(work);
        if (this.#works.has(work)) look(Math.min(delayMs * SLOWER, LAST_LOOK_MS));
      });
    };
    look(FIRST_LOOK_MS);
  }

  /** The oldest is to make room: who is at it, and whether it still is when that is asked. It is not `since` any more. */
  giveUp(): { readonly worker: number; isGoingOn(): boolean } | undefined {
    const work = this.#oldest;
    const worker = work?.worker;
    if (!work || worker === undefined) return undefined;
    work.isGivenUp = true;
    return { worker, isGoingOn: () => this.#works.has(work) && work.worker === worker };
  }

  /** The process has ended, and they with it. */
  close(): void {
    this.#isOver = true;
    this.#works.clear();
  }

  get #oldest(): Work | undefined {
    let oldest: Work | undefined;
    for (const work of this.#works) {
      if (work.isGivenUp) return undefined;
      if (work.worker !== undefined && (!oldest || work.since < oldest.since)) oldest = work;
    }
    return oldest;
  }

  #look(work: Work): void {
    // The kernel knows at once whether anybody has it; who, takes a look at descriptors.
    work.worker = isOpenSomewhere(work.inode) ? holderOf(work) : undefined;
    if (work.worker === undefined) {
      this.#works.delete(work);
      this.#onBack();
    } else if (!work.isDue && this.#clock.now() >= work.dueAt) {
      work.isDue = true;
      work.onDue(work.worker);
    }
  }
}

/** Where one has more descriptors than are looked at, or they may not be, it counts as that one's. */
function holderOf({ worker, inode, workers }: Work): number | undefined {
  const same = worker === undefined ? undefined : holderAmong([worker], inode);
  if (same !== undefined) return same;
  const those = workers();
  return holderAmong(those, inode) ?? those.find((pid) => mayHold(pid, inode));
}

function mayHold(pid: number, inode: number): boolean {
  return startTicksOf(pid) !== undefined && holdsSocket(pid, inode) === undefined;
}
