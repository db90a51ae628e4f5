import type { Clock } from "./clock.ts";
import { addTo, createEpoll, END_SERIAL, EPOLLIN, EPOLLOUT, type EpollEvent, removeFrom } from "./epoll.ts";
import { FpmError, messageOf } from "./errors.ts";
import { closeFd, hasDescriptors, openPipe } from "./libc.ts";
import type { Log } from "./log.ts";
import { noDescriptors, SHORTAGE_MS } from "./shortage.ts";
import { THREAD_DESCRIPTORS, threadFile } from "./threads.ts";

const RESTART_MS = 1000;
const EVENTS = { bytes: EPOLLIN, room: EPOLLOUT } as const;

interface Wait {
  readonly what: keyof typeof EVENTS;
  readonly serial: number;
  readonly onReady: () => void;
}

/** Tells when a pipe has bytes, or room, without touching it: the runtime can only wait by reading. One thread waits for all of them; idle pipes cost nothing. */
export class Readiness {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #file: string;
  readonly #epoll: number;
  readonly #end = openPipe();
  /** By descriptor. */
  readonly #waits = new Map<number, Wait>();
  #nextSerial = END_SERIAL + 1;
  #thread: Worker | undefined;
  #isClosed = false;

  /** `file`: what its thread runs, see `threadFile`. @throws FpmError NO_DESCRIPTORS, SYSTEM_CALL. */
  constructor(clock: Clock, log: Log, file = threadFile("base/readiness-thread")) {
    this.#clock = clock;
    this.#log = log;
    this.#file = file;
    this.#epoll = createEpoll();
    if (this.#epoll < 0) throw new FpmError("SYSTEM_CALL", "daemon", "epoll_create1 failed.");
    addTo(this.#epoll, this.#end.readFd, EPOLLIN, END_SERIAL);
    this.#startThread();
  }

  /** Calls `onReady` once, later, when there is what is waited for, or the other end has gone; rarely for nothing. One at a time waits for a descriptor. */
  await(fd: number, what: keyof typeof EVENTS, onReady: () => void): void {
    const serial = this.#nextSerial;
    this.#nextSerial = (serial % 0xffff_ffff) + 1;
    const wait = { what, serial, onReady };
    this.#waits.set(fd, wait);
    this.#arm(fd, wait);
  }

  /** Nobody waits for it any more. */
  forget(fd: number): void {
    if (this.#waits.delete(fd)) removeFrom(this.#epoll, fd);
  }

  /** Ends the thread. */
  close(): void {
    this.#isClosed = true;
    this.#waits.clear();
    closeFd(this.#end.writeFd);
  }

  #arm(fd: number, { what, serial }: Wait): void {
    // Where the kernel takes no more (fs.epoll.max_user_watches) whoever waits looks from time to time.
    if (!addTo(this.#epoll, fd, EVENTS[what], serial))
      this.#clock.after(SHORTAGE_MS, () => this.#onEvent([fd, serial]));
  }

  #startThread(): void {
    const thread = new Worker(this.#file);
    this.#thread = thread;
    thread.onmessage = ({ data }: MessageEvent<string>) => {
      for (const event of JSON.parse(data) as EpollEvent[]) this.#onEvent(event);
    };
    thread.onerror = ({ message }) =>
      this.#onBroken(`a bug in std-fpm: the thread that waits for pipes has failed: ${message}`);
    thread.unref();
    thread.postMessage(this.#epoll);
  }

  #onBroken(problem: string): void {
    this.#thread = undefined;
    this.#log.error(`${problem}; what programs print waits until there is another`);
    this.#clock.after(RESTART_MS, () => this.#restart());
  }

  #restart(): void {
    if (this.#isClosed) {
      this.#onEnd();
      return;
    }
    try {
      if (!hasDescriptors(THREAD_DESCRIPTORS)) throw noDescriptors("it cannot be started");
      this.#startThread();
    } catch (error) {
      this.#onBroken(`no thread waits for pipes: ${messageOf(error)}`);
      return;
    }
    // What the other thread has taken and not told comes once more.
    for (const [fd, wait] of this.#waits) {
      removeFrom(this.#epoll, fd);
      this.#arm(fd, wait);
    }
  }

  #onEvent([fd, serial]: EpollEvent): void {
    if (this.#isClosed) {
      if (serial === END_SERIAL) this.#onEnd();
      return;
    }
    const wait = this.#waits.get(fd);
    // Somebody else may have got the number of the descriptor meanwhile.
    if (wait?.serial !== serial) return;
    this.forget(fd);
    wait.onReady();
  }

  #onEnd(): void {
    this.#thread?.terminate();
    closeFd(this.#end.readFd);
    closeFd(this.#epoll);
  }
}
