import { readSync } from "node:fs";
import type { Clock } from "../base/clock.ts";
import { closeFd, EAGAIN, EIO, hasRoom, hasSomething, isAbandoned } from "../base/libc.ts";
import type { Log } from "../base/log.ts";
import { addressOf, copyOf } from "../base/raw-io.ts";
import { Readiness } from "../base/readiness.ts";
import { type Task, Threads, threadFile } from "../base/threads.ts";

/** A pipe holds no more (pipe(7)). */
export const PIPE_BYTES = 64 * 1024;

/** What a thread is told to do. */
export type PipeOrder =
  | { readonly kind: "read"; readonly fd: number }
  | { readonly kind: "write"; readonly fd: number; readonly at: number; readonly length: number }
  | { readonly kind: "close"; readonly fds: readonly number[] };

/** What the call came to: bytes, or -errno; `at`: where the thread has what it has read. */
export interface PipeAnswer {
  readonly result: number;
  readonly at: number;
}

/** Who has the other ends of pipes. */
export interface PipeHolder {
  /** The key of the program. */
  readonly key: string;
  /** Whom its process runs as; undefined as long as that is not known. */
  uid: number | undefined;
}

/** Bytes; "later": there are none yet; "end": none come any more. */
export type PipeBytes = Uint8Array | "later" | "end";
/** How many bytes were taken, 0 where there was no room; "gone": nobody reads any more. */
export type PipeTaken = number | "gone";

/** Calls on pipes that hold nobody up who makes them. */
export interface PipeCalls {
  /** Calls `onReady` once, now or later, when there is something to read, or the end; rarely for nothing. */
  awaitBytes(fd: number, onReady: () => void): void;
  /** Calls `onReady` once, now or later, when there is room, or nobody reads any more; rarely for nothing. */
  awaitRoom(fd: number, onReady: () => void): void;
  /** Nobody waits for it any more. */
  forget(fd: number): void;
  /** Reads what is there, 64 KiB at most; now or later. Nothing else may be done with the descriptor before. */
  read(fd: number, holder: PipeHolder, onRead: (bytes: PipeBytes) => void): void;
  /** Writes some of it, as there is room, later; it must not change meanwhile. Nothing else may be done with the descriptor before. */
  write(fd: number, holder: PipeHolder, bytes: Uint8Array, onTaken: (taken: PipeTaken) => void): void;
  /** Closes the last descriptor of an end. */
  close(fd: number, holder: PipeHolder): void;
  /** Closes descriptors of ends that a process has got. */
  closeCopies(fds: readonly number[], holder: PipeHolder): void;
}

/** A thread that has not come back by then stands, however busy the machine is; what is asked of it goes on, as nothing else can be done. */
const DEADLINE_MS = 3000;
/** So many threads work at most while others have to wait for what some of them are at. */
const MOST_AT_ONCE = 4;
const OWN_UID = process.geteuid?.() ?? 0;
/** All reads of a turn go through it; what they bring is copied. */
const shared = new Uint8Array(PIPE_BYTES);

/**
 * Reads, writes and closes the pipes to programs, in threads. A pipe has one lock for both of its ends, and who writes out of a file, or reads into one,
 * by splice(2), sendfile(2) or a mapping of it, has that lock for as long as the file's disk likes: whoever calls on the other end meanwhile stands, also
 * where that is non-blocking, and is not even to be killed. poll(2) and epoll(7) take no lock.
 */
export class Pipes implements PipeCalls {
  readonly #threads: Threads<PipeAnswer>;
  readonly #readiness: Readiness;

  /** @throws FpmError NO_DESCRIPTORS, SYSTEM_CALL. */
  constructor(clock: Clock, log: Log) {
    const file = threadFile("backend/pipe-thread");
    const options = { clock, log, file, name: "pipe", deadlineMs: DEADLINE_MS };
    this.#threads = new Threads({ ...options, isLazy: true, atOnce: MOST_AT_ONCE });
    this.#readiness = new Readiness(clock, log);
  }

