import type { ByteQueue } from "../base/byte-queue.ts";
import { FpmError } from "../base/errors.ts";
import type { RequestHead } from "../fcgi/head.ts";
import type { Backend } from "./backend.ts";
import type { Conduct } from "./conduct.ts";
import type { StopReason } from "./exit.ts";
import type { Link } from "./link.ts";

/** A backend lent to one request, and the connection that carries it. */
export class Lease {
  readonly backend: Backend;
  /** When it was lent. */
  readonly since: number;
  /** Called at once when the process has ended: set by the relay of the request. */
  onGone: (() => void) | undefined;
  /** What it is lent for. */
  head: RequestHead | undefined;
  /** The process that got the request; 0 before. */
  pid = 0;
  /** Bytes of records to the program, and from it. */
  bytesIn = 0;
  bytesOut = 0;
  #link: Link | undefined;

  constructor(backend: Backend, since: number) {
    this.backend = backend;
    this.since = since;
  }

  get link(): Link | undefined {
    return this.#link;
  }

  /**
   * Sends the request: its head and what has come of its body, on a kept connection or a new one; with `fresh` always on a
   * new one.
   */
  open(records: Uint8Array, body: ByteQueue, fresh: boolean): Link | FpmError {
    this.bytesIn += records.length + body.bytes;
    const link = this.backend.open(records, body, fresh);
    if (!(link instanceof FpmError)) this.#link = link;
    this.pid = this.backend.pid;
    return link;
  }

  /** Whether the program is known not to have accepted the request's connection: what was sent on it was never seen. */
  get isUnaccepted(): boolean {
    return this.#link !== undefined && this.backend.isUnaccepted(this.#link);
  }

  /** What was learned of the program. */
  get conduct(): Conduct {
    return this.backend.conduct;
  }

  /** The program answered under the id that it was given, which was not 1. */
  onEcho(): void {
    this.backend.onEcho();
  }

  /** A record of an earlier request came on its connection, and was dropped. */
  onStaleRecord(): void {
    this.backend.onStaleRecord();
  }

  /** The program goes by no id. */
  onIgnoredId(): void {
    this.backend.onIgnoredId();
  }

  /**
   * The process is beyond help and is killed. Where it works on other requests as well they may end first, in the time
   * that a request or a stop has.
   */
  condemn(reason: StopReason): void {
    this.backend.condemn(this, reason);
  }
}
