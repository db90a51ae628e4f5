import { fstatSync } from "node:fs";
import type { Socket } from "bun";
import { tellBug } from "../base/bug.ts";
import type { ByteBudget } from "../base/byte-budget.ts";
import type { ByteQueue, ByteTarget } from "../base/byte-queue.ts";
import { FpmError, messageOf } from "../base/errors.ts";
import { type Connected, closeFd, isHungUp, setSendBuffer, unsentBytes } from "../base/libc.ts";
import type { Log } from "../base/log.ts";
import { Outbox } from "../base/outbox.ts";
import { noDescriptors } from "../base/shortage.ts";
import { hasNoPeer, peerOf, unreadByPeer } from "../base/unix-peer.ts";
import { Decoder, type RecordSink } from "../fcgi/decoder.ts";
import { encodeAbortRequest } from "../fcgi/encoder.ts";
import type { ParamChanges, RequestHead } from "../fcgi/head.ts";
import { Renumber } from "../fcgi/renumber.ts";
import type { Link, LinkUser } from "./link.ts";

const SEND_BUFFER_BYTES = 1024 * 1024;
/** Ids have two bytes, and 0 is for management records (§3.3). */
const LAST_REQUEST_ID = 0xffff;

/** Bun.connect takes `fd`, which its types lack (Bun 1.4.5). */
type ConnectByFd = (options: {
  fd: number;
  allowHalfOpen: boolean;
  data: SocketLink;
  socket: typeof HANDLERS;
}) => Promise<Socket<SocketLink>>;

/** What a link tells beside its user: the backend. */
export interface LinkOwner {
  readonly log: Log;
  /** What waits towards programs is held of it. */
  readonly buffers: ByteBudget;
  /** Something came between two requests, and the link has closed. */
  onStray(): void;
}

const HANDLERS = {
  open(socket: Socket<SocketLink>) {
    socket.data.onOpen(socket);
  },
  data(socket: Socket<SocketLink>, chunk: Uint8Array) {
    socket.data.onData(chunk);
  },
  drain(socket: Socket<SocketLink>) {
    socket.data.onDrain();
  },
  end(socket: Socket<SocketLink>) {
    socket.data.onClosed(undefined);
  },
  close(socket: Socket<SocketLink>, error?: Error) {
    socket.data.onClosed(error?.message);
  },
  connectError(socket: Socket<SocketLink>, error: Error) {
    socket.data.onClosed(error.message);
  },
  error(socket: Socket<SocketLink>, error: Error) {
    socket.data.onBug(error);
  },
};

/**
 * One connection to a backend, over its Unix socket. It is connected by a system call of our own and then
 * adopted: `Bun.connect({unix})` loses the answer of a peer that answers and closes at once, and reports the wrong
 * errno (Bun 1.4.5).
 */
export class SocketLink implements Link, ByteTarget {
  #socket: Socket<SocketLink> | undefined;
  #outbox: Outbox | undefined;
  #user: LinkUser | undefined;
  /** The runtime's from the start. */
  readonly #fd: number;
  readonly #owner: LinkOwner;
  readonly #renumber = new Renumber();
  /** One for all requests, in turn: what comes is one stream. */
  #decoder: Decoder | undefined;
  #requestId = 0;
  /** Of the present request. */
  #sentBytes = 0;
  /** All ids were used: every one but the present is an earlier request's. */
  #hasWrapped = false;
  #isPaused = false;
  #isSpoiled = false;

  /** Takes over a connected, non-blocking descriptor; the bytes of a request must follow at once, a silent connection blocks the program. */
  static adopt(fd: number, owner: LinkOwner): SocketLink | FpmError {
    const link = new SocketLink(fd, owner);
    if (link.isOpen) return link;
    return new FpmError(
      "CONNECT_FAILED",
      "backend",
      "The runtime did not take over a connection to the program.",
    );
  }

