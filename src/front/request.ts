import type { ByteBudget } from "../base/byte-budget.ts";
import { ByteQueue } from "../base/byte-queue.ts";
import { type ErrorCode, FpmError } from "../base/errors.ts";
import type { Linked } from "../base/linked-list.ts";
import type { RawSink } from "../fcgi/decoder.ts";
import { encodeEndRequest } from "../fcgi/encoder.ts";
import { keepsConnection, type RequestHead, readHead } from "../fcgi/head.ts";
import type { Outcome } from "../fcgi/outcome.ts";
import {
  FCGI_AUTHORIZER,
  FCGI_DATA,
  FCGI_FILTER,
  FCGI_REQUEST_COMPLETE,
  FCGI_RESPONDER,
} from "../fcgi/protocol.ts";
import { bodyTooLarge } from "../relay/body-limit.ts";
import type { ClientListener, ClientStream, LeaveListener } from "../relay/client-stream.ts";
import { errorReply } from "../reply/error-reply.ts";
import { lateError, type RequestPhase, type RequestTimes, timeFor } from "./request-times.ts";

/** All of PARAMS; web servers send at most 64 KiB or so. */
export const MAX_HEAD_BYTES = 256 * 1024;
/** A body up to this size is kept whole: a slow upload holds no backend, and the request can be sent again. */
export const SMALL_BODY_BYTES = 64 * 1024;
/** What is kept at the most of any body, with the headers and padding of its records. */
const MAX_HELD_RAW_BYTES = 2 * SMALL_BODY_BYTES;
/** What is read and thrown away of a body that nobody wanted, before the connection is closed. */
export const MAX_DRAINED_BYTES = 256 * 1024 * 1024;

const LEFT: Outcome = { kind: "client-left" };

/** What a request needs of the connection it came on. */
export interface RequestPort {
  /** Sends whole records. True when the client is slow. */
  send(chunk: Uint8Array, start: number, end: number): boolean;
  /** A request without a head is refused, or a connection for what came on it. */
  onRejected(code: ErrorCode): void;
  /** A request with a head is over before it could be worked on: refused, or left by its client. */
  onDismissed(request: FrontRequest, outcome: Outcome): void;
  /** Whether its program is to get the body as it comes, from the end of the head on. */
  isStreamed(head: RequestHead): boolean;
  /** Head, and body as far as it is needed, are there: the request can be worked on. */
  onReady(request: FrontRequest): void;
  /** The answer is complete and the body has ended: nothing more belongs to this request. `now`: the time, where it is known. */
  onEnded(request: FrontRequest, now: number | undefined): void;
  /** The answer is complete, the body goes on. */
  onDraining(request: FrontRequest): void;
  /** Too much comes of a body that nobody wants, or for too long. */
  onOverrun(request: FrontRequest): void;
  /** The answer broke off. */
  onTruncated(request: FrontRequest): void;
  pause(request: FrontRequest): void;
  resume(request: FrontRequest): void;
}

/** One request on a connection from a web server: collects its head and body, takes its answer. What it is at: see RequestPhase. */
export class FrontRequest implements ClientStream, RawSink, Linked<FrontRequest> {
  previous: FrontRequest | undefined = undefined;
  next: FrontRequest | undefined = undefined;
  readonly id: number;
  /** When it was first looked at, which is within a second of its beginning; 0: it is younger. */
  seenAt = 0;
  readonly #port: RequestPort;
  readonly #budget: ByteBudget;
  /** What has come of the head until that is read, then of the body. */
  readonly #records: ByteQueue;
  /** What the head, once it is read, holds of the budget. */
  #headBytes = 0;
  #phase: RequestPhase = "head";
  #head: RequestHead | undefined;
  #listener: ClientListener | undefined;
  #waiter: LeaveListener | undefined;
  /** Whether STDIN, and a Filter's DATA, have come to their end: what comes after it belongs to nobody. */
  #isStdinOver = false;
  #isDataOver = true;
  #isBodyComplete = false;
  #isHeld = true;
  /** Of one that is over without a head: its connection goes on. */
  #wasKept = false;
  #isAnswered = false;
  #paramsBytes = 0;
  #bodyBytes = 0;
  #maxBodyBytes = Number.POSITIVE_INFINITY;
  #drainedBytes = 0;
  /** When this phase has lasted too long; 0: nobody has looked at it yet. */
  #dueAt = 0;
  /** How much of the body was there when it was last looked at. */
  #seenBytes = 0;

  /** What is held of it is held of `budget`. */
  constructor(id: number, port: RequestPort, budget: ByteBudget) {
    this.id = id;
    this.#port = port;
    this.#budget = budget;
    this.#records = new ByteQueue(budget);
  }

  get phase(): RequestPhase {
    return this.#phase;
  }

