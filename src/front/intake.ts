import type { ByteBudget } from "../base/byte-budget.ts";
import { ByteQueue } from "../base/byte-queue.ts";
import { FpmError } from "../base/errors.ts";
import { LinkedList } from "../base/linked-list.ts";
import { Decoder, type RawSink, type RecordSink } from "../fcgi/decoder.ts";
import {
  BEGIN_REQUEST_LENGTH,
  FCGI_ABORT_REQUEST,
  FCGI_BEGIN_REQUEST,
  FCGI_DATA,
  FCGI_NULL_REQUEST_ID,
  FCGI_PARAMS,
  FCGI_STDIN,
  requestIdAt,
  typeName,
} from "../fcgi/protocol.ts";
import { bodyOfWholeRequest } from "../fcgi/whole-chunk.ts";
import { FrontRequest, MAX_HEAD_BYTES, type RequestPort } from "./request.ts";

/** Requests at work at once on one connection. */
const MAX_REQUESTS = 256;

const NO_CONTENT = new Uint8Array(0);

/** What the intake tells its connection. */
export interface IntakeOwner extends RequestPort {
  /** A request has begun. */
  onBegin(): void;
  /** A request was not taken: it is over with this. */
  onBeginRefused(requestId: number, error: FpmError): void;
  /** A management record (request id 0), with its content. */
  onManagement(type: number, content: Uint8Array): void;
  /** The web server broke the protocol; the intake has stopped. */
  onMalformed(problem: string): void;
}

/** Turns the records of one connection into its requests: which record may come when, and whose it is. */
export class Intake implements RecordSink {
  readonly #owner: IntakeOwner;
  readonly #budget: ByteBudget;
  readonly #decoder: Decoder;
  /** Nearly always there is one at the most. */
  readonly #requests = new LinkedList<FrontRequest>();
  #size = 0;
  #latest: FrontRequest | undefined;
  /** The content of a management record; made for the first. */
  #management: ByteQueue | undefined;
  /** Whether requests are taken that begin from now on. */
  takesMore = true;
  #type = 0;
  #requestId = 0;
  #contentLength = 0;

  /** What is held of requests that came in is held of `budget`. */
  constructor(owner: IntakeOwner, budget: ByteBudget) {
    this.#owner = owner;
    this.#budget = budget;
    this.#decoder = new Decoder(this, budget);
  }

  /** Requests that are not over, in the order they began. */
  get requests(): readonly FrontRequest[] {
    return this.#requests.members();
  }

  /** How many requests are not over. */
  get size(): number {
    return this.#size;
  }

  /** Whether somebody waits for the answer, or the rest of it, to one of them. */
  get isAnswerDue(): boolean {
    for (let each = this.#requests.first; each; each = each.next) if (each.phase !== "draining") return true;
    return false;
  }

  /** Whether the bytes so far end between two requests. */
  get isIdle(): boolean {
    return this.#size === 0 && this.#decoder.atBoundary;
  }

  push(chunk: Uint8Array): void {
    const bodyAt =
      this.#size === 0 && this.takesMore && this.#decoder.atBoundary ? bodyOfWholeRequest(chunk) : 0;
    if (bodyAt > 0) this.#takeWhole(chunk, bodyAt);
    else this.#decoder.push(chunk);
  }

  /** What the decoder would have led to, in the same order; but where a body goes on as it comes, this one is there before its program is asked for. */
  #takeWhole(chunk: Uint8Array, bodyAt: number): void {
    const request = this.#add(requestIdAt(chunk, 0));
    this.#owner.onBegin();
    request.onRaw(chunk, 0, bodyAt);
    request.endHead(true);
    if (request.takesBody(FCGI_STDIN, 0)) request.onRaw(chunk, bodyAt, chunk.length);
    request.endBody();
  }

  /** Ignores whatever comes from now on. */
  stop(): void {
    this.#decoder.stop();
    this.#management?.clear();
  }

