import type { Clock } from "../base/clock.ts";
import { holderAmong } from "./process-tree.ts";

/** How often it is asked whether one is done: less and less often. */
const FIRST_LOOK_MS = 2;
const SLOWER = 1.2;
const LAST_LOOK_MS = 100;

/**
 * Children of one process that work on for clients that have left. Each has the place of its request until it lets go of the connection: before, it
 * accepts no other.
 */
export class LeftChildren {
  readonly #clock: Clock;
  readonly #onBack: () => void;
  readonly #pids = new Set<number>();
  #isOver = false;

  /** `onBack`: one of them is done. */
  constructor(clock: Clock, onBack: () => void) {
    this.#clock = clock;
    this.#onBack = onBack;
  }

  get size(): number {
    return this.#pids.size;
  }

  /** The request's connection of `pid` has this inode. `onDue` comes if that has it still at `dueAt`. */
  add(pid: number, inode: number, dueAt: number, onDue: () => void): void {
    this.#pids.add(pid);
    let isDue = false;
    const look = (delayMs: number) => {
      this.#clock.after(delayMs, () => {
        if (this.#isOver) return;
        if (holderAmong([pid], inode) === undefined) {
          this.#pids.delete(pid);
          this.#onBack();
          return;
        }
        if (!isDue && this.#clock.now() >= dueAt) {
          isDue = true;
          onDue();
        }
        look(Math.min(delayMs * SLOWER, LAST_LOOK_MS));
      });
    };
    look(FIRST_LOOK_MS);
  }

  /** The process has ended, and they with it. */
  close(): void {
    this.#isOver = true;
    this.#pids.clear();
  }
}
