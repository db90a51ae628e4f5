import type { Clock } from "./clock.ts";
import { messageOf } from "./errors.ts";
import { hasDescriptors } from "./libc.ts";
import type { Log } from "./log.ts";
import { LookAgain } from "./look-again.ts";
import { RareLine } from "./rare-line.ts";

/** Something that a thread is asked for; it hears of one of both, and after `onLate` once more when the thread has answered at last. */
export interface Task<Answer> {
  /** What their module gets. */
  readonly text: string;
  /** Whose it is: while as many threads stand over something of the same key as may, no other one takes more of it. */
  readonly key: string;
  /** Several keys may be of one owner: so that others find a thread, half of those that are left may be at work for one at the most. */
  readonly owner?: string;
  /** Whether a thread may do it that ends afterwards: nothing that comes of it needs the thread. */
  readonly isLoose?: boolean;
  onAnswer(answer: Answer): void;
  /** The thread has stood for as long as the deadline; or the task has waited for one as long, and is not begun any more. */
  onLate(isBegun: boolean): void;
  /** The thread has failed: a mistake of ours, or no memory for it. */
  onBroken(problem: string): void;
}

export interface ThreadsOptions<Message> {
  readonly clock: Clock;
  readonly log: Log;
  /** The module that they run: see `threadFile`. It gets texts, and posts JSON texts: one crosses in half the time that its objects take (Bun 1.4.5). */
  readonly file: string;
  /** What they are, in messages. */
  readonly name: string;
  readonly deadlineMs: number;
  /** Without a thread until the first task: few daemons need one. */
  readonly isLazy?: boolean;
  /** As many work side by side, at most, where loose tasks go on having to wait; 1 if undefined. One more works for an owner for whom none does. */
  readonly atOnce?: number;
  /** As many there are at most, those that stand among them; 8 if undefined. */
  readonly most?: number;
  /** As many may stand over something of one key; 1 if undefined. */
  readonly mostOfKey?: number;
  /** Takes messages that answer nothing; false: it is the answer to what the thread is at. */
  onNotice?(message: Message): boolean;
}

/** A thread that has not answered for so long is left alone, and another takes its place. */
const STANDS_MS = 250;
const MOST_THREADS = 8;
/** More than a thread of the runtime takes: an epoll, an eventfd, a timer. */
export const THREAD_DESCRIPTORS = 12;
const LOOK_MS = 50;
/** Of so many it is remembered when they had their turn. */
const MOST_TURNS = 1000;
/** A helper that has had nothing to do for so long ends: each takes some 5 MiB. */
const HELPER_IDLE_MS = 10_000;
/** In the executable all modules are one file at the root of the file system in it (Bun 1.4.5). */
const IN_EXECUTABLE = "/$bunfs/root";

/** Where a thread's module is; `path` is below src, without its ending. */
export function threadFile(path: string): string {
  const file = import.meta.dir === IN_EXECUTABLE ? `./${path}.ts` : `../${path}.ts`;
  return new URL(file, import.meta.url).href;
}

interface Queued<Answer> {
  readonly task: Task<Answer>;
  readonly askedAt: number;
  isLate: boolean;
}

/**
 * Threads that do, one thing at a time each, what may stand for as long as a stranger likes: an exec, a look at a disk. While one stands others take its
 * place, a few at most, and what belongs to whom it stands for waits for it. Owners take turns, in whatever order they ask. They are one thread; as long
 * as that is too few for loose tasks, helpers take those as well.
 */
export class Threads<Answer extends object> {
  readonly #options: ThreadsOptions<Answer>;
  readonly #threads: Thread<Answer>[] = [];
  readonly #waiting: Queued<Answer>[] = [];
  /** The last turn of each of those who wait. */
  readonly #turns = new Map<string, number>();
  #turn = 0;
  readonly #refused: RareLine;
  /** Looks after the threads as long as one is at work. */
  readonly #looking: LookAgain;
  readonly #most: number;
  #isClosed = false;

