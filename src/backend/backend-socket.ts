import { fstatSync, unlinkSync } from "node:fs";
import type { FpmError } from "../base/errors.ts";
import { closeFd, connectUnix, endConnection, hasUnaccepted, isReadable, listenUnix } from "../base/libc.ts";
import { unacceptedOn } from "../base/unix-peer.ts";
import type { AcceptListener, Acceptor } from "./acceptor.ts";
import type { Link } from "./link.ts";
import { connectFailed, type LinkOwner, SocketLink } from "./socket-link.ts";

/** Connections that may wait beside those of the requests: one that wakes its accept(), and some more. */
const SPARE_BACKLOG = 16;
/** More than wait on any socket: a program that connects to its own goes on and on. */
const MOST_TAKEN = 4096;
/** Of a thread that stands nobody waits for the answer. */
const NOBODY: AcceptListener = { onAnswer() {}, onStands() {} };
/** Threads that are woken when a program is to end; one with more of them is not written in this way. */
const MOST_WAKES = 256;

/** Hears of connections that are taken back. */
export interface TakingListener {
  /** One was; `inode` is of our end of it, while it is open. */
  onTaken(inode: number): void;
  /** No more wait, or the others must be left to whoever accepts them. */
  onOver(): void;
  /** The program keeps us from coming back from there. */
  onStands?(): void;
}

/** A backend's listening socket, and the connections to it that no request uses. */
export class BackendSocket {
  /** What the program gets as its descriptor 0. */
  readonly fd: number;
  /** Tells its socket from all others. */
  readonly inode: number;
  readonly path: string;
  readonly #owner: LinkOwner;
  /** How many connections the program takes at once, as it is said to … */
  readonly #concurrency: number;
  /** … and as it was seen. */
  #mostAtOnce: number;
  /** The silent connection by which a boot, or a return, is noticed. */
  #silentFd: number | undefined;
  /** Connections that wait for the next request, the most recently used last. */
  readonly #kept: SocketLink[] = [];
  /** The connection that was made last: connections are accepted in their order. */
  #newest: SocketLink | undefined;
  /** There was no room for the last connection among those that wait to be accepted. */
  #isFull = false;
  /** Hears of the connection that a thread of ours is about to accept; undefined: none is. */
  #taker: AcceptListener | undefined;
  #isTakingAll = false;
  #isClosed = false;

  /** Listens, and connects without a word: `hasUnaccepted` is true until that connection is accepted. @throws FpmError SYSTEM_CALL, NO_DESCRIPTORS. */
  constructor(path: string, concurrency: number, owner: LinkOwner) {
    this.path = path;
    this.#owner = owner;
    this.#concurrency = concurrency;
    this.#mostAtOnce = concurrency;
    this.fd = listenUnix(path, concurrency + SPARE_BACKLOG);
    this.inode = fstatSync(this.fd).ino;
    const problem = this.knock();
    if (!problem) return;
    this.close();
    throw problem;
  }

