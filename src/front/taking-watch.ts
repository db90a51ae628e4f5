import { fstatSync } from "node:fs";
import type { Clock, Timer } from "../base/clock.ts";
import { unsentBytes } from "../base/libc.ts";
import { unreadByPeer } from "../base/unix-peer.ts";

/** The first look at what waits is this part of the time after the wait began: most waits are over by then, and a look costs. */
const FIRST_LOOK = 1 / 8;

/**
 * Watches whether a client takes something of its answer from time to time, be it a byte. Bun tells of room only when the kernel's buffer is nearly
 * empty, and for a Unix socket the kernel gives up whole blocks: so the client's own queue is asked.
 */
export class TakingWatch {
  readonly #clock: Clock;
  readonly #fd: number;
  readonly #onStill: () => void;
  #timer: Timer | undefined;
  #timeoutMs = 0;

  /** `onStill`: it has taken no byte for `timeoutMs`. */
  constructor(clock: Clock, fd: number, onStill: () => void) {
    this.#clock = clock;
    this.#fd = fd;
    this.#onStill = onStill;
  }

  /** Something waits for the client; begins anew only with `isProgress`, when it has just taken something. */
  begin(timeoutMs: number, isProgress = false): void {
    if (this.#timer && !isProgress) return;
    this.stop();
    this.#timeoutMs = timeoutMs;
    this.#timer = this.#clock.after(timeoutMs * FIRST_LOOK, () => this.#await(this.#untaken()));
  }

  /** Nothing waits any more. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #await(untaken: number): void {
    this.#timer = this.#clock.after(this.#timeoutMs, () => {
      const left = this.#untaken();
      if (left < untaken) this.#await(left);
      else {
        this.#timer = undefined;
        this.#onStill();
      }
    });
  }

  #untaken(): number {
    return unreadByPeer(fstatSync(this.#fd).ino) ?? unsentBytes(this.#fd);
  }
}
