import type { Link } from "../backend/link.ts";
import { ByteQueue } from "../base/byte-queue.ts";
import type { Decoder, RawSink, RecordSink } from "../fcgi/decoder.ts";
import {
  contentLengthAt,
  END_REQUEST_LENGTH,
  FCGI_END_REQUEST,
  FCGI_HEADER_LEN,
  FCGI_REQUEST_COMPLETE,
  FCGI_STDERR,
  FCGI_STDOUT,
  recordEndAt,
  typeName,
} from "../fcgi/protocol.ts";
import { isWholeAnswer } from "../fcgi/whole-chunk.ts";
import type { AnswerHead } from "./answer-head.ts";

/** What a program's answer comes to. */
export interface ResponseListener {
  /** Whole records of the answer, END_REQUEST among them; the first ones when the header of the answer is complete. */
  onRecords(chunk: Uint8Array, start: number, end: number): void;
  /** Whole records of STDERR, which are no part of the answer. */
  onStderr(chunk: Uint8Array, start: number, end: number): void;
  /** The content of records of STDERR. */
  onStderrContent(chunk: Uint8Array, start: number, end: number): void;
  /** Bytes have come behind END_REQUEST, at once with it, and were dropped: with what follows them they are no answer. `onEnd` comes next. */
  onTrailing(): void;
  /** END_REQUEST has come and was handed on. */
  onEnd(appStatus: number, protocolStatus: number): void;
  /** END_REQUEST has come, and what came before is no answer: nothing of it was handed on. */
  onUnanswered(problem: string): void;
  /** What the program sends is not an answer to this request. */
  onBadAnswer(problem: string): void;
  /** A record under the id of an earlier request of the connection has come, and was dropped. */
  onStaleRecord(type: number): void;
}

/** The connection to a program: the ids of its requests, of the present one and of earlier ones, and the decoder of what comes. */
export type AnsweringLink = Pick<Link, "requestId" | "isStale" | "decoderFor">;

/** A header that does not end is handed on from this size on, its records' headers and padding included: web servers take none of it. */
const MAX_HELD_RAW_BYTES = 64 * 1024;

/**
 * Watches the record headers of a program's answer to one request. The bytes pass as they are, but for the request's id, which is
 * the web server's from here on. Records of earlier requests, which a child of the program may have kept in its buffers, are dropped.
 * The answer's header is held back until it is complete: without it Apache would show an empty page of success.
 */
export class ResponseWatch implements RecordSink, RawSink {
  readonly #link: AnsweringLink;
  /** Its id on the connection of the web server. */
  readonly #clientId: number;
  readonly #listener: ResponseListener;
  readonly #decoder: Decoder;
  readonly #head: AnswerHead;
  #held: ByteQueue | undefined;
  #stderr: RawSink | undefined;
  #type = 0;
  /** The record in progress is of an earlier request. */
  #isStale = false;
  /** The content of END_REQUEST, which may come in pieces (§5.5): how many of its bytes were read, and what they say. */
  #endBytes = 0;
  #appStatus = 0;
  #protocolStatus = 0;
  #hasBegun = false;
  /** The header of the answer is complete in whole records, … */
  #isHeadWhole = false;
  /** … without the last of them. */
  #isHeadSure = false;

  /** `head` sees the content of the answer. */
  constructor(link: AnsweringLink, clientId: number, listener: ResponseListener, head: AnswerHead) {
    this.#link = link;
    this.#clientId = clientId;
    this.#head = head;
    this.#listener = listener;
    this.#decoder = link.decoderFor(this);
  }

  /** Whether the program has begun to answer this request. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** What the header of the answer says (of HTTP), as far as it has come. */
  get status(): number | undefined {
    return this.#head.status;
  }

