import { tellBug } from "../base/bug.ts";
import { systemClock, type Timer } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";

/** How often the same bug is told. */
const SAME_EVERY_MS = 10_000;

/**
 * Whose every exception and rejection is that nobody else caught. They are logged and end nothing: the connection or link that was
 * served ends by itself, and all others go on. Only a stop does not wait for what a bug may keep from its end.
 */
export class BugOwner {
  readonly #log: Log;
  readonly #gaveUp = Promise.withResolvers<"incomplete">();
  #last = "";
  #toldAt = Number.NEGATIVE_INFINITY;
  /** How often it came since it was told. */
  #times = 0;
  #stopTimeoutMs: number | undefined;
  #patience: Timer | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Settles when a stop has waited for long enough. */
  get gaveUp(): Promise<"incomplete"> {
    return this.#gaveUp.promise;
  }

  /** From now on they come here. */
  begin(): void {
    process.on("uncaughtException", this.#onBug);
    process.on("unhandledRejection", this.#onBug);
  }

  end(): void {
    process.off("uncaughtException", this.#onBug);
    process.off("unhandledRejection", this.#onBug);
    this.#patience?.cancel();
  }

  /** A stop has begun, and should be over after this time. */
  onStop(timeoutMs: number): void {
    this.#stopTimeoutMs = timeoutMs;
  }

  readonly #onBug = (bug: unknown): void => {
    this.#tell(bug);
    if (this.#stopTimeoutMs === undefined) return;
    this.#patience ??= systemClock.after(this.#stopTimeoutMs, () => {
      this.#log.error("gave up to stop in order: a bug keeps it from its end");
      this.#gaveUp.resolve("incomplete");
    });
  };

  #tell(bug: unknown): void {
    const message = messageOf(bug);
    const now = systemClock.now();
    this.#times++;
    if (message === this.#last && now - this.#toldAt < SAME_EVERY_MS) return;
    tellBug(this.#log, bug, this.#times > 1 ? this.#times : undefined);
    this.#last = message;
    this.#toldAt = now;
    this.#times = 0;
  }
}
