import type { Socket } from "bun";
import { tellBug } from "../base/bug.ts";
import { ByteBudget } from "../base/byte-budget.ts";
import type { Clock } from "../base/clock.ts";
import type { ErrorCode, FpmError } from "../base/errors.ts";
import { isReadable, unsentBytes } from "../base/libc.ts";
import type { LimitedLog } from "../base/limited-log.ts";
import type { Log } from "../base/log.ts";
import { Outbox } from "../base/outbox.ts";
import { NOWHERE, type Rostered } from "../base/roster.ts";
import { Timers } from "../base/timers.ts";
import type { RequestHead } from "../fcgi/head.ts";
import type { Outcome } from "../fcgi/outcome.ts";
import { BROKEN_HEADER, brokenReply } from "../reply/broken-reply.ts";
import { errorReply } from "../reply/error-reply.ts";
import { Intake, type IntakeOwner } from "./intake.ts";
import { answerManagement } from "./management.ts";
import type { Occupant, Places } from "./places.ts";
import { Reading } from "./reading.ts";
import type { FrontRequest, RequestPort } from "./request.ts";
import type { RequestTimes } from "./request-times.ts";
import { type ConnectionEvent, type ConnectionState, nextConnectionState } from "./states.ts";
import { TakingWatch } from "./taking-watch.ts";

/** A Bun socket; its types lack `fd` (Bun 1.4.5). */
export type FrontSocket = Socket<Connection> & { readonly fd: number };

/** What connections need of their surroundings. */
export interface ConnectionDeps
  extends RequestTimes,
    Pick<RequestPort, "onRejected" | "onDismissed" | "isStreamed"> {
  readonly clock: Clock;
  readonly log: Log;
  readonly clientLog: LimitedLog;
  readonly places: Places;
  /** What all connections hold. */
  readonly buffers: ByteBudget;
  /** A request can be worked on. */
  onRequest(request: FrontRequest): void;
  /** The connection is over. */
  onClosed(connection: Connection): void;
  /** A request is refused since too much is held: what it is told. */
  onSpent(): FpmError;
}

/** While draining, a connection without any request is left open for so long. */
const FIRST_REQUEST_MS = 1000;
/** How long a client may take to close after our side was shut down: one that has read all and sends nothing, and any; and how much may still come. */
const SILENT_LINGER_MS = 5000;
const LINGER_MS = 30_000;
const MAX_LINGER_BYTES = 256 * 1024 * 1024;
/** What one connection may have us hold of its requests: heads and bodies that a program is not asked for yet. */
const MOST_OF_CONNECTION_BYTES = 8 * 1024 * 1024;
/** How often it is asked whether the client has read all of an answer that broke off. */
const BREAK_LOOK_MS = 50;

/** One connection from a web server: carries its requests in, in turn or interleaved, and their answers out. */
export class Connection implements IntakeOwner, Occupant, Rostered {
  rosterAt = NOWHERE;
  previous: Occupant | undefined;
  next: Occupant | undefined;
  readonly #deps: ConnectionDeps;
  readonly #socket: FrontSocket;
  readonly #intake: Intake;
  /** What is held of its requests. */
  readonly #held: ByteBudget;
  /** An answer broke off: what the connection is to end with. */
  #ending: Uint8Array | undefined;
  readonly #outbox: Outbox;
  /** Of what few connections come to; made when it is needed. */
  #timers: Timers<"linger" | "break"> | undefined;
  #taking: TakingWatch | undefined;
  #reading: Reading | undefined;
  #state: ConnectionState = "waiting";
  #isPausedForPlace = false;
  /** Nothing more is due from the web server: it has shut its side down, or its last body was complete. */
  #isInputDone = false;
  #lingerBytes = 0;
  /** No request has begun here. */
  #isNew = true;
  /** When a request must have begun; 0: none is due, or nobody has looked yet. */
  #beginDueAt = 0;
  /** When the last request was answered, or the last byte came that belongs to none. */
  #idleSince: number;

  constructor(socket: FrontSocket, deps: ConnectionDeps) {
    this.#socket = socket;
    this.#deps = deps;
    this.#held = new ByteBudget(MOST_OF_CONNECTION_BYTES, deps.buffers);
    this.#intake = new Intake(this, this.#held);
    this.#outbox = new Outbox(socket, deps.buffers);
    this.#idleSince = deps.clock.now();
  }

