/**
 * How many bytes are held, by all who share a limit. Whoever holds bytes adds what comes and takes off what goes, so that nobody ever
 * has to look around. What to do above the limit is the holders' business.
 */
export class ByteBudget {
  readonly #parent: ByteBudget | undefined;
  #limitBytes: number;
  #heldBytes = 0;

  /** What is held here counts for `parent`, too. */
  constructor(limitBytes: number, parent?: ByteBudget) {
    this.#limitBytes = limitBytes;
    this.#parent = parent;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get limitBytes(): number {
    return this.#limitBytes;
  }

  /** Another limit from now on. */
  limit(bytes: number): void {
    this.#limitBytes = bytes;
  }

  /** Whether so much is held that nobody should take more than need be. */
  get isTight(): boolean {
    return 2 * this.#heldBytes > this.#limitBytes || (this.#parent?.isTight ?? false);
  }

  /** Whether more is held than may be. */
  get isSpent(): boolean {
    return this.#heldBytes > this.#limitBytes || (this.#parent?.isSpent ?? false);
  }

  hold(bytes: number): void {
    this.#heldBytes += bytes;
    this.#parent?.hold(bytes);
  }

  release(bytes: number): void {
    this.#heldBytes -= bytes;
    this.#parent?.release(bytes);
  }
}
