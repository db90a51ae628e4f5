import type { Clock } from "./clock.ts";
import { addTo, createEpoll, END_SERIAL, EPOLLIN, EPOLLOUT, type EpollEvent, removeFrom } from "./epoll.ts";
import { FpmError } from "./errors.ts";
import { closeFd, openPipe } from "./libc.ts";
import type { Log } from "./log.ts";
import { SHORTAGE_MS } from "./shortage.ts";
import { threadFile } from "./threads.ts";

const RESTART_MS = 1000;
const EVENTS = { bytes: EPOLLIN, room: EPOLLOUT } as const;

interface Wait {
  readonly serial: number;
  readonly onReady: () => void;
}

/** Tells when a pipe has bytes, or room, without touching it: the runtime can only wait by reading. One thread waits for all of them; idle pipes cost nothing. */
export class Readiness {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #epoll: number;
  readonly #end = openPipe();
  /** By descriptor. */
  readonly #waits = new Map<number, Wait>();
  #nextSerial = END_SERIAL + 1;
  #thread: Worker | undefined;
  #isClosed = false;

  /** @throws FpmError NO_DESCRIPTORS, SYSTEM_CALL. */
  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
    this.#epoll = createEpoll();
    if (this.#epoll < 0) throw new FpmError("SYSTEM_CALL", "daemon", "epoll_create1 failed.");
    addTo(this.#epoll, this.#end.readFd, EPOLLIN, END_SERIAL);
    this.#startThread();
  }

  /** Calls `onReady` once, later, when there is what is waited for, or the other end has gone; rarely for nothing. One at a time waits for a descriptor. */
  await(fd: number, what: keyof typeof EVENTS, onReady: () => void): void {
    const serial = this.#nextSerial;
    this.#nextSerial = (serial % 0xffff_ffff) + 1;
    this.#waits.set(fd, { serial, onReady });
    // Where the kernel takes no more (fs.epoll.max_user_watches) whoever waits looks from time to time.
    if (!addTo(this.#epoll, fd, EVENTS[what], serial))
      this.#clock.after(SHORTAGE_MS, () => this.#onEvent([fd, serial]));
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

  #startThread(): void {
    const thread = new Worker(threadFile("base/readiness-thread"));
    this.#thread = thread;
    thread.onmessage = ({ data }: MessageEvent<string>) => {
      for (const event of JSON.parse(data) as EpollEvent[]) this.#onEvent(event);
    };
    thread.onerror = ({ message }) => {
      this.#log.error(`a bug in std-fpm: the thread that waits for pipes has failed: ${message}`);
      this.#clock.after(RESTART_MS, () => this.#startThread());
    };
    thread.unref();
    thread.postMessage(this.#epoll);
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
