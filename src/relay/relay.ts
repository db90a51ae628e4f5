import type { Lease } from "../backend/lease.ts";
import type { Link, LinkUser } from "../backend/link.ts";
import type { Clock } from "../base/clock.ts";
import { FpmError } from "../base/errors.ts";
import { Timers } from "../base/timers.ts";
import type { AppConfig } from "../config/config.ts";
import { encodeAbortRequest } from "../fcgi/encoder.ts";
import type { ParamChanges } from "../fcgi/head.ts";
import { FCGI_END_REQUEST } from "../fcgi/protocol.ts";
import type { AnswerWatch } from "./answer-watch.ts";
import type { ClientListener, ClientStream } from "./client-stream.ts";
import { type ResponseListener, ResponseWatch } from "./response-watch.ts";

/** How one attempt at a request ended. The backend is then free again, or stopping. */
export type Relayed =
  /** END_REQUEST has come and was handed on. */
  | {
      readonly kind: "answered";
      readonly appStatus: number;
      readonly protocolStatus: number;
      readonly keepLink: boolean;
    }
  /** Nothing of an answer was handed on. */
  | { readonly kind: "unanswered"; readonly again: Again; readonly error: FpmError }
  /** A part of the answer was handed on, the rest will not come. */
  | { readonly kind: "truncated"; readonly error: FpmError }
  /** Nobody waits for the answer; the program has finished with it, or was made to. */
  | { readonly kind: "client-left" };

/**
 * Whether a request may be sent a second time: `always` when the listening socket proves that it was never accepted;
 * `if-safe` when not a byte of an answer came.
 */
export type Again = "always" | "if-safe" | "never";

export interface RelayOptions {
  readonly changes: ParamChanges;
  /**
   * Whether the request needs a new connection. Whether a kept one is still good shows only by using it; with a new one
   * the listening socket tells whether the program accepted it.
   */
  readonly fresh: boolean;
  readonly clock: Clock;
  /** Sees what the program answers. */
  readonly answer?: AnswerWatch | undefined;
}

/** How often a program is looked at of which nobody knows whether it goes by the ids of its requests. */
const PROBE_MS = 20;
const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/** Whether asking twice does no harm (RFC 9110 §9.2.1). */
export function isSafeMethod(method: string): boolean {
  return SAFE_METHODS.has(method);
}

/**
 * Carries one request to a backend and its answer back, with back-pressure both ways, until END_REQUEST or until
 * one side is gone.
 */
export function relay(client: ClientStream, lease: Lease, options: RelayOptions): Promise<Relayed> {
  return new Promise((resolve) => new Relay(client, lease, options, resolve).start(options));
}

class Relay implements ClientListener, LinkUser, ResponseListener {
  readonly #client: ClientStream;
  readonly #lease: Lease;
  readonly #timers: Timers<"request" | "abort" | "body" | "probe">;
  readonly #settle: (relayed: Relayed) => void;
  readonly #answer: AnswerWatch | undefined;
  #watch: ResponseWatch | undefined;
  #link: Link | undefined;
  #hasAnswerByte = false;
  /** A record of the answer has come, under the right id. */
  #hasRecord = false;
  /** Its client is gone: the answer is thrown away. */
  #isAbandoned = false;

  constructor(
    client: ClientStream,
    lease: Lease,
    { clock, answer }: RelayOptions,
    settle: (relayed: Relayed) => void,
  ) {
    this.#client = client;
    this.#lease = lease;
    this.#timers = new Timers(clock);
    this.#settle = settle;
    this.#answer = answer;
  }