  awaitBytes(fd: number, onReady: () => void): void {
    if (hasSomething(fd)) onReady();
    else this.#readiness.await(fd, "bytes", onReady);
  }

  awaitRoom(fd: number, onReady: () => void): void {
    if (hasRoom(fd)) onReady();
    else this.#readiness.await(fd, "room", onReady);
  }

  forget(fd: number): void {
    this.#readiness.forget(fd);
  }

  read(fd: number, holder: PipeHolder, onRead: (bytes: PipeBytes) => void): void {
    if (isAlone(fd, holder)) {
      onRead(readHere(fd));
      return;
    }
    this.#ask({ kind: "read", fd }, holder, ({ result, at }) => {
      if (result > 0) onRead(copyOf(at, result));
      else onRead(result === -EAGAIN ? "later" : "end");
    });
  }

  write(fd: number, holder: PipeHolder, bytes: Uint8Array, onTaken: (taken: PipeTaken) => void): void {
    const order = { kind: "write", fd, at: addressOf(bytes), length: bytes.length } as const;
    const onAnswer = ({ result }: PipeAnswer) => onTaken(takenOf(result));
    this.#ask(order, holder, onAnswer, bytes);
  }

  close(fd: number, holder: PipeHolder): void {
    if (isAlone(fd, holder)) closeFd(fd);
    else this.#ask({ kind: "close", fds: [fd] }, holder, () => {});
  }

  closeCopies(fds: readonly number[], holder: PipeHolder): void {
    if (holder.uid === OWN_UID) for (const fd of fds) closeFd(fd);
    else this.#ask({ kind: "close", fds }, holder, () => {});
  }

  /** Ends the threads. */
  end(): void {
    this.#threads.close();
    this.#readiness.close();
  }

  #ask(
    order: PipeOrder,
    holder: PipeHolder,
    onAnswer: (answer: PipeAnswer) => void,
    kept?: Uint8Array,
  ): void {
    this.#threads.ask(new PipeTask(this.#threads, order, holder, onAnswer, kept));
  }
}

/** A call that a thread makes, sooner or later. */
class PipeTask implements Task<PipeAnswer> {
  readonly text: string;
  readonly key: string;
  readonly owner: string;
  readonly isLoose = true;
  readonly onAnswer: (answer: PipeAnswer) => void;
  /** What the thread reads out of our memory is not collected before it has answered. */
  readonly kept: Uint8Array | undefined;
  readonly #threads: Threads<PipeAnswer>;

  constructor(
    threads: Threads<PipeAnswer>,
    order: PipeOrder,
    { key, uid }: PipeHolder,
    onAnswer: (answer: PipeAnswer) => void,
    kept: Uint8Array | undefined,
  ) {
    this.#threads = threads;
    this.text = JSON.stringify(order);
    this.key = key;
    this.owner = `user ${uid}`;
    this.onAnswer = onAnswer;
    this.kept = kept;
  }

  /** Nobody else can make it, and nothing is lost by waiting. */
  onLate(isBegun: boolean): void {
    if (!isBegun) this.#threads.ask(this);
  }

  onBroken(): void {
    this.onAnswer({ result: -EIO, at: 0 });
  }
}

/**
 * Whether no call on it can be held up: nobody has the other end any more. A program of another user may still have this end, by /proc/PID/fd, and
 * hold it up on purpose.
 */
function isAlone(fd: number, { uid }: PipeHolder): boolean {
  return uid === OWN_UID && isAbandoned(fd);
}

function readHere(fd: number): PipeBytes {
  try {
    const length = readSync(fd, shared);
    return length === 0 ? "end" : shared.slice(0, length);
  } catch {
    return "end";
  }
}

function takenOf(result: number): PipeTaken {
  if (result >= 0) return result;
  return result === -EAGAIN ? 0 : "gone";
}