  /** The request is over. */
  remove(request: FrontRequest): void {
    if (this.#requests.remove(request)) this.#size--;
    if (this.#latest === request) this.#latest = undefined;
  }

  onRecord(type: number, requestId: number, contentLength: number): RawSink | null {
    this.#type = type;
    this.#requestId = requestId;
    this.#contentLength = contentLength;
    if (requestId === FCGI_NULL_REQUEST_ID) return null;
    const request = this.#find(requestId);
    switch (type) {
      case FCGI_BEGIN_REQUEST:
        return this.#begin(request, requestId, contentLength);
      case FCGI_PARAMS:
        if (request && request.phase !== "head" && request.phase !== "draining") break;
        if (request) this.#limitHead(request, contentLength);
        return request ?? null;
      case FCGI_STDIN:
      case FCGI_DATA:
        if (request?.phase === "head") break;
        return request?.takesBody(type, contentLength) ? request : null;
      case FCGI_ABORT_REQUEST:
        return null;
    }
    this.onMalformed(`${typeName(type)} for request ${requestId} (${request?.phase ?? "not begun"})`);
    return null;
  }

  onContent(chunk: Uint8Array, start: number, end: number): void {
    if (this.#requestId !== FCGI_NULL_REQUEST_ID) return;
    this.#management ??= new ByteQueue(this.#budget);
    this.#management.push(chunk, start, end);
  }

  onRecordEnd(): void {
    const type = this.#type;
    if (this.#requestId === FCGI_NULL_REQUEST_ID) {
      this.#owner.onManagement(type, this.#management?.join() ?? NO_CONTENT);
      this.#management?.clear();
      return;
    }
    const request = this.#find(this.#requestId);
    if (type === FCGI_BEGIN_REQUEST) {
      if (request) this.#owner.onBegin();
      else this.#owner.onBeginRefused(this.#requestId, this.takesMore ? tooMany() : breaking());
      return;
    }
    if (!request || (this.#contentLength > 0 && type !== FCGI_ABORT_REQUEST)) return;
    this.#decoder.flush();
    if (type === FCGI_ABORT_REQUEST) request.abort();
    else if (type !== FCGI_PARAMS) request.endBody();
    else if (request.phase === "head") request.endHead();
  }

  onMalformed(problem: string): void {
    this.#decoder.stop();
    this.#owner.onMalformed(problem);
  }

  #begin(existing: FrontRequest | undefined, requestId: number, contentLength: number): RawSink | null {
    // A client that gives up on a body may begin its next request over it.
    if (existing && existing.phase !== "draining") {
      this.onMalformed(`a second ${typeName(FCGI_BEGIN_REQUEST)} for request ${requestId}`);
      return null;
    }
    if (contentLength !== BEGIN_REQUEST_LENGTH) {
      this.onMalformed(`an ${typeName(FCGI_BEGIN_REQUEST)} of ${contentLength} bytes`);
      return null;
    }
    existing?.supersede();
    if (!this.takesMore || this.#size >= MAX_REQUESTS) return null;
    return this.#add(requestId);
  }

  #add(requestId: number): FrontRequest {
    const request = new FrontRequest(requestId, this.#owner, this.#budget);
    this.#requests.push(request);
    this.#size++;
    this.#latest = request;
    return request;
  }

  /** Nearly always the one that the last record was for. */
  #find(requestId: number): FrontRequest | undefined {
    if (this.#latest?.id === requestId) return this.#latest;
    let found = this.#requests.first;
    while (found && found.id !== requestId) found = found.next;
    this.#latest = found;
    return found;
  }

  #limitHead(request: FrontRequest, contentLength: number): void {
    if (request.phase !== "head" || request.takesHead(contentLength)) return;
    this.#decoder.flush();
    const what = `PARAMS of more than ${MAX_HEAD_BYTES} bytes are not taken.`;
    request.refuse(new FpmError("HEAD_TOO_LARGE", "client", what));
  }
}

function tooMany(): FpmError {
  return new FpmError("QUEUE_FULL", "daemon", `More than ${MAX_REQUESTS} requests at once on a connection.`);
}

function breaking(): FpmError {
  const what = "An answer on this connection broke off: it ends when the others are complete.";
  return new FpmError("QUEUE_FULL", "daemon", what);
}
