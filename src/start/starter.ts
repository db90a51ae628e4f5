import type { Clock, Timer } from "../base/clock.ts";
import { FpmError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Ending, StarterReply, StarterRequest, StartFailure, StartOrder } from "./order.ts";
import { cannotStart, type Program } from "./program.ts";
import type { Reaper } from "./reaper.ts";

/** Hears what became of an order: its process began and ended, or never began. */
export interface StartListener {
  onStarted(pid: number): void;
  /** What was to become its descriptors may be closed. */
  onStartFailed(error: FpmError): void;
  onExit(ending: Ending): void;
}

/** A starter that has not answered for so long is left alone, and another takes its place. */
const STANDS_MS = 250;
/** A start that takes longer has failed; a process that comes of it later is ended at once. */
const DEADLINE_MS = 10_000;
const MOST_THREADS = 8;
const LOOK_MS = 50;
/** In the executable all modules are one file at the root of the file system in it (Bun 1.4.5). */
const IN_EXECUTABLE = "/$bunfs/root";
const THREAD_FILE = import.meta.dir === IN_EXECUTABLE ? "./start/starter-thread.ts" : "./starter-thread.ts";
const THREAD = new URL(THREAD_FILE, import.meta.url).href;

export interface StarterDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly reaper: Reaper;
}

/** Something a thread is asked for. */
interface Task {
  readonly request: StarterRequest;
  readonly program: Program;
  readonly listener: StartListener | undefined;
  readonly onExplained?: (why: string) => void;
  readonly askedAt: number;
  /** Nobody waits for it any more. */
  isGivenUp: boolean;
}

/**
 * Starts processes, off the daemon's thread: until a child has executed its program, the thread that starts it stands, and whoever owns the
 * program can make that long. One order at a time; while it stands, other threads take the others, of other programs.
 */
export class Starter {
  readonly #deps: StarterDeps;
  readonly #threads: StarterThread[] = [];
  readonly #waiting: Task[] = [];
  /** Of processes that Bun waits for, by the number of their order. */
  readonly #running = new Map<number, { readonly pid: number; readonly listener: StartListener }>();
  #nextId = 1;
  #looking: Timer | undefined;

  constructor(deps: StarterDeps) {
    this.#deps = deps;
    this.#addThread();
  }

  /** Starts a process; the listener hears of it later, never at once. */
  start(order: StartOrder, listener: StartListener): void {
    const request = { kind: "start", id: this.#nextId++, order } as const;
    const askedAt = this.#deps.clock.now();
    this.#ask({ request, program: order.program, listener, askedAt, isGivenUp: false });
  }

  /** Why a program could not be executed, in words; with "" why a command that it needs was not found. */
  explain(program: Program, errno: string): Promise<string> {
    return new Promise((resolve) => {
      const request = { kind: "explain", id: this.#nextId++, program, errno } as const;
      const askedAt = this.#deps.clock.now();
      this.#ask({ request, program, listener: undefined, onExplained: resolve, askedAt, isGivenUp: false });
    });
  }

  #ask(task: Task): void {
    this.#waiting.push(task);
    this.#giveOut();
  }

  #giveOut(): void {
    if (this.#threads.length === 0) this.#addThread();
    for (const thread of this.#threads) if (!thread.task) this.#giveTo(thread);
    if (this.#waiting.length > 0 || this.#threads.some(({ task }) => task)) this.#watch();
  }

  /** The first that waits, unless its program stands in another thread already. */
  #giveTo(thread: StarterThread): void {
    const index = this.#waiting.findIndex(({ program }) => !this.#stands(program));
    const [task] = index === -1 ? [] : this.#waiting.splice(index, 1);
    if (task) thread.begin(task, this.#deps.clock.now());
  }

  #stands({ key }: Program): boolean {
    return this.#threads.some(({ task, isStanding }) => isStanding && task?.program.key === key);
  }

  /** Looks after the threads as long as one is at work. */
  #watch(): void {
    if (this.#looking) return;
    this.#looking = this.#deps.clock.after(LOOK_MS, () => {
      this.#looking = undefined;
      this.#look(this.#deps.clock.now());
      this.#giveOut();
    });
  }

