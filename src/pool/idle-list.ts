import type { Backend } from "../backend/backend.ts";

/** The free backends of one program, the most recently used last: that one is warm, the others may cool down and end. */
export class IdleList {
  readonly #backends: Backend[] = [];

  get all(): readonly Backend[] {
    return [...this.#backends];
  }

  get length(): number {
    return this.#backends.length;
  }

  /** How many have not served a request yet. */
  get unserved(): number {
    let count = 0;
    for (const backend of this.#backends) if (backend.served === 0) count++;
    return count;
  }

  /** The one that was used longest ago. */
  get idlest(): Backend | undefined {
    return this.#backends[0];
  }

  push(backend: Backend): void {
    this.#backends.push(backend);
  }

  /** Takes the most recently used; with `unserved` the youngest of those that have not served. */
  take(unserved: boolean): Backend | undefined {
    if (!unserved) return this.#backends.pop();
    const at = this.#backends.findLastIndex((backend) => backend.served === 0);
    return at === -1 ? undefined : this.#backends.splice(at, 1)[0];
  }

  remove(backend: Backend): void {
    const at = this.#backends.indexOf(backend);
    if (at !== -1) this.#backends.splice(at, 1);
  }
}
