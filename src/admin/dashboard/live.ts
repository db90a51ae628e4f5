import type { Snapshot } from "../../status/snapshot.ts";

/** How often the connection is looked at, and at the most made anew. */
const LOOK_MS = 1000;
/** Events come once a second: without one for so long the page is not live, though nothing may have broken off. */
const LATE_MS = 3500;
/** Then another connection is tried. */
const LOST_MS = 10_000;

/** What becomes of the connection to the daemon. */
export interface LiveListener {
  onSnapshot(snapshot: Snapshot): void;
  /** Once a second: whether events come, and how old the last one is; undefined before the first. */
  onLook(isLive: boolean, ageSeconds: number | undefined): void;
}

/** Snapshots as the daemon sends them, over one connection after the other. */
export class Live {
  readonly #listener: LiveListener;
  #source: EventSource | undefined;
  #openedAt = 0;
  #lastAt: number | undefined;

  constructor(listener: LiveListener) {
    this.#listener = listener;
  }

  start(): void {
    this.#open();
    setInterval(() => this.#look(), LOOK_MS);
  }

  #open(): void {
    this.#openedAt = performance.now();
    const source = new EventSource("/events");
    this.#source = source;
    // The browser's own second try does not come after every kind of end.
    source.addEventListener("error", () => this.#close());
    source.addEventListener("message", ({ data }) => {
      if (source !== this.#source) return;
      const snapshot = JSON.parse(data) as Snapshot;
      this.#lastAt = performance.now();
      this.#listener.onSnapshot(snapshot);
      this.#listener.onLook(true, 0);
      // Another daemon has taken over: it is found where this one was.
      if (snapshot.state === "retiring") this.#close();
    });
  }

  #close(): void {
    this.#source?.close();
    this.#source = undefined;
  }

  #look(): void {
    const now = performance.now();
    const ageMs = this.#lastAt === undefined ? undefined : now - this.#lastAt;
    const isLive = ageMs !== undefined && ageMs < (this.#source ? LATE_MS : LOOK_MS);
    this.#listener.onLook(isLive, ageMs === undefined ? undefined : ageMs / 1000);
    if (this.#source && now - Math.max(this.#openedAt, this.#lastAt ?? 0) > LOST_MS) this.#close();
    if (!this.#source) this.#open();
  }
}
