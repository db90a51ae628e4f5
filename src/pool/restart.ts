import type { FpmError } from "../base/errors.ts";

/** A restart that was asked for by hand, and those who wait for how it comes out. */
export class Restart {
  #waiting: PromiseWithResolvers<FpmError | undefined> | undefined;

  /** Settles with undefined when a new process is ready, or with the reason why none is. */
  begin(): Promise<FpmError | undefined> {
    this.#waiting ??= Promise.withResolvers();
    return this.#waiting.promise;
  }

  settle(error: FpmError | undefined): void {
    this.#waiting?.resolve(error);
    this.#waiting = undefined;
  }
}
