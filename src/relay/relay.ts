import type { Ending, Lease, LeaseUser } from "../backend/backend.ts";
import type { Link, LinkUser } from "../backend/link.ts";
import type { Clock } from "../base/clock.ts";
import type { Deadline, DeadlineLine, Deadlines } from "../base/deadlines.ts";
import { FpmError } from "../base/errors.ts";
import { isShortage } from "../base/shortage.ts";
import { Timers } from "../base/timers.ts";
import type { AppConfig } from "../config/config.ts";
import type { ParamChanges } from "../fcgi/head.ts";
import { FCGI_END_REQUEST } from "../fcgi/protocol.ts";
import type { AnswerHead } from "./answer-head.ts";
import { bodyLate } from "./body-limit.ts";
import type { ClientListener, ClientStream } from "./client-stream.ts";
import { type ResponseListener, ResponseWatch } from "./response-watch.ts";

/** How one attempt at a request ended. */
export type Relayed =
  /** END_REQUEST has come and was handed on. */
  | {
      readonly kind: "answered";
      readonly appStatus: number;
      readonly protocolStatus: number;
      readonly status: number | undefined;
      readonly ending: Ending;
    }
  /** Nothing of an answer was handed on. */
  | {
      readonly kind: "unanswered";
      readonly failure: Failure;
      readonly ending: Ending;
      readonly error: FpmError;
    }
  /** It is to be refused for its own sake, as it did not come completely. */
  | { readonly kind: "refused"; readonly ending: Ending; readonly error: FpmError }
  /** A part of the answer was handed on, the rest will not come. */
  | { readonly kind: "truncated"; readonly ending: Ending; readonly error: FpmError }
  /** Nobody waits for the answer. */
  | { readonly kind: "client-left"; readonly ending: Ending };

/**
 * Why a request was not answered. `unseen`: the kernel proves that the program never accepted its connection. `taken back`: the same,
 * since we accepted it ourselves. `stale`: a connection that was kept had ended, or was of no use: nobody reads it. `lost`: the process died over it, or broke the connection
 * without a byte of an answer. `bad`: that was an answer.
 */
export type Failure = "unseen" | "taken back" | "stale" | "lost" | "bad";

/** Hears how an attempt ended, exactly once: whoever sent the request. */
export interface RelayOwner {
  onRelayed(relayed: Relayed): void;
}

/** What relays need of their surroundings. */
export interface RelayDeps {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
}

/** How often a program is looked at of which nobody knows whether it goes by the ids of its requests. */
const PROBE_MS = 20;
/** So much of a body is sent to a program that has not accepted the connection. */
const MAX_UNSEEN_BYTES = 128 * 1024;
const ACCEPT_LOOK_MS = 2;
/** How long the exit of a process is waited for that has ended for the kernel. */
const DEATH_MS = 1000;

/**
 * Carries one request to a backend and its answer back, with back-pressure both ways, until END_REQUEST or until
 * one side is gone.
 */
export class Relay implements ClientListener, LinkUser, LeaseUser, ResponseListener, Deadline {
  /** It is the deadline of its own request. */
  previous: Deadline | undefined = undefined;
  next: Deadline | undefined = undefined;
  line: DeadlineLine | undefined = undefined;
  dueAt = 0;
  readonly #client: ClientStream;
  readonly #lease: Lease;
  readonly #deps: RelayDeps;
  readonly #owner: RelayOwner;
  /** While more of the body is awaited. */
  #bodyDeadline: BodyDeadline | undefined;
  /** Of looks that few requests need. */
  #timers: Timers<"accept" | "probe" | "death"> | undefined;
  #link: Link | undefined;
  #watch: ResponseWatch | undefined;
  #isOver = false;

  constructor(client: ClientStream, lease: Lease, deps: RelayDeps, owner: RelayOwner) {
    this.#client = client;
    this.#lease = lease;
    this.#deps = deps;
    this.#owner = owner;
  }

