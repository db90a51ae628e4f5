import { messageOf } from "../base/errors.ts";
import type { LimitedLog } from "../base/limited-log.ts";
import type { Log } from "../base/log.ts";
import type { Outcome } from "../fcgi/outcome.ts";
import { statusOf } from "../reply/error-reply.ts";
import type { Journey } from "./journey.ts";

/** What a client sends decides no more of a line than that: it can be long, and asked for again and again. */
const LONGEST_TEXT = 500;
const LONGEST_METHOD = 32;

/** Where the lines about requests go. */
export interface OutcomeLogs {
  readonly log: Log;
  /** For what clients got wrong. */
  readonly clientLog: LimitedLog;
}

/** Writes the one line about how a request has ended; of one that went well only for debugging. */
export function logOutcome(
  { client, route }: Journey,
  outcome: Outcome,
  tookMs: number,
  { log, clientLog }: OutcomeLogs,
): void {
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
    const message = messageOf(outcome.error);
    if (outcome.error.fault === "client") {
      const cutFields = { ...fields, method: head.method?.slice(0, LONGEST_METHOD), uri: cut(head.path) };
      clientLog.info(cut(message), { ...cutFields, code: outcome.error.code, status });
    } else log.error(message, { ...fields, code: outcome.error.code, status });
  }
}

function cut<Text extends string | undefined>(text: Text): Text | string {
  return text !== undefined && text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
}