  admit(): void {
    this.#enter("admitted");
    if (!this.#isPausedForPlace) return;
    this.#isPausedForPlace = false;
    this.#idleSince = this.#deps.clock.now();
    this.#socket.resume();
  }

  wait(): void {
    this.#isPausedForPlace = true;
    this.#socket.pause();
  }

  giveWay(idleMs: number): boolean {
    const isIdle = this.#state === "open" && this.#intake.isIdle && this.#outbox.bytes === 0;
    if (!isIdle || this.#deps.clock.now() - this.#idleSince < idleMs) return false;
    // What the client has not read could be lost with a close, and so could the request that it has sent.
    if (unsentBytes(this.#socket.fd) > 0 || isReadable(this.#socket.fd)) return false;
    this.close();
    return true;
  }

  /** Bytes from the web server. */
  onData(chunk: Uint8Array): void {
    if (this.#state === "open") {
      this.#intake.push(chunk);
      if (this.#intake.size === 0) this.#onIdle();
      if (this.#held.isSpent) this.#shed();
    } else {
      this.#idleSince = this.#deps.clock.now();
      this.#lingerBytes += chunk.length;
      if (this.#lingerBytes > MAX_LINGER_BYTES) this.close();
    }
  }

  /** The kernel has room again. */
  onDrain(): void {
    if (!this.#outbox.flush()) {
      this.#awaitTaking(true);
      return;
    }
    this.#taking?.stop();
    this.resume(this);
    this.#onFlushed();
    for (const request of this.#intake.requests) request.drained();
  }

  /** The web server sends no more; it may still wait for answers. */
  onEnd(): void {
    this.#isInputDone = true;
    if (this.#state === "lingering") this.close();
    if (this.#state !== "open") return;
    for (const request of this.#intake.requests) if (!request.isBodyComplete) this.#drop(request);
    this.#breakWhenAnswered();
    if (this.#intake.size === 0) this.#finish();
  }

  /** Looked at from time to time, which is cheaper than timers: refuses what has been due for too long. */
  checkOverdue(now: number): void {
    if (this.#state === "lingering") this.retire(SILENT_LINGER_MS);
    if (this.#state !== "open") return;
    for (const request of this.#intake.requests) request.checkOverdue(now, this.#deps);
    this.#checkBegin(now);
  }

  /** On a new connection a request must begin in time, and so must one of which the first bytes have come. */
  #checkBegin(now: number): void {
    const isDue = this.#intake.size === 0 && (this.#isNew || !this.#intake.isIdle);
    if (!isDue) this.#beginDueAt = 0;
    else if (this.#beginDueAt === 0) this.#beginDueAt = now + this.#deps.headTimeoutMs;
    else if (now >= this.#beginDueAt) this.#finish();
  }

  /**
   * Ends the connection if nobody has waited for an answer on it for `idleMs`; it is closed when its client has read all. Just after
   * an answer the web server may be sending the next request already: nginx turned a tenth of such POSTs into 502. Who has just
   * connected has a request to send, and on a busy machine it may take a while. A request that waits to be read is served: it may be
   * ourselves who did not run for so long.
   */
  retire(idleMs: number): void {
    const dueMs = this.#isNew && idleMs > 0 ? Math.max(idleMs, FIRST_REQUEST_MS) : idleMs;
    if (this.#intake.isAnswerDue || this.#deps.clock.now() - this.#idleSince < dueMs) return;
    if (this.#intake.size === 0 && this.#state === "open" && isReadable(this.#socket.fd)) return;
    if (this.#state === "open") this.#finish();
    else if (this.#state === "lingering" && unsentBytes(this.#socket.fd) === 0) this.close();
  }

  /** Ends the connection at once; its requests learn that their client is gone. */
  close(): void {
    if (this.#state === "closed") return;
    this.#timers?.cancelAll();
    this.#taking?.stop();
    this.#reading?.stop();
    this.#outbox.clear();
    this.#endRequests("lost");
    this.#socket.end();
    this.#deps.onClosed(this);
  }

  onBegin(): void {
    this.#isNew = false;
    if (this.#intake.size === 1) this.#deps.places.onBusy(this);
    this.#throttle();
  }

  onBeginRefused(requestId: number, error: FpmError): void {
    const reply = errorReply(requestId, error);
    this.send(reply, 0, reply.length);
    this.onRejected(error.code);
    this.#throttle();
  }

  onManagement(type: number, content: Uint8Array): void {
    const answer = answerManagement(type, content, { maxConns: this.#deps.places.limit });
    this.send(answer, 0, answer.length);
    this.#throttle();
  }

  onMalformed(problem: string): void {
    this.onRejected("PROTOCOL");
    const what = `closed a connection from a web server: it sent ${problem}`;
    this.#deps.clientLog.warn(what, { code: "PROTOCOL" });
    this.close();
  }

  /** An exception of ours while this connection was served: it ends, the others go on. */
  onBug(error: Error): void {
    tellBug(this.#deps.log, error);
    this.close();
  }

  send(chunk: Uint8Array, start: number, end: number): boolean {
    if (this.#state !== "open") return false;
    this.#outbox.write(chunk, start, end);
    if (this.#outbox.bytes > 0) this.#awaitTaking();
    return this.#outbox.isHigh;
  }

  onRejected(code: ErrorCode): void {
    this.#deps.onRejected(code);
  }

  onDismissed(request: FrontRequest, outcome: Outcome): void {
    this.#deps.onDismissed(request, outcome);
  }

  isStreamed(head: RequestHead): boolean {
    return this.#deps.isStreamed(head);
  }

  onReady(request: FrontRequest): void {
    if (this.#held.isSpent) this.#refuseForRoom(request);
    else this.#deps.onRequest(request);
  }

  onEnded(request: FrontRequest, now: number | undefined): void {
    this.#drop(request);
    if (this.#ending) {
      this.#breakWhenAnswered();
      return;
    }
    if (this.#intake.size === 0) this.#onIdle(now);
    if (this.#intake.size > 0 || (request.keepConn && !this.#isInputDone)) return;
    // With nothing unread the connection can be closed at once: a shutdown and a wait for the client cost a tenth.
    if (request.isInputDone && this.#intake.isIdle) this.#isInputDone = true;
    this.#finish();
  }

  onDraining(request: FrontRequest): void {
    this.#idleSince = this.#deps.clock.now();
    if (!request.keepConn) this.onEnded(request, this.#idleSince);
    else this.#breakWhenAnswered();
  }

  /** What still comes for it belongs to nobody. Other requests on the connection go on. */
  onOverrun(request: FrontRequest): void {
    const { id } = request;
    this.#deps.clientLog.info("the body of a request that was answered does not end", { request: id });
    this.#drop(request);
    if (this.#intake.size === 0) this.close();
  }

  /** The connection has to break for it: other requests that are at work there come to their end before, new ones are refused. */
  onTruncated(request: FrontRequest): void {
    if (this.#state !== "open") return;
    this.#ending = brokenReply(request.head.value("SERVER_SOFTWARE"));
    this.#intake.takesMore = false;
    this.#drop(request);
    this.#breakWhenAnswered();
  }

  pause(who: FrontRequest | this): void {
    this.#reading ??= new Reading(this.#socket, this.#deps.clock, () => this.close());
    this.#reading.pause(who);
  }

  resume(who: FrontRequest | this): void {
    this.#reading?.resume(who);
  }

  /** Too much is held: requests that no program is asked for yet are refused, the newest first, as long as that is so. */
  #shed(): void {
    for (const request of this.#intake.requests.toReversed()) {
      if (!this.#held.isSpent) return;
      if (request.phase === "head" || request.phase === "body") this.#refuseForRoom(request);
    }
  }

  #refuseForRoom(request: FrontRequest): void {
    const error = this.#deps.onSpent();
    // Nobody else has heard of it.
    if (request.phase === "open") this.onDismissed(request, { kind: "refused", error });
    request.refuse(error);
  }

  /** A client that asks and asks and does not read its answers is not read from either. */
  #throttle(): void {
    if (this.#outbox.isHigh) this.pause(this);
  }

  #onIdle(now = this.#deps.clock.now()): void {
    this.#idleSince = now;
    if (this.#state === "open") this.#deps.places.onIdle(this);
  }

  #drop(request: FrontRequest): void {
    this.#intake.remove(request);
    this.resume(request);
    request.lose();
  }

  #endRequests(event: ConnectionEvent): void {
    this.#enter(event);
    this.#deps.places.onBusy(this);
    this.#intake.stop();
    for (const request of this.#intake.requests) {
      try {
        this.#drop(request);
      } catch (bug) {
        // One that cannot be told keeps neither the others nor the connection from their end.
        tellBug(this.#deps.log, bug);
      }
    }
  }

  #breakWhenAnswered(): void {
    const ending = this.#ending;
    if (!ending || this.#intake.isAnswerDue) return;
    this.#outbox.write(ending, 0, ending.length);
    this.#endRequests("break");
    this.#later.set("linger", LINGER_MS, () => this.close());
    if (ending === BROKEN_HEADER && this.#outbox.bytes === 0) this.close();
    else this.#closeWhenRead();
  }

  /** No more requests; the rest of the answer goes out, then our side is shut down. */
  #finish(): void {
    if (this.#state !== "open") return;
    this.#endRequests("finish");
    if (this.#outbox.bytes === 0) this.#onFlushed();
  }

  #onFlushed(): void {
    this.#enter("flushed");
    if (this.#state !== "lingering") return;
    if (this.#isInputDone) {
      this.close();
      return;
    }
    this.#socket.shutdown();
    this.#idleSince = this.#deps.clock.now();
    this.#later.set("linger", LINGER_MS, () => this.close());
  }

  /** The end must not come together with what goes before it: lighttpd would take both for a complete answer. */
  #closeWhenRead(): void {
    this.#later.set("break", BREAK_LOOK_MS, () => {
      if (this.#outbox.bytes === 0 && unsentBytes(this.#socket.fd) === 0) this.close();
      else this.#closeWhenRead();
    });
  }

  /** The one mutator of `state`. */
  #enter(event: ConnectionEvent): void {
    this.#state = nextConnectionState(this.#state, event);
  }

  #onStill(): void {
    this.#deps.clientLog.info(
      "closed a connection: the web server took no byte of an answer within body_timeout",
    );
    this.close();
  }

  get #later(): Timers<"linger" | "break"> {
    this.#timers ??= new Timers(this.#deps.clock);
    return this.#timers;
  }

  #awaitTaking(isProgress = false): void {
    this.#taking ??= new TakingWatch(this.#deps.clock, this.#socket.fd, () => this.#onStill());
    this.#taking.begin(this.#deps.bodyTimeoutMs, isProgress);
  }
}