  get #app(): AppConfig {
    return this.#lease.backend.program.app;
  }

  /** Of plain CGI the process may have gone, and another one be in its place. */
  get #label(): string {
    const { backend, pid } = this.#lease;
    return pid === 0 ? backend.label : `${backend.program.name} (pid ${pid})`;
  }

  /**
   * Sends the request, its parameters with `changes`; with `fresh` on a new connection: whether a kept one is still good shows only by using it.
   * `answer` sees what the program says.
   */
  start(changes: ParamChanges, fresh: boolean, answer: AnswerHead): void {
    const link = this.#lease.open(this.#client, changes, fresh);
    if (link instanceof FpmError) {
      this.#finish({ kind: "unanswered", failure: "unseen", ending: "left", error: link });
      return;
    }
    this.#link = link;
    this.#watch = new ResponseWatch(link, this.#client.head.requestId, this, answer);
    this.#lease.user = this;
    link.use(this);
    this.#client.listen(this);
    const { requestTimeoutMs } = this.#app;
    if (requestTimeoutMs > 0) this.#deps.deadlines.set(this, requestTimeoutMs, this.#lease.since);
    if (!this.#client.isBodyComplete) this.#awaitBody();
  }

  /** Whether the program may not have seen the request yet: then it must be kept, so that it can be sent to another one. */
  get mayBeUnseen(): boolean {
    return this.#lease.mayBeUnseen;
  }

  onBody(chunk: Uint8Array, start: number, end: number): void {
    const link = this.#link as Link;
    this.#lease.bytesIn += end - start;
    link.write(chunk, start, end);
    this.#awaitBody();
    if (link.isCongested) this.#client.pauseBody();
    else if (this.#client.isHeld && this.#client.body.bytes > MAX_UNSEEN_BYTES && this.mayBeUnseen) {
      this.#client.pauseBody();
      this.#awaitAccept();
    }
  }

  onBodyFailed(error: FpmError): void {
    this.#finish({ kind: this.#client.isAnswered ? "truncated" : "refused", ending: "left", error });
  }

  onBodyEnd(): void {
    if (this.#bodyDeadline) this.#deps.deadlines.clear(this.#bodyDeadline);
  }

  onClientDrain(): void {
    this.#link?.resume();
  }

  onClientLeft(): void {
    this.#finish({ kind: "client-left", ending: "left" });
  }

  onLinkData(chunk: Uint8Array): void {
    this.#lease.bytesOut += chunk.length;
    this.#watch?.push(chunk);
  }

  onLinkDrain(): void {
    // The runtime tells of room also where nothing has waited (Bun 1.4.5).
    if (!this.#timers?.has("accept")) this.#client.resumeBody();
    if (!this.#client.isBodyComplete) this.#awaitBody();
  }

  /** The process's exit says more, and comes in a moment. */
  onLinkClosed(reason: string | undefined): void {
    const { backend } = this.#lease;
    const what = reason === undefined ? "closed the connection" : `broke the connection (${reason})`;
    if (backend.death !== undefined || !backend.isDead) this.#broken(backend.death ?? what);
    else this.#looks.set("death", DEATH_MS, () => this.#broken(what));
  }

  onLinkUnanswered(problem: string): void {
    this.onUnanswered(problem);
  }

  onLinkFailed(error: FpmError): void {
    if (error.fault === "client") this.#finish({ kind: "refused", ending: "over", error });
    else this.#fail(error, isShortage(error) ? "unseen" : "bad", "over");
  }

  onRecords(chunk: Uint8Array, start: number, end: number): void {
    if (this.#client.respond(chunk, start, end)) this.#link?.pause();
  }

  onStderr(chunk: Uint8Array, start: number, end: number): void {
    if (this.#client.forwardStderr(chunk, start, end)) this.#link?.pause();
  }

  onStderrContent(chunk: Uint8Array, start: number, end: number): void {
    this.#lease.onErrorOutput(chunk.subarray(start, end));
  }

  onTrailing(): void {
    this.#onForeignBytes();
  }

  onEnd(appStatus: number, protocolStatus: number): void {
    const link = this.#link as Link;
    if (link.requestId > 1) this.#lease.backend.onEcho();
    const isKept = this.#app.keepConnection && this.#client.isBodyComplete && link.isReusable;
    const status = this.#watch?.status;
    this.#finish({ kind: "answered", appStatus, protocolStatus, status, ending: isKept ? "kept" : "over" });
  }

  onUnanswered(problem: string): void {
    this.#fail(new FpmError("BACKEND_BROKEN", "backend", `${this.#label} ${problem}.`), "bad", "over");
  }

  onBadAnswer(problem: string): void {
    if (this.#isReused) {
      this.#lease.backend.onMixedRecords();
      const what = `${this.#label} sent ${problem}, on a connection that had served others before`;
      this.#fail(new FpmError("BACKEND_BROKEN", "backend", `${what}.`), "stale");
      return;
    }
    // What it sends next nobody knows.
    this.#lease.condemn("bad answer");
    this.#broken(`sent ${problem}`, "bad");
  }

  onStaleRecord(type: number): void {
    this.#onForeignBytes();
    const isWhole = type === FCGI_END_REQUEST && !this.#watch?.hasBegun && this.#client.isBodyComplete;
    if (!isWhole || this.#lease.conduct.echoesIds) return;
    // Either a child of the program has sent a page of earlier, or the program calls every request by the same number.
    (this.#link as Link).probe();
    this.#awaitProbe();
  }

  /** The process has ended. What it sent before still comes. */
  onBackendGone(): void {
    const { death = "ended" } = this.#lease.backend;
    if (this.#timers?.has("death")) this.#broken(death);
  }

  onUnseen(): void {
    const what = `${this.#label} ended before it accepted the connection.`;
    this.#fail(new FpmError("BACKEND_BROKEN", "backend", what), "unseen");
  }

  onTakenBack(): void {
    this.#broken("works on after its last answer: the request was taken back", "taken back");
  }

  onNotRead(why: string): void {
    this.#fail(new FpmError("BACKEND_BROKEN", "backend", `${this.#label} ${why}.`), "stale");
  }

  /** Whoever wrote them may read there as well: a child of php-cgi goes on to the next request. And the rest of them may still be on its way. */
  #onForeignBytes(): void {
    this.#lease.backend.onStaleRecord();
    this.#link?.spoil();
  }

  /** More of a body than is kept goes out only when its program has accepted the connection. */
  #awaitAccept(): void {
    this.#looks.set("accept", ACCEPT_LOOK_MS, () => {
      if (this.mayBeUnseen) this.#awaitAccept();
      else if (!this.#link?.isCongested) this.#client.resumeBody();
    });
  }

  #awaitProbe(): void {
    this.#looks.set("probe", PROBE_MS, () => {
      if (this.#watch?.hasBegun) return;
      if (!this.#link?.isAllRead) {
        this.#awaitProbe();
        return;
      }
      this.#lease.backend.onIgnoredId();
      const what = `${this.#label} answered under another request id than it was given.`;
      this.#fail(new FpmError("BACKEND_BROKEN", "backend", what), "stale", "stale");
    });
  }

  /** While the program waits for more of the body, the client must go on sending. */
  #awaitBody(): void {
    const { clock, deadlines } = this.#deps;
    this.#bodyDeadline ??= new BodyDeadline(() => this.#onBodyTimeout());
    deadlines.set(this.#bodyDeadline, this.#app.bodyTimeoutMs, clock.now());
  }

  #onBodyTimeout(): void {
    if (this.#link?.isWaiting) {
      this.#awaitBody();
      return;
    }
    this.onBodyFailed(bodyLate(this.#app.bodyTimeoutMs));
  }

  /** `request_timeout` is over. */
  onDue(): void {
    const { backend } = this.#lease;
    const seconds = this.#app.requestTimeoutMs / 1000;
    // It is known by its end of the connection, which closes in a moment.
    const worker = backend.workerOf(this.#lease);
    const who =
      worker === undefined ? this.#label : `${backend.program.name} (pid ${worker}, child of ${backend.pid})`;
    // Beside others it goes on, as they do, until they are over.
    const others = worker === undefined ? backend.busy - 1 : 0;
    const end = others > 0 ? `is killed when its other requests (${others}) are over` : "was killed";
    const what = `${who} did not finish within request_timeout (${seconds} s) and ${end}.`;
    this.#lease.condemn("request timeout", worker);
    this.#fail(new FpmError("REQUEST_TIMEOUT", "backend", what), "bad");
  }

  get #looks(): Timers<"accept" | "probe" | "death"> {
    this.#timers ??= new Timers(this.#deps.clock);
    return this.#timers;
  }

  #broken(what: string, failure?: Failure): void {
    const hasBegun = this.#watch?.hasBegun ?? false;
    const when = hasBegun ? "in mid-answer" : "before it answered";
    const why = failure ?? (hasBegun ? "bad" : this.#isStale ? "stale" : "lost");
    const error = new FpmError("BACKEND_BROKEN", "backend", `${this.#label} ${what} ${when}.`);
    this.#fail(error, why, why === "stale" ? "stale" : "left");
  }

  /** Some libraries close a connection a moment after the answer although they were asked to keep it. */
  get #isStale(): boolean {
    return this.#isReused && !this.#lease.backend.isDead;
  }

  /** Its connection has served other requests before. */
  get #isReused(): boolean {
    return (this.#link?.requestId ?? 0) > 1;
  }

  #fail(error: FpmError, failure: Failure, ending: Ending = "left"): void {
    if (this.#client.isAnswered) this.#finish({ kind: "truncated", ending, error });
    else this.#finish({ kind: "unanswered", failure, ending, error });
  }

  #finish(relayed: Relayed): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timers?.cancelAll();
    const { deadlines } = this.#deps;
    deadlines.clear(this);
    if (this.#bodyDeadline) deadlines.clear(this.#bodyDeadline);
    this.#lease.user = undefined;
    this.#link?.use(undefined);
    this.#client.listen(undefined);
    this.#owner.onRelayed(relayed);
  }
}

class BodyDeadline implements Deadline {
  previous: Deadline | undefined = undefined;
  next: Deadline | undefined = undefined;
  line: DeadlineLine | undefined = undefined;
  dueAt = 0;
  readonly onDue: () => void;

  constructor(onDue: () => void) {
    this.onDue = onDue;
  }
}
