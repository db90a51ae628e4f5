import type { Backend } from "../backend/backend.ts";
import { LinkedList } from "../base/linked-list.ts";

/** The backends of one program that can take a request, the most recently used last: that one is warm, the others may cool down and end. */
export class FreeList {
  readonly #backends = new LinkedList<Backend>();

  /** Those that work on nothing, the longest idle first. */
  get idle(): readonly Backend[] {
    return this.#backends.members().filter(({ isIdle }) => isIdle);
  }

  get isEmpty(): boolean {
    return this.#backends.first === undefined;
  }

  /** The one that has been idle for longest. */
  get idlest(): Backend | undefined {
    let each = this.#backends.first;
    while (each && !each.isIdle) each = each.next;
    return each;
  }

  /** It has become free, or freer; it is now the most recently used. */
  put(backend: Backend): void {
    this.#backends.remove(backend);
    this.#backends.push(backend);
  }

  /** The most recently used; it stays in the list. */
  get next(): Backend | undefined {
    return this.#backends.last;
  }

  /** All of them, the most recently used first. */
  *[Symbol.iterator](): Iterator<Backend> {
    for (let each = this.#backends.last; each; each = each.previous) yield each;
  }

  remove(backend: Backend): void {
    this.#backends.remove(backend);
  }
}
