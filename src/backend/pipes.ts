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
  | { readonly kind: "close"; readonly fd: number };

/** What the call came to: bytes, or -errno; `at`: where the thread has what it has read. */
export interface PipeAnswer {
  readonly result: number;
  readonly at: number;
}

/** Who has the other ends of pipes. */
export interface PipeHolder {
  /** The key of the program. */
  readonly key: string;
  /** Whose the program is, as far as that is known before it starts. */
  readonly owner: string;
  /** Whom its process runs as; undefined as long as that is not known. */
  uid: number | undefined;
}

/** Bytes; "later": there are none yet; "end": none come any more. */
export type PipeBytes = Uint8Array | "later" | "end";
/** How many bytes were taken, 0 where there was no room; "gone": nobody reads any more. */
export type PipeTaken = number | "gone";

/** Calls on pipes that hold nobody up who makes them. */
export interface PipeCalls {
  /** Whether what a program has held up is not too much for another process of it. */
  admits(holder: PipeHolder): boolean;
  /** Calls `onReady` once, now or later, when there is something to read, or the end; rarely for nothing. */
  awaitBytes(fd: number, onReady: () => void): void;
  /** Calls `onReady` once, now or later, when there is room, or nobody reads any more; rarely for nothing. */
  awaitRoom(fd: number, onReady: () => void): void;
  /** Nobody waits for it any more. */
  forget(fd: number): void;
  /** Reads what is there, 64 KiB at most; now or later. One call at a time is made on a descriptor. */
  read(fd: number, holder: PipeHolder, onRead: (bytes: PipeBytes) => void): void;
  /** Writes some of it, as there is room, later; until `onTaken` it must not change. One call at a time is made on a descriptor. */
  write(fd: number, holder: PipeHolder, bytes: Uint8Array, onTaken: (taken: PipeTaken) => void): void;
  /** Closes the last descriptor of an end, as soon as no call is at work on it; one that is not begun comes to nothing, now. Nobody waits for it any more. */
  close(fd: number, holder: PipeHolder): void;
}

/** A thread that has not come back by then stands, however busy the machine is; what is asked of it goes on, as nothing else can be done. */
const DEADLINE_MS = 3000;
/** So many threads work at once, where work goes on having to wait for one. */
const MOST_AT_ONCE = 4;
/** With those that stand. Of one program no more than a few do: others of its own requests wait for these. */
const MOST = 16;
const MOST_OF_PROGRAM = 4;
/** Of a call that was not made. */
const NOT_YET: PipeAnswer = { result: -EAGAIN, at: 0 };
/** What is to be closed and was not after so long is held up. */
const HELD_UP_MS = 1000;
/** So many of them may be a program's, and its owner's: each is a descriptor that only they can give back. */
const MOST_HELD_UP = 16;
const MOST_OF_OWNER_HELD_UP = 64;
const OWN_UID = process.geteuid?.() ?? 0;
/** All reads of a turn go through it; what they bring is copied. */
const shared = new Uint8Array(PIPE_BYTES);

/**
 * Reads, writes and closes the pipes to programs, in threads. A pipe has one lock for both of its ends, and who writes out of a file, or reads into one,
 * by splice(2), sendfile(2) or a mapping of it, has that lock for as long as the file's disk likes: whoever calls on the other end meanwhile stands, also
 * where that is non-blocking, and is not even to be killed. poll(2) and epoll(7) take no lock.
 */
export class Pipes implements PipeCalls {
  readonly #clock: Clock;
  readonly #threads: Threads<PipeAnswer>;
  readonly #readiness: Readiness;
  /** Reads and writes that have not come back, by their descriptors. */
  readonly #calls = new Map<number, PipeTask>();
  readonly #closing = new Set<PipeTask>();

  /** @throws FpmError NO_DESCRIPTORS, SYSTEM_CALL. */
  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    const options = {
      clock,
      log,
      file: threadFile("backend/pipe-thread"),
      name: "pipe",
      deadlineMs: DEADLINE_MS,
    };
    this.#threads = new Threads({ ...options, atOnce: MOST_AT_ONCE, most: MOST, mostOfKey: MOST_OF_PROGRAM });
    this.#readiness = new Readiness(clock, log);
  }

  admits({ key, owner }: PipeHolder): boolean {
    const since = this.#clock.now() - HELD_UP_MS;
    const heldUp = [...this.#closing].filter(({ askedAt }) => askedAt < since);
    const ofOwner = heldUp.filter((task) => task.owner === owner);
    const ofProgram = ofOwner.filter((task) => task.key === key);
    return ofProgram.length < MOST_HELD_UP && ofOwner.length < MOST_OF_OWNER_HELD_UP;
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
    this.#call(fd, { kind: "read", fd }, holder, ({ result, at }) => {
      if (result > 0) onRead(copyOf(at, result));
      else onRead(result === -EAGAIN ? "later" : "end");
    });
  }

  write(fd: number, holder: PipeHolder, bytes: Uint8Array, onTaken: (taken: PipeTaken) => void): void {
    const order = { kind: "write", fd, at: addressOf(bytes), length: bytes.length } as const;
    this.#call(fd, order, holder, ({ result }) => onTaken(takenOf(result)), bytes);
  }

  close(fd: number, holder: PipeHolder): void {
    this.#readiness.forget(fd);
    const call = this.#calls.get(fd);
    if (!call) this.#close(fd, holder);
    else if (this.#threads.drop(call)) {
      call.onAnswer(NOT_YET);
      this.#close(fd, holder);
    } else call.closes = true;
  }

  /** Ends the threads. */
  end(): void {
    this.#threads.close();
    this.#readiness.close();
  }

  #call(
    fd: number,
    order: PipeOrder,
    holder: PipeHolder,
    onAnswer: (answer: PipeAnswer) => void,
    kept?: Uint8Array,
  ): void {
    const task = new PipeTask(this.#threads, order, holder, this.#clock.now(), kept, (answer) => {
      this.#calls.delete(fd);
      onAnswer(answer);
      if (task.closes) this.#close(fd, holder);
    });
    this.#calls.set(fd, task);
    this.#threads.ask(task);
  }

  #close(fd: number, holder: PipeHolder): void {
    if (isAlone(fd, holder)) {
      closeFd(fd);
      return;
    }
    const onAnswer = () => void this.#closing.delete(task);
    const order = { kind: "close", fd } as const;
    const task = new PipeTask(this.#threads, order, holder, this.#clock.now(), undefined, onAnswer);
    this.#closing.add(task);
    this.#threads.ask(task);
  }
}

/** A call that a thread makes, sooner or later. */
class PipeTask implements Task<PipeAnswer> {
  readonly text: string;
  readonly key: string;
  readonly owner: string;
  readonly askedAt: number;
  readonly isLoose = true;
  readonly onAnswer: (answer: PipeAnswer) => void;
  /** What the thread reads out of our memory is not collected before it has answered. */
  readonly kept: Uint8Array | undefined;
  /** Its descriptor is to be closed when it has come back. */
  closes = false;
  readonly #threads: Threads<PipeAnswer>;

  constructor(
    threads: Threads<PipeAnswer>,
    order: PipeOrder,
    { key, owner }: PipeHolder,
    askedAt: number,
    kept: Uint8Array | undefined,
    onAnswer: (answer: PipeAnswer) => void,
  ) {
    this.#threads = threads;
    this.text = JSON.stringify(order);
    this.key = key;
    this.owner = owner;
    this.askedAt = askedAt;
    this.kept = kept;
    this.onAnswer = onAnswer;
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