  #look(now: number): void {
    for (const thread of this.#threads) {
      const { task } = thread;
      if (!task || now - thread.since < STANDS_MS) continue;
      thread.isStanding = true;
      if (now - thread.since >= DEADLINE_MS) this.#giveUp(task);
    }
    const isStuck = this.#threads.every(({ isStanding }) => isStanding);
    if (isStuck && this.#threads.length < MOST_THREADS) this.#addThread();
    const late = this.#waiting.filter(({ askedAt }) => now - askedAt >= DEADLINE_MS);
    for (const task of late) {
      this.#waiting.splice(this.#waiting.indexOf(task), 1);
      this.#giveUp(task);
    }
  }

  #giveUp(task: Task): void {
    if (task.isGivenUp) return;
    task.isGivenUp = true;
    const what = `executing it has taken longer than ${DEADLINE_MS / 1000} s; its file, or the disk that it is on, does not answer`;
    task.listener?.onStartFailed(cannotStart(task.program, what));
    task.onExplained?.("its file does not answer");
  }

  #addThread(): void {
    const thread = new StarterThread(
      (reply) => this.#onReply(thread, reply),
      (problem) => this.#onBroken(thread, problem),
    );
    this.#threads.push(thread);
  }

  /** A mistake of ours, or no memory for a thread. */
  #onBroken(thread: StarterThread, problem: string): void {
    this.#deps.log.error(`a bug in std-fpm: a starter's thread has failed: ${problem}`);
    this.#threads.splice(this.#threads.indexOf(thread), 1);
    const task = thread.end();
    if (task) this.#settle(task, { kind: "failed", id: 0, failure: brokenThread(problem) });
  }

  #onReply(thread: StarterThread, reply: StarterReply): void {
    if (reply.kind === "exited") {
      this.#onExit(reply.id, reply.ending);
      return;
    }
    const task = thread.end();
    if (task) this.#settle(task, reply);
    this.#giveOut();
  }

  #settle(
    { listener, isGivenUp, onExplained }: Task,
    reply: Exclude<StarterReply, { kind: "exited" }>,
  ): void {
    if (reply.kind === "explained") onExplained?.(reply.why);
    else if (reply.kind === "failed") {
      const { code, fault, message } = reply.failure;
      onExplained?.(message);
      if (!isGivenUp) listener?.onStartFailed(new FpmError(code, fault, message));
    } else if (listener) this.#onStarted(reply, isGivenUp ? NOBODY : listener);
  }

  #onStarted({ id, pid, isBuns }: Extract<StarterReply, { kind: "started" }>, listener: StartListener): void {
    if (isBuns) this.#running.set(id, { pid, listener });
    listener.onStarted(pid);
    this.#deps.reaper.watch(pid, !isBuns, (ending) => {
      this.#running.delete(id);
      listener.onExit(ending);
    });
  }

  /** Bun has waited for it. */
  #onExit(id: number, ending: Ending): void {
    const running = this.#running.get(id);
    if (running) this.#deps.reaper.onEnded(running.pid, ending);
  }
}

function brokenThread(problem: string): StartFailure {
  return { code: "SPAWN_FAILED", fault: "daemon", message: `A bug in std-fpm: ${problem}.` };
}

/** What comes too late is ended at once. */
const NOBODY: StartListener = {
  onStarted: (pid) => process.kill(-pid, "SIGKILL"),
  onStartFailed() {},
  onExit() {},
};

/** A thread that starts processes, and the one that it is at. */
class StarterThread {
  task: Task | undefined;
  /** Since when. */
  since = 0;
  isStanding = false;
  readonly #worker: Worker;

  constructor(onReply: (reply: StarterReply) => void, onBroken: (problem: string) => void) {
    this.#worker = new Worker(THREAD);
    this.#worker.onmessage = ({ data }: MessageEvent<string>) => onReply(JSON.parse(data));
    this.#worker.onerror = ({ message }) => onBroken(message);
    this.#worker.unref();
  }

  begin(task: Task, now: number): void {
    this.task = task;
    this.since = now;
    // A text crosses threads in half the time that its objects take (Bun 1.4.5).
    this.#worker.postMessage(JSON.stringify(task.request));
  }

  /** It has answered. */
  end(): Task | undefined {
    const { task } = this;
    this.task = undefined;
    this.isStanding = false;
    return task;
  }
}
