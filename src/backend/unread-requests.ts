import { statesOfThreads } from "../base/proc-stat.ts";
import type { Backend, Lease } from "./backend.ts";
import type { BackendSocket } from "./backend-socket.ts";
import type { BackendDeps, BackendOwner } from "./lent-backend.ts";
import type { Link } from "./link.ts";
import { LinkReaders } from "./link-readers.ts";
import { SocketLink } from "./socket-link.ts";
import { leaseOf } from "./unseen-requests.ts";
import { stateOf } from "./usage.ts";
import {
  type Hindrance,
  hindranceAmongThreads,
  hindranceOf,
  mayBeStarved,
  waitForEachOther,
} from "./work-signs.ts";

/** A tracer stops a process for a moment only, again and again. */
const STOPPED_MS = 50;
/** So long a request is unread until it is asked whether locks keep it so; and, where nobody tells, until that is believed. */
const LOCKED_MS = 50;
const MAY_BE_LOCKED_MS = 10_000;
/** Where a process serves several at once, one of its workers may just be about to accept a connection. */
const ACCEPT_MS = 20;
/** More do not wait of one that lives: it would be about to accept them itself. */
const MOST_TAKEN_ALIVE = 1024;
/** One whose threads or children compute may come late to its accept(). */
const COMPUTING_MS = 1000;

export interface UnreadOptions {
  readonly backend: Backend;
  /** Requests that it serves at once. */
  readonly capacity: number;
  readonly socket: BackendSocket;
  readonly owner: BackendOwner;
  readonly deps: BackendDeps;
  /** How many of its workers are at something, those included that work on for clients that have left. */
  atWork(): number;
  /** It accepts nothing although it should: until it does, it gets no request. */
  onNoneFree(): void;
}

/**
 * What becomes of requests that one process was handed and has not read: it works on after its last answer, was stopped, or has fewer workers
 * that accept than it is said to have.
 */
export class UnreadRequests {
  readonly #options: UnreadOptions;
  readonly #readers = new LinkReaders();

  constructor(options: UnreadOptions) {
    this.#options = options;
  }

  /** A request went out on a new connection. */
  onConnected(since: number): void {
    this.#readers.onConnected(since, this.#options.backend.served === 0);
  }

  isUnread(link: Link): boolean {
    // The first request on a connection is read when that is accepted, as far as anybody is concerned.
    if (link instanceof SocketLink && link.requestId > 1) return link.isUnread;
    return this.#options.socket.isUnaccepted(link);
  }

  onUnread(lease: Lease): void {
    const { backend, capacity, owner, deps } = this.#options;
    const { link, since } = lease;
    const now = deps.clock.now();
    const isNew = !(link instanceof SocketLink) || link.requestId === 1;
    if (isNew && capacity > 1) {
      this.#onUnacceptedByWorkers(lease, now);
      return;
    }
    const hindrance = this.#hindranceOf(lease, now);
    if (hindrance) owner.onBackendUnread(lease, hindrance);
    if (!hindrance || isNew) return;
    const waitedMs = now - since;
    if (hindrance === "stopped") {
      if (waitedMs >= STOPPED_MS)
        lease.user?.onNotRead("was stopped, by SIGSTOP or a debugger, before it read the request");
    } else if (capacity > 1) {
      if (this.#isLockedOut(lease, waitedMs))
        lease.user?.onNotRead(
          "did not read the request on a connection that it had kept: what would is behind a lock",
        );
    } else if (this.#readers.areGone(backend.pid, link.peerInode, waitedMs, now))
      link.onClosed("it has closed it, and a child of it has a copy");
  }

  /**
   * Whether what would read a kept connection waits for another thread, which itself waits for a connection: a lock around accept() is common
   * (libfcgi's own example has one). No thread works then. Where that can't be seen it is believed of a request that has waited for long.
   */
  #isLockedOut(lease: Lease, waitedMs: number): boolean {
    if (waitedMs < LOCKED_MS) return false;
    const isLocked = waitForEachOther(this.#options.backend.workerOf(lease) ?? this.#options.backend.pid);
    return isLocked ?? waitedMs >= MAY_BE_LOCKED_MS;
  }

  takeBack(lease: Lease): void {
    const { backend, capacity, socket, deps } = this.#options;
    const { link } = lease;
    if (!link) return;
    if (capacity > 1) {
      this.#takeAllBack();
      return;
    }
    const onTaken = () => {
      // One that has ended may have accepted it before.
      if (backend.state !== "gone") lease.user?.onTakenBack();
    };
    socket.takeBack(link, deps.acceptor, onTaken, () => backend.stop("takes connections away", 0));
  }

  /**
   * Of several that wait, or come meanwhile, it is not known which one is accepted next: all are, and told apart. Where the kernel does not help with
   * that they wait.
   */
  #takeAllBack(): void {
    const { backend, socket, deps, onNoneFree } = this.#options;
    if (socket.isTaking || socket.unaccepted === undefined) return;
    const onTaken = (inode: number) => {
      if (backend.state === "gone") return;
      const lease = leaseOf(backend, inode);
      onNoneFree();
      lease?.user?.onTakenBack();
    };
    const onStands = () => backend.stop("takes connections away", 0);
    const onOver = () => {
      // Its silent connection, if it had one already, was among them.
      if (backend.state === "on its own") socket.knockAnew();
    };
    socket.takeBackAll(deps.acceptor, { onTaken, onOver, onStands }, MOST_TAKEN_ALIVE);
  }

  /** Those that wait for the next request of a kept connection accept it; where there are none, it goes elsewhere. */
  #onUnacceptedByWorkers(lease: Lease, now: number): void {
    const { socket, atWork } = this.#options;
    if (mayBeStarved(lease, now) || socket.freeWorkers(atWork())) return;
    const waitedMs = now - lease.since;
    if (waitedMs >= COMPUTING_MS || (waitedMs >= ACCEPT_MS && !this.#isComputing)) lease.takeBack();
  }

  /** Whether one of its threads or children runs, or wants to. */
  get #isComputing(): boolean {
    const { children, pid } = this.#options.backend;
    const states = children.length > 0 ? children.map(stateOf) : statesOfThreads(pid);
    return states.includes("R");
  }

  #hindranceOf(lease: Lease, now: number): Hindrance | undefined {
    const { backend, capacity } = this.#options;
    const { children, pid } = backend;
    if (capacity === 1) return hindranceOf(pid, lease, now);
    if (children.length === 0) return hindranceAmongThreads(pid, lease, now);
    const worker = backend.workerOf(lease);
    return worker === undefined ? undefined : hindranceOf(worker, lease, now);
  }
}
