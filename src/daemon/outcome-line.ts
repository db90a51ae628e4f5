import { messageOf } from "../base/errors.ts";
import type { LimitedLog } from "../base/limited-log.ts";
import type { Log } from "../base/log.ts";
import type { Outcome } from "../fcgi/outcome.ts";
import { type RequestNaming, shown } from "../fcgi/request-naming.ts";
import { statusOf } from "../reply/error-reply.ts";
import type { Journey } from "./journey.ts";

const LONGEST_METHOD = 32;

/** Where the lines about requests go. */
export interface OutcomeLogs {
  readonly log: Log;
  /** For what clients got wrong. */
  readonly clientLog: LimitedLog;
  readonly naming: RequestNaming;
}

/** Writes the one line about how a request has ended; of one that went well only for debugging. */
export function logOutcome(
  { client, route }: Journey,
  outcome: Outcome,
  tookMs: number,
  { log, clientLog, naming }: OutcomeLogs,
): void {
  if ((outcome.kind === "answered" || outcome.kind === "client-left") && !log.isDebug) return;
  const { head } = client;
  const program = route?.program.name;
  const fields = {
    // What a client sends can be long, and asked for again and again.
    method: head.method.slice(0, LONGEST_METHOD),
    uri: shown(head.path),
    program,
    ...naming.fields(head, route?.script, program),
    ms: Math.round(tookMs * 10) / 10,
  };
  if (outcome.kind === "answered") log.debug("answered", { ...fields, status: outcome.appStatus });
  else if (outcome.kind === "client-left") log.debug("client left", fields);
  else {
    const status = outcome.kind === "refused" ? statusOf(outcome.error) : "aborted";
    const message = messageOf(outcome.error);
    if (outcome.error.fault === "client") {
      clientLog.info(shown(message) ?? "", { ...fields, code: outcome.error.code, status });
    } else log.error(message, { ...fields, code: outcome.error.code, status });
  }
}
