import type { Backend } from "../backend/backend.ts";

/** The backends of one program that can take a request, the most recently used last: that one is warm, the others may cool down and end. */
export class FreeList {
  readonly #backends: Backend[] = [];

  /** Those that work on nothing, the longest idle first. */
  get idle(): readonly Backend[] {
    return this.#backends.filter(({ busy }) => busy === 0);
  }

  get isEmpty(): boolean {
    return this.#backends.length === 0;
  }

  /** How many requests they can take together. */
  get places(): number {
    return this.#backends.reduce((sum, { free }) => sum + free, 0);
  }

  /** How many have not served a request yet. */
  get unserved(): number {
    return this.#backends.reduce((sum, { served }) => sum + (served === 0 ? 1 : 0), 0);
  }

  /** The one that has been idle for longest. */
  get idlest(): Backend | undefined {
    return this.#backends.find(({ busy }) => busy === 0);
  }

  /** It has become free, or freer; it is now the most recently used. */
  put(backend: Backend): void {
    this.remove(backend);
    this.#backends.push(backend);
  }

  /** The most recently used; with `unserved` the youngest of those that have not served. It stays in the list. */
  next(unserved: boolean): Backend | undefined {
    return unserved ? this.#backends.findLast(({ served }) => served === 0) : this.#backends.at(-1);
  }

  remove(backend: Backend): void {
    const at = this.#backends.lastIndexOf(backend);
    if (at !== -1) this.#backends.splice(at, 1);
  }
}
