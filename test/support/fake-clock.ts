import type { Clock } from "../../src/base/clock.ts";

interface Planned {
  at: number;
  readonly everyMs: number | undefined;
  readonly fire: () => void;
}

/** A clock that a test turns by hand. */
export class FakeClock implements Clock {
  #now = 0;
  readonly #planned = new Set<Planned>();

  now(): number {
    return this.#now;
  }

  after(delayMs: number, fire: () => void) {
    return this.#plan({ at: this.#now + delayMs, everyMs: undefined, fire });
  }

  every(periodMs: number, fire: () => void) {
    return this.#plan({ at: this.#now + periodMs, everyMs: periodMs, fire });
  }

  soon(fire: () => void) {
    this.after(0, fire);
  }

  /** How many timers run. */
  get timers(): number {
    return this.#planned.size;
  }

  /** Lets time pass; timers fire in their order. */
  advance(byMs: number): void {
    const until = this.#now + byMs;
    for (;;) {
      const next = [...this.#planned].sort((a, b) => a.at - b.at)[0];
      if (!next || next.at > until) break;
      this.#now = next.at;
      if (next.everyMs === undefined) this.#planned.delete(next);
      else next.at += next.everyMs;
      next.fire();
    }
    this.#now = until;
  }

  /** Lets time pass as for a process that does not run: what is due then fires late, each once. */
  sleep(forMs: number): void {
    this.#now += forMs;
    for (const planned of [...this.#planned]) {
      if (planned.at > this.#now) continue;
      if (planned.everyMs === undefined) this.#planned.delete(planned);
      else planned.at = this.#now + planned.everyMs;
      planned.fire();
    }
  }

  #plan(planned: Planned) {
    this.#planned.add(planned);
    return { cancel: () => void this.#planned.delete(planned) };
  }
}