  /** Takes the next bytes of the program: not after the end of the answer. */
  push(chunk: Uint8Array): void {
    if (!this.#hasBegun && this.#decoder.atBoundary && isWholeAnswer(chunk, this.#link.requestId))
      this.#takeWhole(chunk);
    else this.#decoder.push(chunk);
  }

  /** What the decoder would have told of the same chunk. */
  #takeWhole(chunk: Uint8Array): void {
    this.#hasBegun = true;
    for (let at = 0; at < chunk.length; at = recordEndAt(chunk, at)) {
      chunk[at + 2] = this.#clientId >>> 8;
      chunk[at + 3] = this.#clientId;
      const start = at + FCGI_HEADER_LEN;
      const end = start + contentLengthAt(chunk, at);
      if (chunk[at + 1] === FCGI_STDOUT) this.#head.push(chunk, start, end);
      else this.#readEnd(chunk, start, end);
    }
    if (this.#head.isComplete) this.#listener.onRecords(chunk, 0, chunk.length);
    this.#onEnd();
  }

  onRaw(chunk: Uint8Array, start: number, end: number): void {
    if (!this.#isHeadWhole) {
      this.#held ??= new ByteQueue();
      this.#held.push(chunk, start, end);
      if (this.#held.bytes <= MAX_HELD_RAW_BYTES) return;
      this.#head.complete();
      this.#isHeadWhole = true;
      this.#release(this.#held);
      return;
    }
    if (this.#held) this.#release(this.#held);
    this.#listener.onRecords(chunk, start, end);
  }

  onRecord(
    type: number,
    requestId: number,
    contentLength: number,
    _paddingLength: number,
    chunk: Uint8Array,
    at: number,
  ): RawSink | null {
    this.#type = type;
    const isAnswer = type === FCGI_STDOUT || type === FCGI_STDERR || type === FCGI_END_REQUEST;
    this.#isStale = isAnswer && this.#link.isStale(requestId);
    if (this.#isStale) return null;
    if (!isAnswer || requestId !== this.#link.requestId) {
      const present = this.#link.requestId;
      this.onMalformed(`${typeName(type)} for request ${requestId}, while it works on ${present}`);
      return null;
    }
    if (type === FCGI_END_REQUEST && contentLength !== END_REQUEST_LENGTH) {
      this.onMalformed(`an FCGI_END_REQUEST of ${contentLength} bytes`);
      return null;
    }
    this.#hasBegun = true;
    chunk[at + 2] = this.#clientId >>> 8;
    chunk[at + 3] = this.#clientId;
    return type === FCGI_STDERR ? this.#stderrSink() : this;
  }

  onContent(chunk: Uint8Array, start: number, end: number): void {
    if (this.#isStale) return;
    if (this.#type === FCGI_STDOUT) this.#head.push(chunk, start, end);
    else if (this.#type === FCGI_STDERR) this.#listener.onStderrContent(chunk, start, end);
    else if (this.#type === FCGI_END_REQUEST) this.#readEnd(chunk, start, end);
  }

  onRecordEnd(): void {
    this.#isHeadSure = this.#isHeadWhole;
    this.#isHeadWhole = this.#head.isComplete;
    if (this.#isStale) this.#listener.onStaleRecord(this.#type);
    else if (this.#type === FCGI_END_REQUEST) this.#onEnd();
  }

  onMalformed(problem: string): void {
    this.#isHeadWhole = this.#isHeadSure;
    this.#decoder.giveUp();
    this.#listener.onBadAnswer(problem);
  }

  #onEnd(): void {
    const problem = this.#head.isComplete ? undefined : this.#problem();
    if (problem === undefined) this.#decoder.flush();
    const isLast = problem !== undefined || this.#decoder.hasMore;
    if (isLast) this.#decoder.stop();
    if (this.#decoder.hasMore) this.#listener.onTrailing();
    if (problem === undefined) this.#listener.onEnd(this.#appStatus, this.#protocolStatus);
    else this.#listener.onUnanswered(problem);
  }

  /** What is wrong with an answer that ends before its header does. */
  #problem(): string {
    if (this.#head.hasBegun) return "ended the request in the middle of the header of its answer";
    if (this.#protocolStatus === FCGI_REQUEST_COMPLETE)
      return "ended the request without a byte of an answer";
    return `did not take the request: END_REQUEST with protocol status ${this.#protocolStatus}`;
  }

  #readEnd(chunk: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; at++, this.#endBytes++) {
      const byte = chunk[at] as number;
      if (this.#endBytes < 4) this.#appStatus = ((this.#appStatus << 8) | byte) >>> 0;
      else if (this.#endBytes === 4) this.#protocolStatus = byte;
    }
  }

  #release(held: ByteQueue): void {
    this.#held = undefined;
    held.visit((piece, start, end) => this.#listener.onRecords(piece, start, end));
  }

  #stderrSink(): RawSink {
    this.#stderr ??= { onRaw: (chunk, start, end) => this.#listener.onStderr(chunk, start, end) };
    return this.#stderr;
  }
}