  /** Only from `endHead()` on. */
  get head(): RequestHead {
    return this.#head as RequestHead;
  }

  /** Only from `endHead()` on. */
  get body(): ByteQueue {
    return this.#records;
  }

  /** Whether the web server keeps the connection open after this request. */
  get keepConn(): boolean {
    return this.#head?.keepConn ?? this.#wasKept;
  }

  /** Counts another record of PARAMS. False when the head is too large with it. */
  takesHead(contentLength: number): boolean {
    this.#paramsBytes += contentLength;
    return this.#paramsBytes <= MAX_HEAD_BYTES;
  }

  /** Counts another record of STDIN or DATA. False when it is none of the body: after the end of its stream, or where there is none. */
  takesBody(type: number, contentLength: number): boolean {
    if (type === FCGI_DATA ? this.#isDataOver : this.#isStdinOver) return false;
    if (contentLength > 0) {
      this.#bodyBytes += contentLength;
      if (this.#bodyBytes > this.#maxBodyBytes) this.#refuseBody();
    } else if (type === FCGI_DATA) this.#isDataOver = true;
    else this.#isStdinOver = true;
    return true;
  }

  get bodyBytes(): number {
    return this.#bodyBytes;
  }

  get isBodyComplete(): boolean {
    return this.#isBodyComplete;
  }

  /** Whether the client has sent all there is. Some clients send an Authorizer an empty STDIN, others do not. */
  get isInputDone(): boolean {
    return this.#isBodyComplete && this.#head?.role !== FCGI_AUTHORIZER;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  get isGone(): boolean {
    return this.#phase === "ended";
  }

  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** A body goes to one program as it comes: nothing is put in between. */
  get takesParts(): boolean {
    return this.#phase !== "head";
  }

  onRaw(chunk: Uint8Array, start: number, end: number): void {
    if (this.#phase === "head") this.#records.push(chunk, start, end);
    else if (this.#phase === "body") {
      this.#records.push(chunk, start, end);
      this.#checkReady();
    } else if (this.#phase === "open") this.#passBody(chunk, start, end);
    else if (this.#phase === "draining") {
      this.#drainedBytes += end - start;
      if (this.#drainedBytes > MAX_DRAINED_BYTES) this.#port.onOverrun(this);
    }
  }

  /** The empty PARAMS record has come and was handed to `onRaw`. `isWhole`: so has the end of the body, which comes next. */
  endHead(isWhole = false): void {
    try {
      this.#head = this.#records.read(readHead);
      this.#headBytes = this.#records.cede();
    } catch (error) {
      if (!(error instanceof FpmError)) throw error;
      this.refuse(error);
      return;
    }
    const { role } = this.#head;
    this.#enter("body");
    this.#isStdinOver = role === FCGI_AUTHORIZER;
    this.#isDataOver = role !== FCGI_FILTER;
    if (role === FCGI_AUTHORIZER) this.endBody();
    else if (role !== FCGI_RESPONDER && role !== FCGI_FILTER) {
      this.refuse(
        new FpmError("ROLE_UNKNOWN", "client", `The web server asks for FastCGI role ${role}; 1 to 3 exist.`),
      );
    } else if (!isWhole && !this.#isBodyComplete && this.#port.isStreamed(this.#head)) this.#open();
    else this.#checkReady();
  }

  /** A stream of the body has ended; a Filter has two (specification §6.4). */
  endBody(): void {
    if (this.#isBodyComplete || !this.#isStdinOver || !this.#isDataOver) return;
    this.#isBodyComplete = true;
    if (this.#phase === "draining") this.#end();
    else if (this.#phase === "open") this.#listener?.onBodyEnd();
    else this.#checkReady();
  }

  /** ABORT_REQUEST: the web server wants no more than END_REQUEST (specification §5.4), and sends no more either. */
  abort(): void {
    if (this.#phase === "ended") return;
    if (this.#phase !== "draining") {
      this.#leave(this.#phase === "body");
      this.#sendAll(encodeEndRequest(this.id, 0, FCGI_REQUEST_COMPLETE));
    }
    this.#end();
  }

  /** The client has given up on the body of a request that was answered, and begins another one over it. */
  supersede(): void {
    if (this.#phase === "draining") this.#end();
  }

  /** The connection is gone, or takes no more of this request. */
  lose(): void {
    if (this.#phase === "ended") return;
    const isUnheard = this.#phase === "body";
    this.#enter("ended");
    this.#leave(isUnheard);
  }

  /** The connection's outbox has become empty. */
  drained(): void {
    this.#listener?.onClientDrain();
  }

  /**
   * Looked at from time to time, which costs a request that is in time nothing: a head must be complete in time; a body that is
   * awaited before a backend is lent must go on; one that nobody wants must end.
   */
  checkOverdue(now: number, times: RequestTimes): void {
    this.seenAt ||= now;
    const phase = this.#phase;
    const timeoutMs = timeFor(phase, times);
    if (timeoutMs === 0) return;
    if (this.#dueAt === 0 || (phase === "body" && this.#records.bytes !== this.#seenBytes)) {
      this.#dueAt = now + timeoutMs;
      this.#seenBytes = this.#records.bytes;
    } else if (now < this.#dueAt) return;
    else if (phase === "head" || phase === "body") this.refuse(lateError(phase, timeoutMs));
    else this.#port.onOverrun(this);
  }

  listen(listener: ClientListener | undefined): void {
    this.#listener = listener;
    if (listener) this.#port.resume(this);
  }

  whenLeft(waiter: LeaveListener | undefined): void {
    this.#waiter = waiter;
  }

  limitBody(maxBytes: number): void {
    this.#maxBodyBytes = maxBytes;
  }

  pauseBody(): void {
    this.#port.pause(this);
  }

  resumeBody(): void {
    this.#port.resume(this);
  }

  respond(chunk: Uint8Array, start: number, end: number): boolean {
    if (this.isGone) return false;
    this.#isAnswered = true;
    this.#letGo();
    return this.#port.send(chunk, start, end);
  }

  forwardStderr(chunk: Uint8Array, start: number, end: number): boolean {
    return !this.isGone && this.#port.send(chunk, start, end);
  }

  complete(now?: number): void {
    if (this.isGone) return;
    this.#port.resume(this);
    if (this.#isBodyComplete) this.#end(now);
    else {
      this.#enter("draining");
      this.#port.onDraining(this);
    }
  }

  refuse(error: FpmError): void {
    if (this.isGone) return;
    if (this.#phase === "head") this.#port.onRejected(error.code);
    else if (this.#phase === "body") this.#port.onDismissed(this, { kind: "refused", error });
    this.#sendAll(errorReply(this.id, error));
    this.complete();
  }

  truncate(): void {
    if (this.isGone) return;
    this.#port.onTruncated(this);
  }

  /** Lends late: a small body is complete first, a large or endless one has begun. */
  #checkReady(): void {
    if (this.#phase !== "body") return;
    // With the last record of it the body is complete in a moment.
    if (!this.#isBodyComplete && this.#isStdinOver && this.#isDataOver) return;
    const announced = this.head.contentLength ?? Number.POSITIVE_INFINITY;
    const { bytes } = this.#records;
    const hasBegun = bytes > 0 && announced > SMALL_BODY_BYTES;
    const isOverlong = bytes > MAX_HELD_RAW_BYTES;
    if (this.#isBodyComplete || hasBegun || isOverlong) this.#open();
  }

  #open(): void {
    this.#enter("open");
    this.#port.onReady(this);
  }

  #passBody(chunk: Uint8Array, start: number, end: number): void {
    if (this.#isHeld) this.#records.push(chunk, start, end);
    if (!this.#listener) {
      if (this.#records.bytes > MAX_HELD_RAW_BYTES) this.#port.pause(this);
      return;
    }
    if (this.#records.bytes > MAX_HELD_RAW_BYTES && !this.#listener.mayBeUnseen) this.#letGo();
    this.#listener.onBody(chunk, start, end);
  }

  /** More of the body has come than may. */
  #refuseBody(): void {
    if (this.#phase !== "open") return;
    const error = bodyTooLarge(this.#maxBodyBytes);
    if (this.#listener) {
      this.#listener.onBodyFailed(error);
      return;
    }
    if (this.#waiter) {
      this.#waiter.onLeft(error);
      return;
    }
    this.refuse(error);
  }

  /** The request cannot be sent again from now on. */
  #letGo(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#records.clear();
  }

  #sendAll(bytes: Uint8Array): void {
    this.#port.send(bytes, 0, bytes.length);
  }

  /** `isUnheard`: nobody else has heard of it. */
  #leave(isUnheard: boolean): void {
    if (isUnheard) this.#port.onDismissed(this, LEFT);
    const listener = this.#listener;
    this.#listener = undefined;
    this.#waiter?.onLeft(undefined);
    listener?.onClientLeft();
  }

  #end(now?: number): void {
    this.#enter("ended");
    this.#port.onEnded(this, now);
  }

  /** The one mutator of `phase`. */
  #enter(phase: RequestPhase): void {
    this.#phase = phase;
    this.#dueAt = 0;
    if (phase !== "draining" && phase !== "ended") return;
    if (this.#head) this.#budget.release(this.#headBytes);
    else if (this.#records.bytes > 0) this.#wasKept = this.#records.read(keepsConnection);
    this.#headBytes = 0;
    this.#letGo();
  }
}
