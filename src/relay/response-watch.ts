import { Decoder, type RawSink, type RecordSink } from "../fcgi/decoder.ts";
import {
  END_REQUEST_LENGTH,
  FCGI_END_REQUEST,
  FCGI_REQUEST_COMPLETE,
  FCGI_STDERR,
  FCGI_STDOUT,
  typeName,
} from "../fcgi/protocol.ts";
import type { AnswerWatch } from "./answer-watch.ts";

/** What a program's answer comes to. */
export interface ResponseListener {
  /** Whole records of the answer, END_REQUEST among them. */
  onRecords(chunk: Uint8Array, start: number, end: number): void;
  /** END_REQUEST has come and was handed on. */
  onEnd(appStatus: number, protocolStatus: number): void;
  /** END_REQUEST has come as the only record, and says that the program did not take the request. */
  onRejected(protocolStatus: number): void;
  /** What the program sends is not an answer to this request. */
  onBadAnswer(problem: string): void;
  /** A record under the id of an earlier request of the connection has come, and was dropped. */
  onStaleRecord(type: number): void;
}

/** Under which ids a request goes. */
export interface RequestIds {
  /** On the connection to the program. */
  readonly link: number;
  /** On that of the web server. */
  readonly client: number;
  /** Whether an earlier request of the connection to the program had this id there. */
  isStale(requestId: number): boolean;
}

/**
 * Watches the record headers of a program's answer to one request. The bytes pass as they are, but for the request's id, which is
 * the web server's from here on. Records of earlier requests, which a child of the program may have kept in its buffers, are dropped.
 */
export class ResponseWatch implements RecordSink, RawSink {
  readonly #ids: RequestIds;
  readonly #listener: ResponseListener;
  readonly #answer: AnswerWatch | undefined;
  readonly #decoder = new Decoder(this);
  #type = 0;
  /** The record in progress is of an earlier request. */
  #isStale = false;
  /** The content of END_REQUEST, which may come in pieces (§5.5): how many of its bytes were read, and what they say. */
  #endBytes = 0;
  #appStatus = 0;
  #protocolStatus = 0;
  /** A record of the answer has come. */
  #isBegun = false;

  /** `answer` sees what the program says; without one nothing of it is looked at. */
  constructor(ids: RequestIds, listener: ResponseListener, answer?: AnswerWatch) {
    this.#ids = ids;
    this.#answer = answer;
    this.#listener = listener;
  }

  push(chunk: Uint8Array): void {
    this.#decoder.push(chunk);
  }

  onRaw(chunk: Uint8Array, start: number, end: number): void {
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
    const { link, client } = this.#ids;
    this.#type = type;
    const isAnswer = type === FCGI_STDOUT || type === FCGI_STDERR || type === FCGI_END_REQUEST;
    this.#isStale = isAnswer && this.#ids.isStale(requestId);
    if (this.#isStale) return null;
    if (!isAnswer || requestId !== link) {
      this.onMalformed(`${typeName(type)} for request ${requestId}, while it works on ${link}`);
      return null;
    }
    if (type === FCGI_END_REQUEST && contentLength !== END_REQUEST_LENGTH) {
      this.onMalformed(`an FCGI_END_REQUEST of ${contentLength} bytes`);
      return null;
    }
    chunk[at + 2] = client >>> 8;
    chunk[at + 3] = client;
    return this;
  }

  onContent(chunk: Uint8Array, start: number, end: number): void {
    if (this.#isStale) return;
    if (this.#type === FCGI_STDOUT) this.#answer?.push(chunk, start, end);
    if (this.#type !== FCGI_END_REQUEST) return;
    for (let at = start; at < end; at++, this.#endBytes++) {
      const byte = chunk[at] as number;
      if (this.#endBytes < 4) this.#appStatus = ((this.#appStatus << 8) | byte) >>> 0;
      else if (this.#endBytes === 4) this.#protocolStatus = byte;
    }
  }

  onRecordEnd(): void {
    if (this.#isStale) {
      this.#listener.onStaleRecord(this.#type);
      return;
    }
    if (this.#type !== FCGI_END_REQUEST) {
      this.#isBegun = true;
      return;
    }
    const protocolStatus = this.#protocolStatus;
    // Handed on alone, it would be shown as an empty success by Apache.
    const isRejection = !this.#isBegun && protocolStatus !== FCGI_REQUEST_COMPLETE;
    if (!isRejection) this.#decoder.flush();
    this.#decoder.stop();
    if (isRejection) this.#listener.onRejected(protocolStatus);
    else this.#listener.onEnd(this.#appStatus, protocolStatus);
  }

  onMalformed(problem: string): void {
    this.#decoder.flush();
    this.#decoder.stop();
    this.#listener.onBadAnswer(problem);
  }
}