  constructor(options: ThreadsOptions<Answer>) {
    this.#options = options;
    this.#most = options.most ?? MOST_THREADS;
    this.#refused = new RareLine(options.clock);
    this.#looking = new LookAgain(options.clock, () => {
      this.#look(options.clock.now());
      this.#giveOut();
    });
    if (!options.isLazy) this.#addThread();
  }

  /** The task hears of it later, never at once. */
  ask(task: Task<Answer>): void {
    this.#waiting.push({ task, askedAt: this.#options.clock.now(), isLate: false });
    this.#giveOut();
  }

  /** Forgets a task that no thread has begun, and hears nothing more. False: one has. */
  drop(task: Task<Answer>): boolean {
    const index = this.#waiting.findIndex((queued) => queued.task === task);
    if (index === -1) return false;
    this.#waiting.splice(index, 1);
    return true;
  }

  /** Ends them; nobody hears of what was asked any more, and nothing may be asked. */
  close(): void {
    this.#isClosed = true;
    this.#looking.cancel();
    this.#waiting.length = 0;
    // Once one that stands is terminated, the next new thread waits for it, and who makes that as well (Bun 1.4.5).
    for (const thread of this.#threads.splice(0)) if (thread.isFree) thread.terminate();
  }

  #giveOut(): void {
    if (this.#isClosed) return;
    if (this.#threads.length === 0) this.#tryAddThread("thread");
    for (const thread of this.#threads) if (thread.isFree) this.#giveTo(thread);
    if (this.#waiting.length === 0 || this.#turns.size > MOST_TURNS) this.#turns.clear();
    if (this.#waiting.length > 0 || this.#threads.some(({ at }) => at)) this.#looking.within(LOOK_MS);
    else if (this.#threads.some(({ isHelper }) => isHelper)) this.#looking.within(HELPER_IDLE_MS);
  }

  #giveTo(thread: Thread<Answer>): void {
    const next = this.#next(thread.isHelper);
    if (!next) return;
    this.#waiting.splice(this.#waiting.indexOf(next), 1);
    this.#turns.set(whoseIs(next.task), ++this.#turn);
    thread.begin(next, this.#options.clock.now());
  }

  /** The first of whoever has waited longest for a turn, unless other threads stand over the like of it, or are at work for its owner. */
  #next(isForHelper: boolean): Queued<Answer> | undefined {
    let next: Queued<Answer> | undefined;
    let lastTurn = Number.POSITIVE_INFINITY;
    for (const queued of this.#waiting) {
      const { task } = queued;
      const turn = this.#turns.get(whoseIs(task)) ?? 0;
      if (turn >= lastTurn || (isForHelper && !task.isLoose) || this.#isHeldUp(task)) continue;
      next = queued;
      lastTurn = turn;
    }
    return next;
  }

  #isHeldUp({ key, owner }: Task<Answer>): boolean {
    const { mostOfKey = 1, atOnce = 1 } = this.#options;
    let ofKey = 0;
    let standingOfKey = 0;
    let ofOwner = 0;
    let standingForOthers = 0;
    for (const { at, isStanding } of this.#threads) {
      if (!at) continue;
      if (at.task.key === key) ofKey++;
      if (at.task.key === key && isStanding) standingOfKey++;
      if (owner !== undefined && at.task.owner === owner) ofOwner++;
      else if (isStanding) standingForOthers++;
    }
    // Those that do not stand yet may do so in a moment.
    if (standingOfKey >= mostOfKey || ofKey >= Math.max(mostOfKey, atOnce)) return true;
    return ofOwner >= Math.max(1, (this.#most - standingForOthers) / 2);
  }

  /** A thread where all stand; a helper where none is free, though something waits for one, and more may be at work at once. */
  #missing(): "thread" | "helper" | undefined {
    const { atOnce = 1 } = this.#options;
    if (this.#threads.length >= this.#most) return undefined;
    const working = this.#threads.filter(({ isStanding }) => !isStanding);
    if (working.every(({ isHelper }) => isHelper)) return "thread";
    if (working.some(({ isFree }) => isFree)) return undefined;
    const mayHelp = ({ task }: Queued<Answer>) =>
      task.isLoose && (working.length < atOnce || this.#isWithout(task)) && !this.#isHeldUp(task);
    return this.#waiting.some(mayHelp) ? "helper" : undefined;
  }

  /** Whether no thread is at work for its owner. */
  #isWithout({ owner }: Task<Answer>): boolean {
    return owner !== undefined && !this.#threads.some(({ at }) => at?.task.owner === owner);
  }

  #look(now: number): void {
    const { deadlineMs } = this.#options;
    for (const thread of this.#threads) {
      if (!thread.at || now - thread.since < STANDS_MS) continue;
      thread.isStanding = true;
      if (now - thread.since >= deadlineMs) giveUp(thread.at, true);
    }
    this.#endIdleHelpers(now);
    const missing = this.#missing();
    if (missing !== undefined) this.#tryAddThread(missing);
    // All of them before one is told: it may ask once more at once, and have another one begun.
    const late = this.#waiting.filter(({ askedAt }) => now - askedAt >= deadlineMs);
    for (const each of late) this.#waiting.splice(this.#waiting.indexOf(each), 1);
    for (const each of late) giveUp(each, false);
  }

  #endIdleHelpers(now: number): void {
    for (const thread of this.#threads.filter(({ isHelper, isFree }) => isHelper && isFree)) {
      if (now - thread.since < HELPER_IDLE_MS) continue;
      this.#threads.splice(this.#threads.indexOf(thread), 1);
      thread.terminate();
    }
  }

  /** Where the system gives none, for want of tasks, those that wait still hear in time. */
  #tryAddThread(kind: "thread" | "helper"): void {
    // The runtime ends the process where a thread finds no descriptors (Bun 1.4.5).
    if (!hasDescriptors(THREAD_DESCRIPTORS)) return;
    try {
      this.#addThread(kind === "helper");
    } catch (error) {
      const { log, name } = this.#options;
      this.#refused.add((times) => log.warn(`no further ${name}'s thread: ${messageOf(error)}`, { times }));
    }
  }

  #addThread(isHelper = false): void {
    const thread: Thread<Answer> = new Thread(
      this.#options.file,
      isHelper,
      () => this.#onReady(thread),
      (message) => this.#onMessage(thread, message),
      (problem) => this.#onBroken(thread, problem),
    );
    thread.since = this.#options.clock.now();
    this.#threads.push(thread);
  }

  #onReady(thread: Thread<Answer>): void {
    // It could not be ended before: only one that is at nothing, and is known to be, is terminated.
    if (this.#isClosed) thread.terminate();
    else this.#giveOut();
  }

  #onMessage(thread: Thread<Answer>, message: Answer): void {
    if (this.#isClosed) thread.terminate();
    if (this.#isClosed || this.#options.onNotice?.(message)) return;
    thread.end(this.#options.clock.now())?.task.onAnswer(message);
    this.#giveOut();
  }

  #onBroken(thread: Thread<Answer>, problem: string): void {
    if (this.#isClosed) return;
    this.#options.log.error(`a bug in std-fpm: a ${this.#options.name}'s thread has failed: ${problem}`);
    this.#threads.splice(this.#threads.indexOf(thread), 1);
    thread.end(this.#options.clock.now())?.task.onBroken(problem);
    this.#giveOut();
  }
}

/** Who takes turns with others. */
function whoseIs<Answer>({ key, owner }: Task<Answer>): string {
  return owner ?? key;
}

function giveUp<Answer>(late: Queued<Answer>, isBegun: boolean): void {
  if (late.isLate) return;
  late.isLate = true;
  late.task.onLate(isBegun);
}

class Thread<Answer> {
  /** What it is at. */
  at: Queued<Answer> | undefined;
  /** Since when; or since when it has been at nothing. */
  since = 0;
  isStanding = false;
  readonly isHelper: boolean;
  readonly #worker: Worker;
  /** Its module has been read, which takes longer than most tasks. */
  #isReady = false;

  constructor(
    file: string,
    isHelper: boolean,
    onReady: () => void,
    onMessage: (message: Answer) => void,
    onBroken: (problem: string) => void,
  ) {
    this.isHelper = isHelper;
    this.#worker = new Worker(file);
    this.#worker.addEventListener("open", () => {
      this.#isReady = true;
      onReady();
    });
    this.#worker.onmessage = ({ data }: MessageEvent<string>) => onMessage(JSON.parse(data));
    this.#worker.onerror = ({ message }) => onBroken(message);
    this.#worker.unref();
  }

  get isFree(): boolean {
    return this.#isReady && this.at === undefined;
  }

  begin(queued: Queued<Answer>, now: number): void {
    this.at = queued;
    this.since = now;
    this.#worker.postMessage(queued.task.text);
  }

  /** It has answered. */
  end(now: number): Queued<Answer> | undefined {
    const { at } = this;
    this.at = undefined;
    this.since = now;
    this.isStanding = false;
    return at;
  }

  terminate(): void {
    this.#worker.terminate();
  }
}
