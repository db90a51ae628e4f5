import { Lease } from "../backend/lease.ts";
import { explainSpawnError } from "../backend/start-failure.ts";
import type { Clock } from "../base/clock.ts";
import { FpmError, messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Outcome } from "../fcgi/outcome.ts";
import type { Pool } from "../pool/pool.ts";
import type { Registry } from "../pool/registry.ts";
import { collectBody } from "../relay/body-collector.ts";
import type { ClientStream } from "../relay/client-stream.ts";
import { isSafeMethod, type Relayed, relay } from "../relay/relay.ts";
import { checkBodySize, mustBeSpooled } from "../relay/spool.ts";
import { SpooledClient } from "../relay/spooled-client.ts";
import { statusOf } from "../reply/error-reply.ts";
import type { Route, Router } from "../route/router.ts";
import type { AccessLog } from "./access-log.ts";
import { Journey } from "./journey.ts";
import type { OwnAnswers } from "./own-answers.ts";
import type { SlowLog } from "./slow-log.ts";

/** Backends that may end before they accept a request, one after the other, until it is given up. */
const MAX_ATTEMPTS = 8;

/** What every request passes through. */
export interface DispatchDeps {
  readonly router: Router;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  readonly accessLog: AccessLog;
  readonly ownAnswers: OwnAnswers;
  readonly slowLog: SlowLog;
  /** Where bodies are kept that are too large for the memory. */
  spoolDir(): string;
}

/** The way of one request: route, lease, relay, release, once more where that is safe; one outcome, one log line. */
export async function dispatch(client: ClientStream, deps: DispatchDeps): Promise<Outcome> {
  const journey = new Journey(client, deps.clock.now(), deps.accessLog.watchAnswer());
  deps.slowLog.add(journey);
  let outcome: Outcome;
  try {
    outcome = deps.ownAnswers.answer(journey) ?? (await toProgram(client, deps, journey));
  } catch (error) {
    if (!(error instanceof FpmError)) {
      deps.slowLog.forget(journey);
      throw error;
    }
    client.refuse(error);
    outcome = { kind: "refused", error };
  }
  const now = deps.clock.now();
  const tookMs = now - journey.startedAt;
  deps.registry.tallyOf(journey.route?.program).onOutcome(outcome, tookMs, now);
  logOutcome(journey, outcome, tookMs, deps.log);
  deps.slowLog.end(journey, outcome);
  deps.accessLog.add(journey, outcome);
  return outcome;
}

/** @throws FpmError the reason why no program could answer. */
async function toProgram(client: ClientStream, deps: DispatchDeps, journey: Journey): Promise<Outcome> {
  const route = await deps.router.route(client.head);
  journey.route = route;
  const { app } = route.program;
  checkBodySize(client, app);
  return await (mustBeSpooled(client, app) ? serveSpooled : serve)(client, route, deps, journey);
}

/** @throws FpmError the reason why no program could answer. */
async function serve(
  client: ClientStream,
  route: Route,
  deps: DispatchDeps,
  journey: Journey,
): Promise<Outcome> {
  const pool = deps.registry.poolFor(route.program);
  const isSafe = isSafeMethod(client.head.method);
  let safeRetries = 1;
  for (let attempt = 1; ; attempt++) {
    // The first try may have met the end of a kept connection: the next one goes to any process, on a new connection. After
    // that only to one that has not served yet: the program may be one that exits after each answer.
    journey.wait(deps.clock.now());
    const lease = await leaseFor(client, pool, attempt > (isSafe ? 2 : 1), journey);
    journey.go(lease, deps.clock.now());
    if (!lease) return { kind: "client-left" };
    // What must not run twice goes out on a new connection, and so does a second try.
    const fresh = !isSafe || attempt > 1;
    deps.accessLog.onLent(journey);
    deps.slowLog.onLent(journey);
    const options = { changes: route.changes, fresh, clock: deps.clock, answer: journey.answer };
    const relayed = await relay(client, lease, options).catch((bug) => {
      // Nobody knows what it is at: it must not stay lent for ever.
      lease.condemn("bad answer");
      throw bug;
    });
    pool.release(lease, relayed.kind === "answered" && relayed.keepLink);
    if (relayed.kind !== "unanswered") return conclude(client, relayed);
    const mayTryAgain =
      relayed.again === "always" || (relayed.again === "if-safe" && isSafe && safeRetries-- > 0);
    if (relayed.error.code === "SPAWN_FAILED") throw await explainSpawnError(route.program, relayed.error);
    if (!mayTryAgain || attempt === MAX_ATTEMPTS || !client.isHeld) throw relayed.error;
    if (client.isGone) return { kind: "client-left" };
    pool.tally.retries++;
    deps.log.info("sent to another process", { program: route.program.name, why: relayed.error.message });
  }
}

/** Takes the whole body before a program is asked for, and tells it the right length. @throws as serve, and for the body. */
async function serveSpooled(
  client: ClientStream,
  route: Route,
  deps: DispatchDeps,
  journey: Journey,
): Promise<Outcome> {
  const { maxBodyBytes, bodyTimeoutMs } = route.program.app;
  const limits = { maxBytes: maxBodyBytes, timeoutMs: bodyTimeoutMs };
  journey.receive(deps.clock.now());
  const collected = await collectBody(client, { ...limits, folder: deps.spoolDir(), clock: deps.clock });
  if (!collected) return { kind: "client-left" };
  const spooled = new SpooledClient(client, collected);
  const changes = new Map(route.changes).set("CONTENT_LENGTH", String(collected.contentBytes));
  try {
    return await serve(spooled, { ...route, changes }, deps, journey);
  } finally {
    spooled.close();
  }
}

/** A backend of the pool, waited for if need be; undefined when the client leaves before. */
async function leaseFor(
  client: ClientStream,
  pool: Pool,
  unserved: boolean,
  journey: Journey,
): Promise<Lease | undefined> {
  if (client.isGone) return undefined;
  const leased = pool.lease(unserved);
  if (leased instanceof Lease) return leased;
  journey.place = leased;
  const left = new Promise<undefined>((resolve) => {
    client.whenLeft(() => {
      leased.cancel();
      resolve(undefined);
    });
  });
  try {
    const lease = await Promise.race([leased.lease, left]);
    if (lease && client.isGone) {
      pool.takeBack(lease);
      return undefined;
    }
    return lease;
  } finally {
    client.whenLeft(undefined);
  }
}

function conclude(client: ClientStream, relayed: Exclude<Relayed, { kind: "unanswered" }>): Outcome {
  if (relayed.kind === "answered") client.complete();
  else if (relayed.kind === "truncated") client.truncate();
  return relayed;
}

function logOutcome({ client, route }: Journey, outcome: Outcome, tookMs: number, log: Log): void {
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
