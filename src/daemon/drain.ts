import type { Clock } from "../base/clock.ts";
import type { Front } from "../front/front.ts";

/** While draining, a kept connection is closed when it has been idle for so long. */
const RETIRE_IDLE_MS = 100;
const LOOK_MS = 10;

/** What is to come to its end. */
export interface Draining {
  readonly front: Front;
  /** Requests at work, and what else is waited for. */
  inFlight(): number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Ends the wait when it settles. */
  readonly hurry: Promise<void>;
}

/** Waits until no request is at work and every client has read its answer, for `timeoutMs` at most, or until told to hurry. */
export async function drain({ front, inFlight, timeoutMs, clock, hurry }: Draining): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const startedAt = clock.now();
  const look = () => {
    const elapsedMs = clock.now() - startedAt;
    // A web server that never pauses on a kept connection has to bear a close in the end.
    front.retire(elapsedMs < timeoutMs / 2 ? RETIRE_IDLE_MS : 0);
    if ((inFlight() === 0 && front.isEmpty) || elapsedMs >= timeoutMs) resolve();
  };
  const looking = clock.every(LOOK_MS, look);
  look();
  await Promise.race([promise, hurry]);
  looking.cancel();
}
