import type { Clock, Timer } from "../base/clock.ts";
import { isHungUp } from "../base/libc.ts";

/** How often a paused connection is asked whether its client has left: pausing hides that. */
const HANGUP_LOOK_MS = 1000;

/** The part of a Bun socket that is asked for. */
export interface ReadSocket {
  readonly fd: number;
  pause(): void;
  resume(): void;
}

/** Whether a connection is read from: not while anybody wants no more of it. */
export class Reading {
  readonly #socket: ReadSocket;
  readonly #clock: Clock;
  readonly #onHangup: () => void;
  /** Who wants no more: requests whose program is slow, or the connection when answers pile up. */
  readonly #paused = new Set<object>();
  #timer: Timer | undefined;

  /** `onHangup`: the client has left while nobody read. */
  constructor(socket: ReadSocket, clock: Clock, onHangup: () => void) {
    this.#socket = socket;
    this.#clock = clock;
    this.#onHangup = onHangup;
  }

  pause(who: object): void {
    if (this.#paused.size === 0) {
      this.#socket.pause();
      this.#watchHangup();
    }
    this.#paused.add(who);
  }

  /** Does nothing when `who` has not paused it. */
  resume(who: object): void {
    if (!this.#paused.delete(who) || this.#paused.size > 0) return;
    this.stop();
    this.#socket.resume();
  }

  /** The connection is closed. */
  stop(): void {
    this.#timer?.cancel();
  }

  #watchHangup(): void {
    this.#timer = this.#clock.after(HANGUP_LOOK_MS, () => {
      if (isHungUp(this.#socket.fd)) this.#onHangup();
      else this.#watchHangup();
    });
  }
}
