import type { Clock, Timer } from "./clock.ts";

/** So many bytes of chunks are let go of before the collector is asked. */
const ASK_EVERY_BYTES = 16 * 1024 * 1024;
/** After so long without any it is asked once more, if it is worth it. */
const QUIET_MS = 1000;
const WORTH_BYTES = 1024 * 1024;

/**
 * Asks the runtime's collector to look when much was let go of, and when nothing is any more. By itself it comes late: chunks that a slow client keeps
 * alive while it looks count as old, and old ones are collected only when the heap is several times as large as it was; a daemon that has nothing to
 * do keeps what its last requests have left (Bun 1.4.5).
 */
export class Garbage {
  readonly #ask: () => void;
  readonly #clock: Clock;
  #bytes = 0;
  /** Something was let go of since the last look. */
  #isBusy = false;
  #timer: Timer | undefined;

  constructor(ask: () => void, clock: Clock) {
    this.#ask = ask;
    this.#clock = clock;
  }

  /** So many bytes are of no use to anybody any more. */
  add(bytes: number): void {
    this.#bytes += bytes;
    this.#isBusy = true;
    if (this.#bytes >= ASK_EVERY_BYTES) this.#collect();
    this.#timer ??= this.#clock.after(QUIET_MS, () => this.#look());
  }

  #look(): void {
    this.#timer = this.#isBusy ? this.#clock.after(QUIET_MS, () => this.#look()) : undefined;
    if (!this.#isBusy && this.#bytes >= WORTH_BYTES) this.#collect();
    this.#isBusy = false;
  }

  #collect(): void {
    this.#bytes = 0;
    this.#ask();
  }
}
