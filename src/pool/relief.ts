import type { Backend, Ending, Lease } from "../backend/backend.ts";
import type { StopReason } from "../backend/exit.ts";

/** After so many answers in a row for scripts that it has answered before, a tree is warm. */
export const FAMILIAR_ANSWERS = 32;
/** Where less is asked for, a tree counts as warm so long after it was ready. */
export const TRIAL_MS = 5000;

/** Requests that a new tree leaves unanswered before it is judged at once. */
export const MOST_UNANSWERED = 3;

/** How a new tree does while the one is still there whose place it takes. */
interface Trial {
  readonly since: number;
  /** What it has in its cache. */
  readonly scripts: Set<string | undefined>;
  /** Answers since the last one for a script that it had not answered before. */
  familiar: number;
  answered: number;
  unanswered: number;
}

/** How a trial came out: the tree is warm, or leaves requests unanswered. */
export interface Verdict {
  readonly tree: Backend;
  readonly isWarm: boolean;
}

/**
 * How trees, processes whose children share a cache, relieve each other: one after the other, and none leaves before the one in its place is warm.
 *
 *     ready ──one is due──► on trial ──warm──► serves ──recycled, new version──► due ──relieved──► leaves
 *                              └─failed──► leaves, and another one is tried later
 *
 * A new tree is lent to requests before all others, but to few at once as long as there are scripts among them that are new to it: what it must
 * compile it compiles once, and one visitor waits for it.
 */
export class Relief {
  /** Those that leave when they are relieved. */
  readonly #due = new Map<Backend, StopReason>();
  readonly #trials = new Map<Backend, Trial>();

  /** Whether there is nothing to be decided. */
  get isOver(): boolean {
    return this.#due.size + this.#trials.size === 0;
  }

  get isTrying(): boolean {
    return this.#trials.size > 0;
  }

  /** Whether one waits to be relieved, and none is there yet to do it. */
  get needsTree(): boolean {
    return this.#due.size > 0 && !this.isTrying;
  }

  isOnTrial(tree: Backend): boolean {
    return this.#trials.has(tree);
  }

  /** It is to be relieved, and leaves then for this reason. */
  mark(tree: Backend, reason: StopReason): void {
    this.#trials.delete(tree);
    if (!this.#due.has(tree)) this.#due.set(tree, reason);
  }

  /** It is ready since `now`. True: it is on trial, as there is one to be relieved. */
  onReady(tree: Backend, now: number): boolean {
    if (this.#due.size === 0) return false;
    this.#trials.set(tree, { since: now, scripts: new Set(), familiar: 0, answered: 0, unanswered: 0 });
    return true;
  }

  /** It leaves: nobody needs to relieve it any more. */
  onLeaving(tree: Backend): void {
    this.#due.delete(tree);
  }

  /** It has ended, or its trial is over. True: it was on trial. */
  endTrial(tree: Backend): boolean {
    return this.#trials.delete(tree);
  }

  /** None is relieved any more; those that are due stay or leave without it. */
  clear(): void {
    this.#due.clear();
    this.#trials.clear();
  }

  /** A request is over. One whose client left after the answer had begun says nothing. */
  onEnd({ backend, script, bytesOut }: Lease, how: Ending): void {
    const trial = this.#trials.get(backend);
    if (!trial || how === "stale") return;
    if (how !== "left") onAnswer(trial, script);
    else if (bytesOut === 0) trial.unanswered++;
  }

  /** Which of those that are free gets the next request; the first one of those that are as good. */
  choose(free: Iterable<Backend>): Backend | undefined {
    let best: Backend | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const tree of free) {
      const rank = this.#rank(tree);
      if (rank >= least) continue;
      best = tree;
      least = rank;
    }
    return best;
  }

  /** The trials that are over at `now`. */
  verdicts(now: number): Verdict[] {
    const verdicts: Verdict[] = [];
    for (const [tree, trial] of this.#trials) {
      if (tree.state === "leaving") continue;
      const isOver = now - trial.since >= TRIAL_MS || trial.unanswered >= MOST_UNANSWERED;
      if (this.#due.size > 0 && trial.familiar < FAMILIAR_ANSWERS && !isOver) continue;
      verdicts.push({ tree, isWarm: trial.unanswered <= trial.answered });
    }
    return verdicts;
  }

  /** In how many milliseconds the next trial is over, whatever is asked for; Infinity: there is none. */
  verdictInMs(now: number): number {
    let least = Number.POSITIVE_INFINITY;
    for (const [{ state }, { since }] of this.#trials)
      if (state !== "leaving") least = Math.min(least, since + TRIAL_MS - now);
    return Math.max(1, least);
  }

  /** Those whose places a warm tree takes, the least busy first: one, and more where they serve fewer requests at once. */
  relievedBy({ program }: Backend): [Backend, StopReason][] {
    const relieved: [Backend, StopReason][] = [];
    const byWork = [...this.#due].sort(([a], [b]) => a.busy - b.busy);
    let places = program.app.concurrency;
    for (const [tree, reason] of byWork) {
      const { concurrency } = tree.program.app;
      if (relieved.length > 0 && concurrency > places) break;
      places -= concurrency;
      relieved.push([tree, reason]);
    }
    return relieved;
  }

  /** The one that is due and has the least work, with its reason; undefined: none is due. */
  get leastBusy(): [Backend, StopReason] | undefined {
    return [...this.#due].sort(([a], [b]) => a.busy - b.busy)[0];
  }

  #rank(tree: Backend): number {
    const trial = this.#trials.get(tree);
    if (!trial) return this.#due.has(tree) ? 2 : 1;
    // One that fails is asked when there is nobody else: no request waits for the sake of a trial.
    return tree.busy < 1 + trial.familiar - trial.unanswered ? 0 : 3;
  }
}

function onAnswer(trial: Trial, script: string | undefined): void {
  trial.answered++;
  trial.familiar = trial.scripts.has(script) ? trial.familiar + 1 : 0;
  trial.scripts.add(script);
}
