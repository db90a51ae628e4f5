import type { Clock, Timer } from "../base/clock.ts";
import { childrenOf } from "../base/proc-stat.ts";
import type { Ending } from "./order.ts";
import { endedChild, waitFor } from "./wait.ts";

/** How long an orphan that has ended may stay a zombie. */
const ORPHANS_MS = 100;

type OnExit = (ending: Ending) => void;

interface Watched {
  /** Whether it is ours to wait for; else Bun does, in its own time. */
  readonly isOurs: boolean;
  readonly onExit: OnExit;
}

/**
 * Notices the ends of children, and waits for those that nobody else waits for: what programs leave behind becomes a child of the daemon
 * (PR_SET_CHILD_SUBREAPER, prctl(2)), and all orphans do where it is the first process of a container. Never for "any" child: Bun waits for
 * its own.
 */
export class Reaper {
  readonly #watched = new Map<number, Watched>();
  /** Children that the main thread has started by Bun: no orphans, and not ours to wait for. */
  readonly #left = new Set<number>();
  readonly #clock: Clock;
  readonly #adopts: boolean;
  readonly #onSignal = () => this.#onChild();
  #nextOrphans: Timer | undefined;

  /** With `adopts` it waits for orphans, too: for every child of the main thread that it was not told of. */
  constructor(clock: Clock, { adopts }: { readonly adopts: boolean }) {
    this.#clock = clock;
    this.#adopts = adopts;
    process.on("SIGCHLD", this.#onSignal);
  }

  /** Hears when a child has ended; at once when it has already. One that is ours to wait for is a zombie until it has been heard. */
  watch(pid: number, isOurs: boolean, onExit: OnExit): void {
    this.#watched.set(pid, { isOurs, onExit });
    this.#lookAt(pid);
  }

  /** A child has ended; whoever watches it hears of it once. */
  onEnded(pid: number, ending: Ending): void {
    const watched = this.#watched.get(pid);
    this.#watched.delete(pid);
    watched?.onExit(ending);
  }

  /** Bun waits for this child of the main thread. */
  leave({ pid, exited }: { readonly pid: number; readonly exited: Promise<unknown> }): void {
    this.#left.add(pid);
    const forget = () => this.#left.delete(pid);
    exited.then(forget, forget);
  }

  /** Waits for orphans that have ended. */
  reapOrphans(): void {
    for (const pid of this.orphans()) waitFor(pid, true);
  }

  /** Processes that programs, or others, have left behind, and that are children of ours now. */
  orphans(): number[] {
    return childrenOf(process.pid).filter((pid) => !this.#watched.has(pid) && !this.#left.has(pid));
  }

  close(): void {
    this.#nextOrphans?.cancel();
    process.off("SIGCHLD", this.#onSignal);
  }

  /** Some child has ended. Those that are waited for are looked at now, orphans a little later, however many end until then. */
  #onChild(): void {
    this.#lookAtEnded();
    if (!this.#adopts) return;
    this.#nextOrphans ??= this.#clock.after(ORPHANS_MS, () => {
      this.#nextOrphans = undefined;
      this.reapOrphans();
    });
  }

  /** As long as those that have ended are ours to wait for, no other one is looked at, however many there are. */
  #lookAtEnded(): void {
    for (let pid = endedChild(); pid !== undefined; pid = endedChild()) {
      const isOurs = this.#watched.get(pid)?.isOurs ?? false;
      this.#lookAt(pid);
      if (isOurs) continue;
      // Until it is waited for by whoever it belongs to, it hides the others.
      for (const each of [...this.#watched.keys()]) this.#lookAt(each);
      return;
    }
  }

  #lookAt(pid: number): void {
    const watched = this.#watched.get(pid);
    if (!watched) return;
    const found = waitFor(pid, false);
    // One that Bun has waited for is told by its thread.
    if (typeof found === "string") return;
    try {
      this.onEnded(pid, found);
    } finally {
      if (watched.isOurs) waitFor(pid, true);
    }
  }
}
