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

  /** The one that has been idle for longest. */
  get idlest(): Backend | undefined {
    return this.#backends.find(({ busy }) => busy === 0);
  }

  /** It has become free, or freer; it is now the most recently used. */
  put(backend: Backend): void {
    this.remove(backend);
    this.#backends.push(backend);
  }

  /** The most recently used; it stays in the list. */
  get next(): Backend | undefined {
    return this.#backends.at(-1);
  }

  remove(backend: Backend): void {
    const at = this.#backends.lastIndexOf(backend);
    if (at !== -1) this.#backends.splice(at, 1);
  }
}
