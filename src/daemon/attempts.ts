import type { Failure } from "../relay/relay.ts";

/** A safe request may meet so many processes that die over it. */
const MOST_DEATHS = 3;
/** So often a request is taken back from a process that works on after its last answer; then it waits for it. */
const MOST_TAKEN_BACK = 2;

/**
 * Whether a request needs a new connection, of which `before` tells whether it was sent before: with one the kernel tells whether the program has
 * accepted it. What must not run twice goes out on a new one, and so does whatever is sent again.
 */
export function needsNewConnection(isSafe: boolean, before: Attempts | undefined): boolean {
  return !isSafe || before !== undefined;
}

/** What has become of one request so far that was not answered, and whether it may be sent again: it is never executed twice unless that is safe. */
export class Attempts {
  readonly #isSafe: boolean;
  #deaths = 0;
  #takenBack = 0;

  /** `isSafe`: asking twice does no harm. */
  constructor(isSafe: boolean) {
    this.#isSafe = isSafe;
  }

  /** Whether it may be taken back from a process that does not read it. */
  get mayBeTakenBack(): boolean {
    return this.#takenBack < MOST_TAKEN_BACK;
  }

  /** Whether the request may be sent once more after this. What nobody has seen may be as long as its client waits for it. */
  mayRepeat(failure: Failure): boolean {
    switch (failure) {
      case "unseen":
        return true;
      case "taken back":
        this.#takenBack++;
        return true;
      case "stale":
        return this.#isSafe;
      case "lost":
        this.#deaths++;
        return this.#isSafe && this.#deaths < MOST_DEATHS;
      case "bad":
        return false;
    }
  }
}
