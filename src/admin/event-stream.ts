import type { Clock, Timer } from "../base/clock.ts";
import type { Control } from "./control.ts";

const EVERY_MS = 1000;
/** So many pages may be open at once. */
const MAX_LISTENERS = 16;

type Listener = ReadableStreamDefaultController<Uint8Array>;

const BEFORE = new TextEncoder().encode("data: ");
const AFTER = new TextEncoder().encode("\n\n");

/** Server-sent events: a snapshot a second, made once for all who listen, and not at all while nobody does. */
export class EventStream {
  readonly #control: Control;
  readonly #clock: Clock;
  readonly #listeners = new Set<Listener>();
  #ticker: Timer | undefined;
  /** Whether an event is being made for all. */
  #isTicking = false;

  constructor(control: Control, clock: Clock) {
    this.#control = control;
    this.#clock = clock;
  }

  /** A stream for one more listener; undefined when there are too many. */
  open(): ReadableStream<Uint8Array> | undefined {
    if (this.#listeners.size >= MAX_LISTENERS) return undefined;
    let listener: Listener;
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        listener = controller;
        this.#listeners.add(controller);
        this.#ticker ??= this.#clock.every(EVERY_MS, () => void this.#tick());
        void this.#tell([listener]);
      },
      cancel: () => this.#remove(listener),
    });
  }

  close(): void {
    for (const listener of [...this.#listeners]) {
      this.#remove(listener);
      listener.close();
    }
  }

  async #tick(): Promise<void> {
    // One that takes longer than a second is not overtaken.
    if (this.#isTicking) return;
    this.#isTicking = true;
    try {
      await this.#tell(this.#listeners);
    } finally {
      this.#isTicking = false;
    }
  }

  async #tell(listeners: Iterable<Listener>): Promise<void> {
    const pieces = await this.#control.status("json", true);
    for (const listener of listeners) {
      // Who has not read the one before it gets the next one; who has left meanwhile, none.
      if (!this.#listeners.has(listener) || (listener.desiredSize ?? 0) <= 0) continue;
      for (const piece of [BEFORE, ...pieces, AFTER]) listener.enqueue(piece);
    }
  }

  #remove(listener: Listener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    this.#ticker?.cancel();
    this.#ticker = undefined;
  }
}
