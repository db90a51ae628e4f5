import type { ByteQueue } from "../base/byte-queue.ts";
import { FpmError } from "../base/errors.ts";
import type { Linked, LinkedList } from "../base/linked-list.ts";
import type { ParamChanges, RequestHead } from "../fcgi/head.ts";
import type { Program } from "../start/program.ts";
import type { Conduct } from "./conduct.ts";
import type { StopReason } from "./exit.ts";
import type { Link } from "./link.ts";
import type { OutputLines } from "./output-lines.ts";
import type { BackendState } from "./states.ts";
import type { Usage } from "./usage.ts";

/** What serves the requests of a program: a FastCGI process, or a place in which one CGI process runs after the other. */
export interface Backend extends Linked<Backend> {
  /** What it was started as; other settings of the same generation may take its place. */
  program: Program;
  readonly startedAt: number;
  /** When it first took requests; undefined before. */
  readonly readyAt: number | undefined;
  readonly state: BackendState;
  /** Whether it was told to end. */
  readonly isStopping: boolean;
  /** Whether its process has ended, or is about to. */
  readonly isDead: boolean;
  /** How its process has ended, in words; of plain CGI the last one. Undefined: nobody has told yet. */
  readonly death: string | undefined;
  /** Since when it has been on its own. */
  readonly aloneSince: number;
  /** 0 while no process runs, or until it has started. */
  readonly pid: number;
  /** With `children` the processes that it has started to share its work. */
  readonly children: readonly number[];
  /** Where its listening socket is; undefined: it has none. */
  readonly socketPath: string | undefined;
  /** Program and pid, as messages name it. */
  readonly label: string;
  /** The requests it works on. */
  readonly leases: readonly Lease[];
  /** How many these are. */
  readonly busy: number;
  /** How many more requests it can take. */
  readonly free: number;
  /** Whether it works on nothing, also not for clients that have left, as far as it can be told. */
  readonly isIdle: boolean;
  /** When it last became idle; orders idle backends. */
  readonly idleSince: number;
  /** Requests answered. */
  readonly served: number;
  /** Whether it has accepted the connection of a request, ever, as far as it is known. */
  readonly wasUsed: boolean;
  /** Memory it was last seen to hold, in bytes; undefined while it was not looked at. */
  memoryBytes: number | undefined;
  /** What it has used of the CPU; undefined when it has gone. */
  readonly usage: Usage | undefined;
  /** The first line it printed on stdout: a FastCGI program prints nothing there. */
  readonly firstStdout: string;
  /** The last line it printed on stderr. */
  readonly lastStderr: string;
  /** What a tool said that was to start its program: see ProgramProcess. */
  readonly complaint: string;
  /** Settles when it has ended and everything it printed was logged. */
  readonly finished: Promise<void>;
  /** Settles with the processes that it left in the background when it ended before it had started; they have been ended. Empty for others. */
  readonly leftBehind: Promise<readonly number[]>;
  /** What was learned of the program. */
  readonly conduct: Conduct;

  /** It works on one more request from `now` on. Only while it is `free`. */
  lend(now: number): Lease;
  /** See Lease.open. */
  open(lease: Lease, request: Opening, changes: ParamChanges, fresh: boolean): Link | FpmError;
  /** How much its threads or children do for clients that have left; each has the place of its request. */
  readonly leftAtWork: number;
  /** Since when it, or the oldest of that, has been at work for nobody; undefined: none is, or none that could be given up. */
  readonly leftSince: number | undefined;
  /** That is to end: somebody wants the room. SIGTERM first. */
  giveUp(stopTimeoutMs: number): void;
  /** Whether a connection is known to wait for the program to accept it. */
  isUnaccepted(link: Link): boolean;
  /** Whether a connection is being taken back: until that has come out, nobody knows whether the program has accepted it. */
  isBeingTaken(link: Link): boolean;
  /** Whether the program has read nothing of what was sent for the present request of a link. */
  isUnread(link: Link): boolean;
  /** See Lease.takeBack. */
  takeBack(lease: Lease): void;
  /** A request that it was handed is unread after a while; asked again as long as it is. */
  onUnread(lease: Lease): void;
  /** That it is free was a guess of which nobody is sure any more: it counts as on its own until it comes back. */
  doubt(): void;
  /** The request of a lease is over, at `now`: the lease's verdict is carried out. */
  end(lease: Lease, how: Ending, now: number): void;
  /** Kills one of its children: it puts another one in its place. */
  killChild(pid: number, reason: StopReason): void;
  /** Which of its children works on a request, as long as that has its connection; undefined: none, or it cannot be told. */
  workerOf(lease: Lease): number | undefined;
  /** Takes no more requests, and is stopped when those it works on are over, and it has come back: at once when it is idle. */
  retire(reason: StopReason, stopTimeoutMs: number): void;
  /** Ends it now: SIGTERM, and SIGKILL after `stopTimeoutMs`; at once when that is 0. */
  stop(reason: StopReason, stopTimeoutMs: number): void;
  /** It has sent some content of FCGI_STDERR records for the request of a lease. */
  onErrorOutput(lease: Lease, bytes: Uint8Array): void;
  /** It answered under the id that it was given, which was not 1. */
  onEcho(): void;
  /** A record of an earlier request came on a connection to it, and was dropped. */
  onStaleRecord(): void;
  /** What came on a connection to it that had served other requests was no answer, and was dropped. */
  onMixedRecords(): void;
  /** It has answered under another id than it was given. */
  onIgnoredId(): void;
}

