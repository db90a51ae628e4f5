import type { Clock, Timer } from "../base/clock.ts";
import type { Control } from "./control.ts";

const EVERY_MS = 1000;
/** So many pages may be open at once. */
const MAX_LISTENERS = 16;

type Listener = ReadableStreamDefaultController<Uint8Array>;

/** Server-sent events: a snapshot a second, made once for all who listen, and not at all while nobody does. */
export class EventStream {
  readonly #control: Control;
  readonly #clock: Clock;
  readonly #listeners = new Set<Listener>();
  #ticker: Timer | undefined;

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
        controller.enqueue(this.#event());
        this.#ticker ??= this.#clock.every(EVERY_MS, () => this.#tick());
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

  #tick(): void {
    const event = this.#event();
    // Who has not read the one before it gets the next one.
    for (const listener of this.#listeners) if ((listener.desiredSize ?? 0) > 0) listener.enqueue(event);
  }

  #event(): Uint8Array {
    return new TextEncoder().encode(`data: ${JSON.stringify(this.#control.snapshot(true))}\n\n`);
  }

  #remove(listener: Listener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    this.#ticker?.cancel();
    this.#ticker = undefined;
  }
}
