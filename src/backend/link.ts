import type { FpmError } from "../base/errors.ts";
import type { Decoder, RecordSink } from "../fcgi/decoder.ts";

/** Who uses a link: the relay of the request that it carries. */
export interface LinkUser {
  onLinkData(chunk: Uint8Array): void;
  /** What waited has been taken. */
  onLinkDrain(): void;
  /** The connection is over: the program closed it (`reason` undefined) or it broke. */
  onLinkClosed(reason: string | undefined): void;
  /** The program has ended the request in order, and what it said is no answer. */
  onLinkUnanswered(problem: string): void;
  /** No program has begun with the request. */
  onLinkFailed(error: FpmError): void;
}

/** Takes what is left of a body when the answer is over. */
export interface BodyReader {
  readonly isCongested: boolean;
  /** Nobody reads any more. */
  readonly isClosed: boolean;
  /** Hears when what had to wait was taken, or nobody reads any more. */
  onDrain: () => void;
  write(chunk: Uint8Array, start: number, end: number): void;
  /** The request is over, and nothing more comes. */
  leave(): void;
}

/** A connection that carries FastCGI records to a program and its answer back. */
export interface Link {
  /** The id that its request has here; the first one on a connection has 1. */
  readonly requestId: number;
  /** Whether an earlier request on this connection had the id. */
  isStale(requestId: number): boolean;
  readonly isOpen: boolean;
  /** Whether it could carry another request after this one. */
  readonly isReusable: boolean;
  /** Whether its user has stopped reading. */
  readonly isPaused: boolean;
  /** Whether so much waits to be sent that the client should be paused. */
  readonly isCongested: boolean;
  /** Whether anything waits that the kernel has not taken. */
  readonly isWaiting: boolean;
  /** Whether the program has read all that was sent. */
  readonly isAllRead: boolean;
  /** The decoder of what comes here, which the link's user feeds; records go to `sink` from now on. The last answer was complete, with nothing behind it. */
  decoderFor(sink: RecordSink): Decoder;
  /** Events go to `user` from now on; with undefined the link rests between two requests. */
  use(user: LinkUser | undefined): void;
  /** Sends `chunk[start, end)` now or later; by reference. */
  write(chunk: Uint8Array, start: number, end: number): void;
  /** It carries no other request after this one. */
  spoil(): void;
  /** The answer is over, and its program may read on: who takes the rest of the body; undefined where nobody does. */
  outlive(): BodyReader | undefined;
  /** Sends what any program drops that reads on: it then reads for its next request (`isAllRead`). */
  probe(): void;
  pause(): void;
  resume(): void;
  /** Closes in both directions at once; nothing is told to the user. */
  close(): void;
  /** It is over: its user is told. */
  onClosed(reason: string | undefined): void;
}
