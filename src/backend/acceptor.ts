import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { Threads, threadFile } from "../base/threads.ts";

/** What a thread is told to do with a descriptor. */
export interface AcceptOrder {
  readonly kind: "accept" | "close";
  readonly fd: number;
}

/** The connection, if one was accepted: a descriptor, which the thread closes when it is told, and the inode of this end. */
export interface AcceptAnswer {
  readonly accepted?: number | undefined;
  readonly inode?: number | undefined;
}

/** Hears which connection was accepted, by the inode of our end; undefined: none. And before that, where it takes so long, that the thread stands. */
export interface AcceptListener {
  onAnswer(inode: number | undefined): void;
  onStands(): void;
}

/** A thread that has not come back by then stands, however busy the machine is. */
const DEADLINE_MS = 3000;

/**
 * Accepts what waits on the listening socket of a program, in a thread: a program has the same socket, and could have whoever accepts there wait for
 * as long as it likes, by taking the connection and the time limit (SO_RCVTIMEO) away in the same moment.
 */
export class Acceptor {
  readonly #threads: Threads<AcceptAnswer>;

  constructor(clock: Clock, log: Log) {
    const file = threadFile("backend/accept-thread");
    this.#threads = new Threads({ clock, log, file, name: "accept", deadlineMs: DEADLINE_MS, isLazy: true });
  }

  /**
   * Accepts without waiting on a listening socket, which must stay open until the answer. What was accepted stays open while the listener hears of it,
   * so that its other end does not. `key`: whose socket it is.
   */
  accept(fd: number, key: string, listener: AcceptListener): void {
    this.#threads.ask({
      text: JSON.stringify({ kind: "accept", fd } satisfies AcceptOrder),
      key,
      onAnswer: ({ accepted, inode }) => {
        listener.onAnswer(inode);
        if (accepted !== undefined) this.#close(accepted, key);
      },
      // One that was never begun for want of a thread accepts nothing later.
      onLate: (isBegun) => (isBegun ? listener.onStands() : listener.onAnswer(undefined)),
      onBroken: () => listener.onAnswer(undefined),
    });
  }

  #close(fd: number, key: string): void {
    this.#threads.ask({
      text: JSON.stringify({ kind: "close", fd } satisfies AcceptOrder),
      key,
      onAnswer() {},
      onLate: (isBegun) => {
        if (!isBegun) this.#close(fd, key);
      },
      onBroken() {},
    });
  }
}