  /**
   * Connects without a word: while `hasUnaccepted`, the program does not sit in accept(). Why that failed: its socket is out of reach, or no
   * descriptors are left; undefined: it did not.
   */
  knock(): FpmError | undefined {
    if (this.#silentFd !== undefined) return undefined;
    const connected = connectUnix(this.path);
    // What waits from now on need not be a request's connection.
    this.#newest = undefined;
    if (connected.kind === "connected") this.#silentFd = connected.fd;
    // With a full backlog one of those is waited for.
    else if (connected.kind !== "full") return connectFailed(this.path, connected);
    return undefined;
  }

  /** The same where such a connection was made before, and is of no use any more. */
  knockAnew(): void {
    this.dropSilent();
    this.knock();
  }

  /** Whether a connection waits that the program has not accepted. */
  get hasUnaccepted(): boolean {
    return hasUnaccepted(this.fd);
  }

  /** Whether a connection is known to wait for the program to accept it: the newest does while any waits, of others the kernel is asked. */
  isUnaccepted(link: Link): boolean {
    if (!this.hasUnaccepted) return false;
    return link === this.#newest || (link instanceof SocketLink && link.requestId === 1 && link.isUnaccepted);
  }

  /** Whether connections are being taken back: the program must get no other one until then, which might be taken in their place. */
  get isTaking(): boolean {
    return this.#taker !== undefined || this.#isTakingAll;
  }

  /** Whether this may be one of them. */
  isBeingTaken(link: Link): boolean {
    return this.isTaking && (this.#isTakingAll || link === this.#newest);
  }

  /**
   * Takes a connection back that the program has not accepted, by accepting it here: the listening socket is ours as well. Nothing is heard when
   * the program was faster, or others may wait before it. `onStands`: the program keeps us from coming back from there.
   */
  takeBack(link: Link, by: Acceptor, onTaken: () => void, onStands: () => void): void {
    if (this.isTaking || !this.isUnaccepted(link)) return;
    const onAnswer = (inode: number | undefined) => {
      if (inode !== undefined) onTaken();
    };
    this.#take(by, { onAnswer, onStands });
  }

  /**
   * Takes back all connections that wait: of a process that has ended, as somebody else may hold its socket, and accept them later, or of one whose
   * workers are all at something. One that is being taken already counts among them.
   */
  takeBackAll(by: Acceptor, listener: TakingListener, most = MOST_TAKEN): void {
    this.#isTakingAll = true;
    const onOver = () => {
      this.#isTakingAll = false;
      listener.onOver();
    };
    const onAnswer = (inode: number | undefined) => {
      if (inode !== undefined) listener.onTaken(inode);
      this.takeBackAll(by, listener, most - 1);
    };
    const onStands = () => {
      listener.onStands?.();
      onOver();
    };
    const taker = { onAnswer, onStands };
    if (this.#taker && this.#taker !== NOBODY) this.#taker = taker;
    else if (!this.#taker && most > 0 && this.hasUnaccepted) this.#take(by, taker);
    else onOver();
  }

  #take(by: Acceptor, taker: AcceptListener): void {
    this.#taker = taker;
    by.accept(this.fd, this.path, {
      onAnswer: (inode) => {
        const hears = this.#taker;
        this.#taker = undefined;
        if (this.#isClosed) closeFd(this.fd);
        else hears?.onAnswer(inode);
      },
      onStands: () => {
        const hears = this.#taker;
        this.#taker = NOBODY;
        hears?.onStands();
      },
    });
  }

  /** How many connections wait to be accepted; undefined where the kernel does not tell. */
  get unaccepted(): number | undefined {
    return unacceptedOn(this.inode);
  }

  /**
   * A new connection is not accepted, with `busy` of them at work: who could accept it waits for the next request of a kept one. From now on no more
   * are kept beside others than it takes. False where none is kept.
   */
  freeWorkers(busy: number): boolean {
    const kept = this.#kept.splice(0);
    if (kept.length > 0) this.#mostAtOnce = Math.max(1, kept.length + busy - 1);
    for (const link of kept) link.close();
    return kept.length > 0;
  }

  /**
   * A kept connection, or a new one; with `fresh` always a new one. `busy`: requests that the program works on, this one
   * included. The request's bytes must follow at once.
   */
  connect(fresh: boolean, busy: number): SocketLink | FpmError {
    this.#isFull = false;
    for (let kept = fresh ? undefined : this.#kept.pop(); kept; kept = this.#kept.pop()) {
      if (kept.isOpen) return kept;
    }
    // A program takes no more connections than it serves requests.
    const most = Math.max(0, this.#mostAtOnce - busy);
    while (this.#kept.length > most) this.#kept.shift()?.close();
    // One that was silent for long may have been closed by the program.
    if (this.#silentFd !== undefined && isReadable(this.#silentFd)) this.dropSilent();
    const silentFd = this.#silentFd;
    this.#silentFd = undefined;
    const link = silentFd === undefined ? this.#connectAnew() : SocketLink.adopt(silentFd, this.#owner);
    if (link instanceof SocketLink) this.#newest = link;
    return link;
  }

  /** There was no room for the last connection: the program takes fewer at once than it is said to, or listens for fewer. */
  get isFull(): boolean {
    return this.#isFull;
  }

  #connectAnew(): SocketLink | FpmError {
    const connected = connectUnix(this.path);
    this.#isFull = connected.kind === "full";
    if (connected.kind === "connected") return SocketLink.adopt(connected.fd, this.#owner);
    return connectFailed(this.path, connected);
  }

  /** Keeps a connection for the next request. */
  keep(link: SocketLink): void {
    // The program may have closed others while they waited.
    for (let at = this.#kept.length - 1; at >= 0; at--) if (!this.#kept[at]?.isOpen) this.#kept.splice(at, 1);
    this.#kept.push(link);
  }

  /** Closes the silent connection, unless a request has taken it: it would keep a program from accepting another. */
  dropSilent(): void {
    if (this.#silentFd !== undefined) endConnection(this.#silentFd);
    this.#silentFd = undefined;
  }

  /** Closes the connections that no request uses. */
  closeIdle(): void {
    for (const link of this.#kept.splice(0)) link.close();
    this.dropSilent();
  }

  /** Has accept() return in a program that sits there, in each of its threads. */
  wake(): void {
    this.#newest = undefined;
    for (let threads = Math.min(this.#concurrency, MOST_WAKES); threads > 0; threads--) {
      const connected = connectUnix(this.path);
      if (connected.kind === "connected") endConnection(connected.fd);
    }
  }

  /** Ends it all, and removes the socket's file. */
  close(): void {
    this.closeIdle();
    this.#isClosed = true;
    // A thread that stands there comes back with a connection.
    if (this.isTaking) this.wake();
    else closeFd(this.fd);
    try {
      unlinkSync(this.path);
    } catch {
      // Somebody removed it already.
    }
  }
}
