import type { Outcome } from "../fcgi/outcome.ts";
import type { FrontRequest } from "../front/request.ts";
import type { Registry } from "../pool/registry.ts";
import type { AccessLog } from "./access-log.ts";
import { Journey } from "./journey.ts";
import { logOutcome, type OutcomeLogs } from "./outcome-line.ts";

/** Where a request that is over is counted and told of. */
export interface RecordDeps extends OutcomeLogs {
  readonly registry: Registry;
  readonly accessLog: AccessLog;
}

/** Counts a request that is over at `now`, and tells of it where that is wanted. */
export function record(journey: Journey, outcome: Outcome, now: number, deps: RecordDeps): void {
  const tookMs = now - journey.startedAt;
  deps.registry.tallyOf(journey.route?.program).onOutcome(outcome, tookMs, now);
  logOutcome(journey, outcome, tookMs, deps);
  deps.accessLog.add(journey, outcome, now);
}

/** The same of one that was over before anybody worked on it; how long it took is known by a second. */
export function recordDismissed(
  request: FrontRequest,
  outcome: Outcome,
  now: number,
  deps: RecordDeps,
): void {
  record(new Journey(request, request.seenAt || now, deps.accessLog.isOn), outcome, now, deps);
}
