import { FpmError } from "../base/errors.ts";
import { bodyLate } from "../relay/body-limit.ts";

/**
 * What a request is at:
 *
 *     head ──PARAMS end──► body ──ready──► open ──answered──► draining ──body ends──► ended
 *       └───────── refused, or body complete when answered ──────────────────────────►┘
 */
export type RequestPhase = "head" | "body" | "open" | "draining" | "ended";

/** How long a client may take. */
export interface RequestTimes {
  readonly headTimeoutMs: number;
  /** How long it may send no byte of a body. */
  readonly bodyTimeoutMs: number;
}

/** How long the rest of a body that nobody wants may take on a connection that is kept. */
const DRAIN_MS = 30_000;

/** How long a request may be at this, in milliseconds; 0: as long as it likes, or others see to it. */
export function timeFor(phase: RequestPhase, { headTimeoutMs, bodyTimeoutMs }: RequestTimes): number {
  if (phase === "head") return headTimeoutMs;
  if (phase === "body") return bodyTimeoutMs;
  return phase === "draining" ? DRAIN_MS : 0;
}

/** What a client is told that has taken longer than `afterMs`. */
export function lateError(phase: "head" | "body", afterMs: number): FpmError {
  if (phase === "body") return bodyLate(afterMs);
  const what = `A request's head did not arrive within head_timeout (${afterMs / 1000} s).`;
  return new FpmError("HEAD_TIMEOUT", "client", what);
}
