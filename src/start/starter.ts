import type { Clock } from "../base/clock.ts";
import { placeOf } from "../base/disk-threads.ts";
import { FpmError } from "../base/errors.ts";
import { closeFd } from "../base/libc.ts";
import type { Log } from "../base/log.ts";
import { umaskOf } from "../base/proc-stat.ts";
import { sendSignal } from "../base/signal.ts";
import { Threads, threadFile } from "../base/threads.ts";
import type { ToolName } from "./chain.ts";
import {
  START_DEADLINE_MS as DEADLINE_MS,
  type Ending,
  requestText,
  type StarterReply,
  type StartOrder,
} from "./order.ts";
import { cannotStart, type Program, userOf } from "./program.ts";
import type { Reaper } from "./reaper.ts";

/** Hears what became of an order: its process began and ended, or never began. */
export interface StartListener {
  /** `tools` execute its program, and may say on its stderr that they have failed. */
  onStarted(pid: number, uid: number, tools: readonly ToolName[]): void;
  onStartFailed(error: FpmError): void;
  onExit(ending: Ending): void;
}

/** A thread waits for its child to execute a program for longer than it works itself: on two cores three of them started a fifth more CGI programs than one. */
const MOST_AT_ONCE = 4;

const STANDS = `executing it has taken longer than ${DEADLINE_MS / 1000} s; its file, or the disk that it is on, does not answer`;
const NO_STARTER = `no starter was free for ${DEADLINE_MS / 1000} s; they stand over files that do not answer, of this program or of others of its user`;

export interface StarterDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly reaper: Reaper;
}

/**
 * Starts processes, off the daemon's thread: until a child has executed its program, the thread that starts it stands, and whoever owns the
 * program can make that long. A thread has one order at a time; while it stands, other threads take the others, of other programs.
 */
export class Starter {
  readonly #deps: StarterDeps;
  readonly #umask = umaskOf(process.pid) ?? process.umask();
  readonly #threads: Threads<StarterReply>;
  /** Of processes that Bun waits for, by the number of their order. */
  readonly #running = new Map<number, { readonly pid: number; readonly listener: StartListener }>();
  #nextId = 1;

  constructor(deps: StarterDeps) {
    this.#deps = deps;
    const { clock, log } = deps;
    const options = {
      clock,
      log,
      file: threadFile("start/starter-thread"),
      name: "starter",
      deadlineMs: DEADLINE_MS,
      atOnce: MOST_AT_ONCE,
    };
    this.#threads = new Threads({ ...options, onNotice: (reply) => this.#onExit(reply) });
  }

  /** Starts a process; the listener hears of it later, never at once. */
  start(order: StartOrder, listener: StartListener): void {
    const { program, ...rest } = order;
    let heard = listener;
    this.#threads.ask({
      text: requestText(textOf(program), {
        kind: "start",
        id: this.#nextId++,
        order: rest,
        umask: this.#umask,
      }),
      ...whoseIs(program),
      isLoose: isItsOwn(program),
      onAnswer: (reply) => this.#onAnswer(reply, heard),
      // A thread that has begun closes its descriptors, as it may have to wait for that; one that has failed may have done so.
      onLate: (isBegun) => {
        if (!isBegun) order.stdio.forEach(closeFd);
        heard = NOBODY;
        listener.onStartFailed(cannotStart(program, isBegun ? STANDS : NO_STARTER));
      },
      onBroken: (problem) => heard.onStartFailed(brokenThread(problem)),
    });
  }

  /** Why a program could not be executed, in words; with "" why a command that it needs was not found. */
  explain(program: Program, errno: string): Promise<string> {
    return new Promise((resolve) => {
      this.#threads.ask({
        text: requestText(textOf(program), { kind: "explain", id: this.#nextId++, errno }),
        ...whoseIs(program),
        isLoose: true,
        onAnswer: (reply) => resolve(reply.kind === "explained" ? reply.why : ""),
        onLate: () => resolve("its file does not answer"),
        onBroken: (problem) => resolve(brokenThread(problem).message),
      });
    });
  }

  #onAnswer(reply: StarterReply, listener: StartListener): void {
    if (reply.kind === "started") this.#onStarted(reply, listener);
    else if (reply.kind === "failed") {
      const { code, fault, message } = reply.failure;
      listener.onStartFailed(new FpmError(code, fault, message));
    }
  }

  #onStarted(started: Extract<StarterReply, { kind: "started" }>, listener: StartListener): void {
    const { id, pid, isBuns, uid, tools } = started;
    if (isBuns) this.#running.set(id, { pid, listener });
    listener.onStarted(pid, uid, tools);
    this.#deps.reaper.watch(pid, !isBuns, (ending) => {
      this.#running.delete(id);
      listener.onExit(ending);
    });
  }

  /** Bun has waited for a process. */
  #onExit(reply: StarterReply): boolean {
    if (reply.kind !== "exited") return false;
    const running = this.#running.get(reply.id);
    if (running) this.#deps.reaper.onEnded(running.pid, reply.ending);
    return true;
  }
}

/** Over a program no more than one thread stands, and not all over the programs of one user in one place. */
function whoseIs(program: Program): { readonly key: string; readonly owner: string } {
  const { key, argv } = program;
  return { key, owner: `${userOf(program)} ${placeOf(argv[0])}` };
}

/** Whether its process lives on without the thread that has started it: neither does it end with that, nor does Bun wait for it there. */
function isItsOwn({ app }: Program): boolean {
  return app.protocol === "cgi" && app.cgroup === "";
}

const texts = new WeakMap<Program, string>();

/** The program as it crosses threads. */
function textOf(program: Program): string {
  const known = texts.get(program);
  if (known !== undefined) return known;
  const text = JSON.stringify(program);
  texts.set(program, text);
  return text;
}

function brokenThread(problem: string): FpmError {
  return new FpmError("SPAWN_FAILED", "daemon", `A bug in std-fpm: ${problem}.`);
}

/** What comes too late is ended at once: its thread cannot know in the last moment. */
const NOBODY: StartListener = {
  onStarted: (pid) => void sendSignal(-pid, "SIGKILL"),
  onStartFailed() {},
  onExit() {},
};
