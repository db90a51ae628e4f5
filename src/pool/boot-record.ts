import { FpmError } from "../base/errors.ts";
import { BREAKER_FAILURES, backoffMs } from "./policy.ts";

/** The failed starts of one program: the pause after each, and the breaker that several in a row open. */
export class BootRecord {
  #failures = 0;
  /** No start before this time. */
  #retryAt = 0;
  #lastError: FpmError | undefined;

  get failures(): number {
    return this.#failures;
  }

  /** Milliseconds until the next start may be tried; 0 when it may be now. */
  waitMs(now: number): number {
    return Math.max(0, this.#retryAt - now);
  }

  /** Whether so many starts in a row failed that requests are refused until the next try. */
  isOpen(now: number): boolean {
    return this.#failures >= BREAKER_FAILURES && now < this.#retryAt;
  }

  /** Notes a failed start. Returns the pause until the next one, in milliseconds. */
  fail(now: number): number {
    this.#failures++;
    const pause = backoffMs(this.#failures);
    this.#retryAt = now + pause;
    return pause;
  }

  /** Notes the reason of the last failure, which may be found out later than the failure itself. */
  explain(error: FpmError): void {
    this.#lastError = error;
  }

  /** What a request is told while the breaker is open. */
  refusal(now: number): FpmError {
    const retryAfterMs = this.waitMs(now);
    const what = `${this.#lastError?.message ?? ""} Next try in ${Math.ceil(retryAfterMs / 1000)} s.`;
    return new FpmError("BREAKER_OPEN", "backend", what, { retryAfterMs });
  }

  /** A start succeeded, or the program is another one now: a pause that runs ends too. */
  reset(): void {
    this.#failures = 0;
    this.#retryAt = 0;
  }
}
