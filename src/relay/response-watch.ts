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
}

/** Watches the record headers of a program's answer to one request: the bytes pass as they are. */
export class ResponseWatch implements RecordSink, RawSink {
  readonly #requestId: number;
  readonly #listener: ResponseListener;
  readonly #answer: AnswerWatch | undefined;
  readonly #decoder = new Decoder(this);
  #type = 0;
  /** The content of END_REQUEST, which may come in pieces (§5.5): how many of its bytes were read, and what they say. */
  #endBytes = 0;
  #appStatus = 0;
  #protocolStatus = 0;
  /** A record of the answer has come. */
  #isBegun = false;

  /** `answer` sees what the program says; without one nothing of it is looked at. */
  constructor(requestId: number, listener: ResponseListener, answer?: AnswerWatch) {
    this.#requestId = requestId;
    this.#answer = answer;
    this.#listener = listener;
  }

  push(chunk: Uint8Array): void {
    this.#decoder.push(chunk);
  }

  onRaw(chunk: Uint8Array, start: number, end: number): void {
    this.#listener.onRecords(chunk, start, end);
  }

  onRecord(type: number, requestId: number, contentLength: number): RawSink | null {
    this.#type = type;
    const isAnswer = type === FCGI_STDOUT || type === FCGI_STDERR || type === FCGI_END_REQUEST;
    if (!isAnswer || requestId !== this.#requestId) {
      this.onMalformed(`${typeName(type)} for request ${requestId}, while it works on ${this.#requestId}`);
      return null;
    }
    if (type === FCGI_END_REQUEST && contentLength !== END_REQUEST_LENGTH) {
      this.onMalformed(`an FCGI_END_REQUEST of ${contentLength} bytes`);
      return null;
    }
    return this;
  }

  onContent(chunk: Uint8Array, start: number, end: number): void {
    if (this.#type === FCGI_STDOUT) this.#answer?.push(chunk, start, end);
    if (this.#type !== FCGI_END_REQUEST) return;
    for (let at = start; at < end; at++, this.#endBytes++) {
      const byte = chunk[at] as number;
      if (this.#endBytes < 4) this.#appStatus = ((this.#appStatus << 8) | byte) >>> 0;
      else if (this.#endBytes === 4) this.#protocolStatus = byte;
    }
  }

  onRecordEnd(): void {
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
