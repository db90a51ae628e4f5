import type { Ending, Lease } from "../backend/backend.ts";
import { tellBug } from "../base/bug.ts";
import type { ByteBudget } from "../base/byte-budget.ts";
import { FpmError } from "../base/errors.ts";
import type { Garbage } from "../base/garbage.ts";
import { isShortage, SHORTAGE_MS } from "../base/shortage.ts";
import type { Outcome } from "../fcgi/outcome.ts";
import type { Pool } from "../pool/pool.ts";
import type { Waiter } from "../pool/queue.ts";
import type { Registry } from "../pool/registry.ts";
import { AnswerHead } from "../relay/answer-head.ts";
import { type CollectedBody, collectBody } from "../relay/body-collector.ts";
import { limitBody } from "../relay/body-limit.ts";
import type { ClientStream, LeaveListener } from "../relay/client-stream.ts";
import { Relay, type RelayDeps, type Relayed, type RelayOwner } from "../relay/relay.ts";
import { mustBeSpooled } from "../relay/spool.ts";
import type { SpoolSpace } from "../relay/spool-space.ts";
import { SpooledClient } from "../relay/spooled-client.ts";
import type { Route } from "../route/path-router.ts";
import type { Router } from "../route/router.ts";
import type { AccessLog } from "./access-log.ts";
import { Attempts, needsNewConnection } from "./attempts.ts";
import { Journey, type Queued } from "./journey.ts";
import type { OutcomeLogs } from "./outcome-line.ts";
import type { OwnAnswers } from "./own-answers.ts";
import { record } from "./request-end.ts";
import type { SlowLog } from "./slow-log.ts";

/** What every request passes through. */
export interface DispatchDeps extends OutcomeLogs, RelayDeps {
  readonly router: Router;
  readonly registry: Registry;
  readonly accessLog: AccessLog;
  readonly ownAnswers: OwnAnswers;
  readonly slowLog: SlowLog;
  /** Where bodies are kept that are too large for the memory. */
  readonly spoolSpace: SpoolSpace;
  /** What is held in memory of all requests and answers. */
  readonly buffers: ByteBudget;
  /** What was in memory of those that are over. */
  readonly garbage: Garbage;
}

/**
 * The way of one request: its body where that must be whole, route, lease, relay, release, once more where that is safe; one outcome, one log line.
 * Plain calls: it waits for nothing but the disk, a body, a place in the queue and the program, and hears of each.
 */
export class Dispatch implements Waiter, RelayOwner, LeaveListener, Queued {
  previous: Waiter | undefined = undefined;
  next: Waiter | undefined = undefined;
  readonly #deps: DispatchDeps;
  readonly #journey: Journey;
  /** Of one that was not answered. */
  #attempts: Attempts | undefined;
  readonly #onOver: () => void;
  /** The web server's side, or what was taken of it. */
  #client: ClientStream;
  #spooled: SpooledClient | undefined;
  #pool: Pool | undefined;
  #lease: Lease | undefined;
  #waitingSince: number | undefined;
  #isOver = false;

  /** `onOver` hears when all is done. */
  constructor(client: ClientStream, deps: DispatchDeps, onOver: () => void) {
    this.#client = client;
    this.#deps = deps;
    this.#onOver = onOver;
    this.#journey = new Journey(client, deps.clock.now(), deps.accessLog.isOn);
  }

  get waitingSince(): number {
    return this.#waitingSince ?? 0;
  }

  start(): void {
    this.#deps.slowLog.add(this.#journey);
    try {
      const outcome = this.#deps.ownAnswers.answer(this.#journey);
      if (outcome instanceof Promise) this.#await(outcome, (ended) => this.#end(ended));
      else if (outcome) this.#end(outcome);
      else this.#findRoute(this.#journey.startedAt);
    } catch (error) {
      this.#onError(error);
    }
  }

