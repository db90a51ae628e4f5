import type { ByteQueue } from "../base/byte-queue.ts";
import { FpmError } from "../base/errors.ts";
import type { RequestHead } from "../fcgi/head.ts";
import type { Backend } from "./backend.ts";
import type { Conduct } from "./conduct.ts";
import type { StopReason } from "./exit.ts";
import type { Link } from "./link.ts";
import type { OutputLines } from "./output-lines.ts";

/**
 * How a request has ended for the backend that worked on it. `kept`: with END_REQUEST, and its connection is fit for another one.
 * `over`: with END_REQUEST. `stale`: its connection was of no use, which says nothing of the process. `left`: without an end, so that the
 * process may still be at work.
 */
export type Ending = "kept" | "over" | "stale" | "left";

/** Hears of a backend that is lent: the relay of the request. */
export interface LeaseUser {
  /** The process has ended; what it sent before may still come. */
  onBackendGone(): void;
  /** Its connection was taken back before the program had accepted it: nobody has seen the request. */
  onTakenBack(): void;
}

/** A backend lent to one request, and the connection that carries it. */
export class Lease {
  readonly backend: Backend;
  /** When it was lent. */
  readonly since: number;
  /** What it is lent for. */
  head: RequestHead | undefined;
  /** The script that it is for, as the program is told. */
  script: string | undefined;
  /** The process that got the request; 0 before. */
  pid = 0;
  /** It counts as at work for its pool. */
  isAtWork = false;
  /** Bytes of records to the program, and from it. */
  bytesIn = 0;
  bytesOut = 0;
  user: LeaseUser | undefined;
  /** Whether the request may go to another process if this one does not accept it. */
  mayBeTakenBack = true;
  /** What has come of FCGI_STDERR records; undefined: nothing. */
  errorLines: OutputLines | undefined;
  /** CPU time of the process when its request was first found unread, in milliseconds. */
  unreadRunMs: number | undefined;
  #link: Link | undefined;
  #isRead = false;

  constructor(backend: Backend, since: number) {
    this.backend = backend;
    this.since = since;
  }

  get link(): Link | undefined {
    return this.#link;
  }

  /** What was learned of the program. */
  get conduct(): Conduct {
    return this.backend.conduct;
  }

  /**
   * Sends the request: its head and what has come of its body, on a kept connection or a new one; with `fresh` always on a
   * new one.
   */
  open(records: ByteQueue, body: ByteQueue, fresh: boolean): Link | FpmError {
    this.bytesIn += records.bytes + body.bytes;
    const link = this.backend.open(this, records, body, fresh);
    if (!(link instanceof FpmError)) this.#link = link;
    this.pid = this.backend.pid;
    return link;
  }

  /** The program has sent some content of FCGI_STDERR records. */
  onErrorOutput(bytes: Uint8Array): void {
    this.backend.onErrorOutput(this, bytes);
  }

  /** Whether the program is known not to have accepted the request's connection: what was sent on it was never seen. */
  get isUnaccepted(): boolean {
    return this.#link !== undefined && this.backend.isUnaccepted(this.#link);
  }

  /** Whether the program has read nothing of the request, as far as the kernel tells. */
  get isUnread(): boolean {
    if (this.#isRead || this.#link === undefined || this.user === undefined) return false;
    this.#isRead = this.bytesOut > 0 || !this.backend.isUnread(this.#link);
    return !this.#isRead;
  }

  /** Takes the request back from a program that has not accepted its connection. False when it has by now. */
  takeBack(): boolean {
    const isTaken = this.#link !== undefined && this.backend.takeBack(this.#link);
    if (isTaken) this.user?.onTakenBack();
    return isTaken;
  }

  /**
   * The process is beyond help and is killed. Where it works on other requests as well they may end first, in the time
   * that a request or a stop has.
   */
  condemn(reason: StopReason): void {
    this.backend.condemn(this, reason);
  }
}
