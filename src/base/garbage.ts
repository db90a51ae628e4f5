/** So many bytes of chunks are let go of before the collector is asked. */
const ASK_EVERY_BYTES = 16 * 1024 * 1024;

/**
 * Asks the runtime's collector to look when much was let go of. By itself it comes late: chunks that a slow client keeps alive while it
 * looks count as old, and old ones are collected only when the heap is several times as large as it was (Bun 1.4.5).
 */
export class Garbage {
  readonly #ask: () => void;
  #bytes = 0;

  constructor(ask: () => void) {
    this.#ask = ask;
  }

  /** So many bytes are of no use to anybody any more. */
  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < ASK_EVERY_BYTES) return;
    this.#bytes = 0;
    this.#ask();
  }
}