  /** Goes on with the route at once where the disk need not be asked. */
  #findRoute(now: number): void {
    const route = this.#deps.router.route(this.#client.head, now);
    if (route instanceof Promise) this.#await(route, (found) => this.#onRoute(found, this.#deps.clock.now()));
    else this.#onRoute(route, now);
  }

  #onRoute(found: Route, now: number): void {
    const spooled = this.#spooled;
    const route = spooled ? withLength(found, spooled.bodyBytes) : found;
    this.#journey.route = route;
    const { app } = route.program;
    if (!spooled) limitBody(this.#client, app);
    if (!spooled && mustBeSpooled(this.#client, app)) {
      this.#await(this.#collect(route), (body) => this.#onBody(body));
      return;
    }
    this.#pool = this.#deps.registry.poolFor(route.program);
    this.#ask(now);
  }

  #onBody(collected: CollectedBody | undefined): void {
    if (!collected) {
      this.#end({ kind: "client-left" });
      return;
    }
    this.#spooled = new SpooledClient(this.#client, collected);
    this.#client = this.#spooled;
    // Files and settings may have changed while the body came.
    this.#findRoute(this.#deps.clock.now());
  }

  #await<Value>(promise: Promise<Value>, then: (value: Value) => void): void {
    promise.then(then).catch((error) => this.#onError(error));
  }

  /** Takes the whole body before a program is asked for. */
  #collect({ program }: Route): Promise<CollectedBody | undefined> {
    const { clock, spoolSpace: space, buffers } = this.#deps;
    this.#journey.receive(clock.now());
    return collectBody(this.#client, { timeoutMs: program.app.bodyTimeoutMs, space, buffers, clock });
  }

  /** Asks for a process: it is there at once, or `onLease` or `onRefused` follows. */
  #ask(now: number): void {
    const pool = this.#pool as Pool;
    this.#waitingSince ??= now;
    this.#journey.wait(now);
    if (this.#client.isGone) {
      this.#end({ kind: "client-left" }, now);
      return;
    }
    const lease = pool.lease(this, now);
    if (lease) {
      this.onLease(lease);
      return;
    }
    // It may have heard already.
    if (this.#isOver || this.#journey.stage !== "queue") return;
    this.#journey.queued = this;
    this.#client.whenLeft(this);
  }

  /** No descriptors are left: the next process would want them as well. */
  #askLater(error: FpmError, since: number): void {
    const { clock } = this.#deps;
    this.#journey.wait(since);
    clock.after(SHORTAGE_MS, () => {
      const now = clock.now();
      const { queueTimeoutMs } = (this.#journey.route as Route).program.app;
      try {
        if (now - this.waitingSince < queueTimeoutMs) this.#ask(now);
        else this.#refuse(error);
      } catch (thrown) {
        this.#onError(thrown);
      }
    });
  }

  get ahead(): number {
    return this.#pool?.ahead(this) ?? 0;
  }

  onLeft(error: FpmError | undefined): void {
    this.#pool?.giveUp(this);
    this.#client.whenLeft(undefined);
    if (error) this.#refuse(error);
    else this.#end({ kind: "client-left" });
  }

  onLease(lease: Lease): void {
    this.#lease = lease;
    this.#client.whenLeft(undefined);
    try {
      this.#relay(lease);
    } catch (error) {
      this.#onError(error);
    }
  }

  onRefused(error: FpmError): void {
    this.#client.whenLeft(undefined);
    try {
      this.#refuse(error);
    } catch (thrown) {
      this.#onError(thrown);
    }
  }

  onRelayed(relayed: Relayed): void {
    const now = this.#deps.clock.now();
    try {
      if (relayed.kind !== "unanswered" && relayed.kind !== "refused")
        this.#spooled?.readOn(this.#lease?.link);
      this.#release(relayed.ending, now);
      if (relayed.kind === "unanswered") this.#onUnanswered(relayed, now);
      else this.#conclude(relayed, now);
    } catch (error) {
      this.#onError(error);
    }
  }

  #relay(lease: Lease): void {
    const { accessLog, slowLog } = this.#deps;
    const journey = this.#journey;
    journey.queued = undefined;
    journey.go(lease, lease.since);
    accessLog.onLent(journey);
    slowLog.onLent(journey);
    const { changes } = journey.route as Route;
    lease.mayBeTakenBack = this.#attempts?.mayBeTakenBack ?? true;
    const answer = new AnswerHead(journey.isLogged && accessLog.needsHeader);
    journey.answer = answer;
    const relay = new Relay(this.#client, lease, this.#deps, this);
    relay.start(changes, needsNewConnection(this.#client.head.isSafe, this.#attempts), answer);
  }

  #release(ending: Ending, now: number): void {
    const lease = this.#lease;
    this.#lease = undefined;
    if (!lease) return;
    this.#deps.garbage.add(lease.bytesIn + lease.bytesOut);
    this.#pool?.release(lease, ending, now);
  }

  #onUnanswered({ failure, error }: Extract<Relayed, { kind: "unanswered" }>, now: number): void {
    this.#attempts ??= new Attempts(this.#client.head.isSafe);
    if (!this.#attempts.mayRepeat(failure) || !this.#client.isHeld) {
      this.#refuse(error);
      return;
    }
    // While a program worked on it, it did not wait.
    if (failure === "lost" || failure === "stale") this.#waitingSince = undefined;
    const pool = this.#pool as Pool;
    pool.tally.retries++;
    if (failure === "taken back") pool.tally.takenBack++;
    const level = failure === "lost" ? "info" : "debug";
    const { program } = this.#journey.route as Route;
    this.#deps.log[level]("sent to another process", { program: program.name, why: error.message });
    if (isShortage(error)) this.#askLater(error, now);
    else this.#ask(now);
  }

  #conclude(relayed: Exclude<Relayed, { kind: "unanswered" }>, now: number): void {
    if (relayed.kind === "refused") {
      this.#refuse(relayed.error);
      return;
    }
    if (relayed.kind === "answered") this.#client.complete(now);
    else if (relayed.kind === "truncated") this.#client.truncate();
    this.#end(relayed, now);
  }

  #refuse(error: FpmError): void {
    this.#client.refuse(error);
    this.#end({ kind: "refused", error });
  }

  /** Whatever one request runs into, the others go on. */
  #onError(thrown: unknown): void {
    if (thrown instanceof FpmError && !this.#lease) {
      this.#refuse(thrown);
      return;
    }
    tellBug(this.#deps.log, thrown);
    // Nobody knows what it is at: it must not stay lent for ever.
    this.#lease?.condemn("bad answer");
    this.#release("left", this.#deps.clock.now());
    const error = new FpmError("BACKEND_BROKEN", "daemon", "A bug in std-fpm.");
    if (this.#client.isAnswered) this.#client.truncate();
    else this.#client.refuse(error);
    this.#end({ kind: this.#client.isAnswered ? "truncated" : "refused", error });
  }

  #end(outcome: Outcome, now = this.#deps.clock.now()): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#spooled?.close();
    record(this.#journey, outcome, now, this.#deps);
    this.#deps.slowLog.end(this.#journey, outcome);
    this.#onOver();
  }
}

/** The program hears how long the body is that was taken. */
function withLength(route: Route, bodyBytes: number): Route {
  return { ...route, changes: new Map(route.changes).set("CONTENT_LENGTH", String(bodyBytes)) };
}
