import type { Clock, Timer } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { Threads, threadFile } from "../base/threads.ts";

/** What a thread is asked of a process; what it reads of long environments is bounded for each look, by its number. */
export interface MarkQuestion {
  readonly pid: number;
  readonly instance: string;
  readonly number: number;
}

/** What it says. */
export interface MarkAnswer {
  readonly isMarked: boolean;
}

export interface MarkReaderDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Those that read; its own unless told. */
  readonly threads?: Pick<Threads<MarkAnswer>, "ask" | "close">;
}

/** A process that has not let itself be read by then is left out: long for a read, short for a stop. */
const DEADLINE_MS = 1000;
/** All of a look; users that nobody has come to by then are left out. */
const LOOK_MS = 2000;
/** Users that a line names. */
const MOST_NAMED = 10;
const UNKNOWN = "whether programs left it, or others of its user, is not known";
const UNKNOWN_ALL = "whether programs left those of these users is not known";

/**
 * Reads the mark of an instance in environments, in threads of its own: any process can see to it that whoever reads its environment waits for as long as it
 * likes, by what it does to its memory. One thread is held up by each user at the most.
 */
export class MarkReader {
  readonly #instance: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #threads: Pick<Threads<MarkAnswer>, "ask" | "close">;
  /** Of each user: who is to hear of a process that nothing is known of yet. */
  readonly #asked = new Map<number, Set<(isMarked: boolean) => void>>();
  /** Users of whom nothing is read any more. */
  readonly #leftOut = new Set<number>();
  #number = 0;
  #end: Timer | undefined;

  constructor(instance: string, { clock, log, threads }: MarkReaderDeps) {
    this.#instance = instance;
    this.#clock = clock;
    this.#log = log;
    const file = threadFile("daemon/mark-thread");
    this.#threads =
      threads ?? new Threads({ clock, log, file, name: "mark", deadlineMs: DEADLINE_MS, isLazy: true });
  }

  /** Begins a look at processes: it may take so long from now. */
  begin(): void {
    this.#number++;
    this.#end?.cancel();
    this.#end = this.#clock.after(LOOK_MS, () => this.#leaveOutAll());
  }

  /**
   * Whether a process of this user has the mark; not where it cannot be told in time. Who does not let itself be read is told in the log, once for each user. Those
   * that are asked for first are read first.
   */
  isMarked(pid: number, uid: number): Promise<boolean> {
    if (this.#leftOut.has(uid)) return Promise.resolve(false);
    return new Promise((resolve) => {
      const asked = this.#asked.get(uid) ?? new Set();
      this.#asked.set(uid, asked.add(resolve));
      this.#read(pid, uid, resolve);
    });
  }

  /** Reads no more. */
  close(): void {
    this.#end?.cancel();
    this.#threads.close();
  }

  #read(pid: number, uid: number, resolve: (isMarked: boolean) => void): void {
    // It may have been left out meanwhile.
    const isWanted = () => this.#asked.get(uid)?.has(resolve) ?? false;
    const hear = (isMarked: boolean) => {
      this.#asked.get(uid)?.delete(resolve);
      resolve(isMarked);
    };
    try {
      this.#threads.ask({
        text: JSON.stringify({ pid, instance: this.#instance, number: this.#number } satisfies MarkQuestion),
        key: `${uid}`,
        onAnswer: ({ isMarked }) => hear(isMarked),
        onLate: (isBegun) => {
          if (!isWanted()) return;
          if (isBegun) this.#leaveOut(uid, pid);
          else this.#read(pid, uid, resolve);
        },
        onBroken: () => hear(false),
      });
    } catch (error) {
      this.#log.warn(`no thread to read the environment of a process: ${messageOf(error)}`, { pid });
      hear(false);
    }
  }

  #leaveOut(uid: number, pid: number): void {
    const processes = this.#forget(uid);
    this.#log.warn(`a process does not let its environment be read: ${UNKNOWN}`, {
      pid,
      user: uid,
      processes,
    });
  }

  #leaveOutAll(): void {
    const users = [...this.#asked].filter(([, { size }]) => size > 0).map(([uid]) => uid);
    if (users.length === 0) return;
    const processes = users.map((uid) => this.#forget(uid)).reduce((sum, count) => sum + count, 0);
    const named = users.slice(0, MOST_NAMED).join(",");
    this.#log.warn(`reading the environments of processes takes too long: ${UNKNOWN_ALL}`, {
      users: users.length > MOST_NAMED ? `${named},…` : named,
      processes,
    });
  }

  /** Nothing is read of this user any more; how many processes were still to be. */
  #forget(uid: number): number {
    this.#leftOut.add(uid);
    const asked = this.#asked.get(uid) ?? new Set();
    this.#asked.delete(uid);
    for (const resolve of asked) resolve(false);
    return asked.size;
  }
}
