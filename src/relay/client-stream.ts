import type { ByteQueue } from "../base/byte-queue.ts";
import type { FpmError } from "../base/errors.ts";
import type { RequestHead } from "../fcgi/head.ts";

/** Hears of the web server's side of a request while it is relayed. */
export interface ClientListener {
  /** Whole records of the body. */
  onBody(chunk: Uint8Array, start: number, end: number): void;
  /** The body is complete; its last records were handed on before. */
  onBodyEnd(): void;
  /** What was handed to `respond` has been taken. */
  onClientDrain(): void;
  /** Nobody waits for the answer any more. */
  onClientLeft(): void;
  /** The rest of the body will not come, though the client is there; or it is larger than `limitBody` allows. */
  onBodyFailed(error: FpmError): void;
  /** Whether the program may not have seen the request yet: the client keeps the whole body then, in case another one gets it. */
  readonly mayBeUnseen: boolean;
}

/** Hears that the client leaves while the request waits for a process. */
export interface LeaveListener {
  /** `error`: for which the request is to be refused, though the client is there. */
  onLeft(error: FpmError | undefined): void;
}

/** The web server's side of one request, as the relay needs it. */
export interface ClientStream {
  readonly head: RequestHead;
  /** Whole records of the body that came so far; kept, so that the request can be sent again. */
  readonly body: ByteQueue;
  /** Bytes of the body's content that came so far, whatever was announced. */
  readonly bodyBytes: number;
  /** Whether `body` is all that came, nothing of it was let go. */
  readonly isHeld: boolean;
  /** Whether the body has come to its end. */
  readonly isBodyComplete: boolean;
  /** Whether nobody waits for the answer any more; every call below then does nothing. */
  readonly isGone: boolean;
  /** Whether a part of the answer has been handed on. */
  readonly isAnswered: boolean;

  /** Body records and events go to `listener`, or wait here with undefined. */
  listen(listener: ClientListener | undefined): void;
  /** Tells `waiter` when the client leaves while nobody listens: the request waits in a queue. */
  whenLeft(waiter: LeaveListener | undefined): void;
  /** Takes no more than this of the body's content: the listener hears of it, or the client is told when nobody listens. */
  limitBody(maxBytes: number): void;
  pauseBody(): void;
  resumeBody(): void;
  /** Hands on whole records of the answer. True when the client is slow: wait for `onClientDrain`. */
  respond(chunk: Uint8Array, start: number, end: number): boolean;
  /** Hands on whole records of STDERR, which are no answer. True when the client is slow. */
  forwardStderr(chunk: Uint8Array, start: number, end: number): boolean;
  /** The answer is complete, END_REQUEST was part of it. What is left of the body is drained. `now`: the time, where it is known. */
  complete(now?: number): void;
  /** std-fpm answers itself. Only before `isAnswered`. */
  refuse(error: FpmError): void;
  /** The answer broke off: the client must not take it for complete. */
  truncate(): void;
}