  /** Bun calls `open` before this returns. */
  private constructor(fd: number, owner: LinkOwner) {
    this.#fd = fd;
    this.#owner = owner;
    setSendBuffer(fd, SEND_BUFFER_BYTES);
    const connect = Bun.connect as unknown as ConnectByFd;
    connect({ fd, allowHalfOpen: true, data: this, socket: HANDLERS }).catch((error) => {
      if (!this.#socket) closeFd(fd);
      this.onClosed(messageOf(error));
    });
  }

  get isOpen(): boolean {
    return this.#socket !== undefined;
  }

  get isReusable(): boolean {
    return this.#socket !== undefined && !this.isWaiting && !this.#isSpoiled;
  }

  get requestId(): number {
    return this.#requestId;
  }

  isStale(requestId: number): boolean {
    if (requestId === 0 || requestId === this.#requestId) return false;
    return requestId < this.#requestId || this.#hasWrapped;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Whether the program has read nothing of what was sent for the present request. */
  get isUnread(): boolean {
    if (this.#socket === undefined || unsentBytes(this.#fd) === 0) return false;
    const waiting = this.#outbox?.bytes ?? 0;
    return unreadByPeer(fstatSync(this.#fd).ino) === this.#sentBytes - waiting;
  }

  /** The inode of the program's end; 0 where nobody has accepted it, or the kernel does not tell. */
  get peerInode(): number {
    return this.#socket === undefined ? 0 : peerOf(fstatSync(this.#fd).ino);
  }

  /** Whether nobody has accepted the connection, as far as the kernel tells: there is no other end, and none was closed. */
  get isUnaccepted(): boolean {
    return this.#socket !== undefined && hasNoPeer(fstatSync(this.#fd).ino) && !isHungUp(this.#fd);
  }

  get isAllRead(): boolean {
    return this.#socket !== undefined && !this.isWaiting && unsentBytes(this.#fd) === 0;
  }

  /** Whether so much waits to be sent that the client should be paused. */
  get isCongested(): boolean {
    return this.#outbox?.isHigh ?? false;
  }

  get isWaiting(): boolean {
    return (this.#outbox?.bytes ?? 0) > 0;
  }

  decoderFor(sink: RecordSink): Decoder {
    if (this.#decoder) this.#decoder.begin(sink);
    else this.#decoder = new Decoder(sink);
    return this.#decoder;
  }

  /** Events go to `user` from now on; with undefined the link rests between two requests. */
  use(user: LinkUser | undefined): void {
    this.#user = user;
    // Between two requests nothing is kept of the last one.
    if (!user) this.#decoder?.rest();
    // The last user may have paused it, in the very chunk that ended its answer.
    this.resume();
  }

  /** Sends now or later; by reference, the ids in it are changed. */
  write(chunk: Uint8Array, start: number, end: number): void {
    this.#sentBytes += end - start;
    this.#renumber.push(chunk, start, end);
    this.#outbox?.write(chunk, start, end);
  }

  /**
   * Sends a request's head, its parameters with `changes`, and what came of its body, under an id of its own, in as few system calls as possible.
   * Answers how many bytes.
   */
  writeRequest(head: RequestHead, changes: ParamChanges, keepConn: boolean, body: ByteQueue): number {
    if (!this.#outbox) return 0;
    this.#hasWrapped ||= this.#requestId === LAST_REQUEST_ID;
    this.#requestId = this.#requestId === LAST_REQUEST_ID ? 1 : this.#requestId + 1;
    this.#renumber.begin(this.#requestId);
    this.#sentBytes = 0;
    head.sendTo(this, keepConn, changes);
    body.feed(this);
    this.#outbox.flush();
    return this.#sentBytes;
  }

  /** The next bytes of the request that `writeRequest` sends: they leave with the last of them. */
  push(chunk: Uint8Array, start: number, end: number): void {
    this.#sentBytes += end - start;
    this.#renumber.push(chunk, start, end);
    this.#outbox?.push(chunk, start, end);
  }

  probe(): void {
    const question = encodeAbortRequest(this.#requestId === 1 ? LAST_REQUEST_ID : this.#requestId - 1);
    this.#outbox?.write(question, 0, question.length);
  }

  spoil(): void {
    this.#isSpoiled = true;
  }

  /** Whoever ends a request leaves the rest of its body (specification §3.5). */
  outlive(): undefined {}

  pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#socket?.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket?.resume();
  }

  /** Closes in both directions at once; nothing is told to the user. */
  close(): void {
    const socket = this.#socket;
    this.#forget();
    socket?.end();
  }

  onOpen(socket: Socket<SocketLink>): void {
    this.#socket = socket;
    this.#outbox = new Outbox(socket, this.#owner.buffers);
  }

  onData(chunk: Uint8Array): void {
    if (this.#user) this.#user.onLinkData(chunk);
    // Bytes between two requests belong to none: what comes next on this connection could not be trusted.
    else {
      this.close();
      this.#owner.onStray();
    }
  }

  onDrain(): void {
    if (this.#outbox?.flush()) this.#user?.onLinkDrain();
  }

  onClosed(reason: string | undefined): void {
    if (!this.#socket) return;
    const socket = this.#socket;
    const user = this.#user;
    this.#forget();
    socket.end();
    user?.onLinkClosed(reason);
  }

  /** An exception of ours while it carried a request: that one ends, the others go on. */
  onBug(error: Error): void {
    tellBug(this.#owner.log, error);
    this.onClosed("a bug in std-fpm");
  }

  #forget(): void {
    this.#socket = undefined;
    this.#user = undefined;
    this.#decoder?.rest();
    this.#decoder = undefined;
    this.#outbox?.clear();
    this.#outbox = undefined;
  }
}

/** Why a program's socket could not be connected to. */
export function connectFailed(path: string, outcome: Exclude<Connected, { kind: "connected" }>): FpmError {
  const what = `Connecting to ${path} failed`;
  if (outcome.kind === "no descriptors") return noDescriptors(what);
  const reason = outcome.kind === "full" ? "its backlog is full" : outcome.reason;
  return new FpmError("CONNECT_FAILED", "backend", `${what}: ${reason}.`);
}