  get #app(): AppConfig {
    return this.#lease.backend.program.app;
  }

  get #label(): string {
    return this.#lease.backend.label;
  }

  start({ changes, fresh }: RelayOptions): void {
    const { head, body } = this.#client;
    const keepConn = this.#app.keepConnection && this.#lease.conduct.keepsConnections;
    const records = head.isVerbatim(changes)
      ? head.verbatimRecords(keepConn)
      : head.encode(keepConn, changes);
    const link = this.#lease.open(records, body, fresh);
    if (link instanceof FpmError) {
      this.#finish({
        kind: "unanswered",
        again: link.code === "SPAWN_FAILED" ? "never" : "always",
        error: link,
      });
      return;
    }
    this.#link = link;
    const ids = { link: link.requestId, client: head.requestId, isStale: (id: number) => link.isStale(id) };
    this.#watch = new ResponseWatch(ids, this, this.#answer);
    link.use(this);
    this.#lease.onGone = () => this.#onBackendGone();
    this.#client.listen(this);
    const { requestTimeoutMs } = this.#app;
    if (requestTimeoutMs > 0) {
      this.#timers.set("request", requestTimeoutMs, () => this.#onRequestTimeout(requestTimeoutMs));
    }
    if (!this.#client.isBodyComplete) this.#awaitBody();
  }

  onBody(chunk: Uint8Array, start: number, end: number): void {
    const link = this.#link as Link;
    this.#lease.bytesIn += end - start;
    link.write(chunk, start, end);
    this.#awaitBody();
    if (link.isCongested) this.#client.pauseBody();
  }

  onBodyEnd(): void {
    this.#timers.cancel("body");
  }

  onClientDrain(): void {
    this.#link?.resume();
  }

  onClientLeft(): void {
    this.#client.listen(undefined);
    this.#abandon();
  }

  onLinkData(chunk: Uint8Array): void {
    this.#hasAnswerByte = true;
    this.#lease.bytesOut += chunk.length;
    this.#watch?.push(chunk);
  }

  onLinkDrain(): void {
    if (this.#isAbandoned) return;
    this.#client.resumeBody();
    if (!this.#client.isBodyComplete) this.#awaitBody();
  }

  onLinkClosed(reason: string | undefined): void {
    this.#broken(reason === undefined ? "closed the connection" : `broke the connection (${reason})`);
  }

  onRecords(chunk: Uint8Array, start: number, end: number): void {
    this.#hasRecord = true;
    if (this.#isAbandoned) return;
    if (this.#client.respond(chunk, start, end)) this.#link?.pause();
  }

  onEnd(appStatus: number, protocolStatus: number): void {
    if (this.#isAbandoned) {
      this.#finish({ kind: "client-left" });
      return;
    }
    const link = this.#link as Link;
    if (link.requestId > 1) this.#lease.onEcho();
    const keepLink = this.#client.isBodyComplete && link.isReusable;
    this.#finish({ kind: "answered", appStatus, protocolStatus, keepLink });
  }

  onRejected(protocolStatus: number): void {
    const what = `${this.#label} did not take the request: END_REQUEST with protocol status ${protocolStatus}.`;
    this.#fail(new FpmError("BACKEND_BROKEN", "backend", what), "never");
  }

  onBadAnswer(problem: string): void {
    this.#broken(`sent ${problem}`);
    // Nobody knows what it will send next.
    this.#lease.condemn("bad answer");
  }

  onStaleRecord(type: number): void {
    this.#lease.onStaleRecord();
    const isWhole = type === FCGI_END_REQUEST && !this.#hasRecord && this.#client.isBodyComplete;
    if (!isWhole || this.#lease.conduct.echoesIds) return;
    // Either a child of the program has sent a page of earlier, or the program calls every request by the same number.
    (this.#link as Link).probe();
    this.#awaitProbe();
  }

  #awaitProbe(): void {
    this.#timers.set("probe", PROBE_MS, () => {
      if (this.#hasRecord) return;
      if (!this.#link?.isAllRead) {
        this.#awaitProbe();
        return;
      }
      this.#lease.onIgnoredId();
      const what = `${this.#label} answered under another request id than it was given.`;
      this.#fail(new FpmError("BACKEND_BROKEN", "backend", what), "if-safe");
    });
  }

  /** The process has ended. What it sent before still comes, unless it never accepted the connection. */
  #onBackendGone(): void {
    if (this.#lease.isUnaccepted) this.#broken("ended before it accepted the connection", "always");
  }

  /** The client left: asks the program to stop, waits for its END_REQUEST, kills it when that does not come. */
  #abandon(): void {
    this.#isAbandoned = true;
    this.#timers.cancel("body");
    const link = this.#link as Link;
    link.writeLast(encodeAbortRequest(this.#client.head.requestId));
    link.resume();
    this.#timers.set("abort", this.#app.abortTimeoutMs, () => {
      this.#finish({ kind: "client-left" });
      this.#lease.condemn("abort timeout");
    });
  }

  /** While the program waits for more of the body, the client must go on sending. */
  #awaitBody(): void {
    const { bodyTimeoutMs } = this.#app;
    this.#timers.set("body", bodyTimeoutMs, () => this.#onBodyTimeout(bodyTimeoutMs));
  }

  #onBodyTimeout(afterMs: number): void {
    if (this.#link?.isWaiting) {
      this.#awaitBody();
      return;
    }
    const client = this.#client;
    client.listen(undefined);
    if (client.isAnswered) client.truncate();
    else
      client.refuse(
        new FpmError("BODY_TIMEOUT", "client", `No byte of the body came for ${afterMs / 1000} s.`),
      );
    this.#abandon();
  }

  #onRequestTimeout(afterMs: number): void {
    const what = `${this.#label} did not finish within request_timeout (${afterMs / 1000} s) and was killed.`;
    this.#fail(new FpmError("REQUEST_TIMEOUT", "backend", what), "never");
    this.#lease.condemn("request timeout");
  }

  #broken(what: string, again: Again = this.#hasAnswerByte ? "never" : "if-safe"): void {
    const when = this.#client.isAnswered ? "in mid-answer" : "before it answered";
    this.#fail(new FpmError("BACKEND_BROKEN", "backend", `${this.#label} ${what} ${when}.`), again);
  }

  #fail(error: FpmError, again: Again): void {
    if (this.#isAbandoned) this.#finish({ kind: "client-left" });
    else if (this.#client.isAnswered) this.#finish({ kind: "truncated", error });
    else this.#finish({ kind: "unanswered", again, error });
  }

  #finish(relayed: Relayed): void {
    this.#timers.cancelAll();
    this.#lease.onGone = undefined;
    this.#link?.use(undefined);
    if (!this.#isAbandoned) this.#client.listen(undefined);
    this.#settle(relayed);
  }
}
