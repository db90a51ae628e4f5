import { messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Outcome } from "../fcgi/outcome.ts";
import { statusOf } from "../reply/error-reply.ts";
import type { Journey } from "./journey.ts";

/** Writes the one line about how a request has ended; of one that went well only for debugging. */
export function logOutcome({ client, route }: Journey, outcome: Outcome, tookMs: number, log: Log): void {
  if ((outcome.kind === "answered" || outcome.kind === "client-left") && !log.isDebug) return;
  const { head } = client;
  const fields = {
    method: head.method,
    uri: head.path,
    program: route?.program.name,
    ms: Math.round(tookMs * 10) / 10,
  };
  if (outcome.kind === "answered") log.debug("answered", { ...fields, status: outcome.appStatus });
  else if (outcome.kind === "client-left") log.debug("client left", fields);
  else {
    const status = outcome.kind === "refused" ? statusOf(outcome.error) : "aborted";
    const level = outcome.error.fault === "client" ? "info" : "error";
    log[level](messageOf(outcome.error), { ...fields, code: outcome.error.code, status });
  }
}