/**
 * How a request has ended for the backend that worked on it. `kept`: with END_REQUEST, and its connection is fit for another one.
 * `over`: with END_REQUEST. `stale`: its connection was of no use, which says nothing of the process. `left`: without an end, so that the
 * process may still be at work.
 */
export type Ending = "kept" | "over" | "stale" | "left";

/** What becomes of a backend that is beyond help. */
export interface Verdict {
  readonly reason: StopReason;
  /** The child that had the request: it ends instead, and is replaced by the process itself. */
  readonly worker: number | undefined;
}

/** Hears of a backend that is lent: the relay of the request. */
export interface LeaseUser {
  /** The process has ended; what it sent before may still come. */
  onBackendGone(): void;
  /** Its process has ended without accepting the connection, which was taken back: nobody has seen the request. */
  onUnseen(): void;
  /** Its connection was taken back before the program had accepted it: nobody has seen the request. */
  onTakenBack(): void;
  /** Nothing of it is read on a connection that was kept, nor will be soon, for this reason. */
  onNotRead(why: string): void;
}

/** What a program gets of a request at first. */
export interface Opening {
  readonly head: RequestHead;
  /** Whole records of the body that came so far. */
  readonly body: ByteQueue;
}

/** A backend lent to one request, and the connection that carries it. */
export class Lease implements Linked<Lease> {
  previous: Lease | undefined = undefined;
  next: Lease | undefined = undefined;
  /** Where it stands until the program has read the request; see UnreadWatch, which alone changes these three. */
  watched: LinkedList<Lease> | undefined = undefined;
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
  /** Its process has ended, and is known not to have accepted the connection. */
  isUnseen = false;
  /** Whether the request may go to another process if this one does not accept it. */
  mayBeTakenBack = true;
  /** What has come of FCGI_STDERR records; undefined: nothing. */
  errorLines: OutputLines | undefined;
  /** CPU time of the process when its request was first found unread, in milliseconds. */
  unreadRunMs: number | undefined;
  #link: Link | undefined;
  #verdict: Verdict | undefined;
  #isRead = false;

  constructor(backend: Backend, since: number) {
    this.backend = backend;
    this.since = since;
  }

  get link(): Link | undefined {
    return this.#link;
  }

  get verdict(): Verdict | undefined {
    return this.#verdict;
  }

  /** What was learned of the program. */
  get conduct(): Conduct {
    return this.backend.conduct;
  }

  /** Whether the program is asked to keep the connection of its request. */
  get keepsConnection(): boolean {
    return this.conduct.keepsConnections && this.backend.program.app.keepConnection;
  }

  /**
   * Sends the request: its head, the parameters with `changes`, and what has come of its body, on a kept connection or a new one; with `fresh`
   * always on a new one.
   */
  open(request: Opening, changes: ParamChanges, fresh: boolean): Link | FpmError {
    const link = this.backend.open(this, request, changes, fresh);
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

  /** Whether it may turn out that the program has never seen the request. */
  get mayBeUnseen(): boolean {
    return this.isUnaccepted || (this.#link !== undefined && this.backend.isBeingTaken(this.#link));
  }

  /** Whether the program has read nothing of the request, as far as the kernel tells. */
  get isUnread(): boolean {
    if (this.#isRead || this.#link === undefined || this.user === undefined) return false;
    this.#isRead = this.bytesOut > 0 || !this.backend.isUnread(this.#link);
    return !this.#isRead;
  }

  /** Takes the request back from a program that has not accepted its connection: its user hears when that has come about. */
  takeBack(): void {
    if (this.mayBeTakenBack) this.backend.takeBack(this);
  }

  /**
   * The process is beyond help and is killed when the request is over, before anybody else gets it. Where it works on other requests as well they may
   * end first, in the time that a request or a stop has.
   */
  condemn(reason: StopReason, worker?: number): void {
    this.#verdict = { reason, worker };
  }
}
