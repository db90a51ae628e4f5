import type { TCPSocketListener } from "bun";
import type { Timer } from "../base/clock.ts";
import { closeFd, duplicate, hasUnaccepted, setBacklog } from "../base/libc.ts";
import type { Admission } from "./admission.ts";
import { type BoundSocket, unlinkSocket } from "./bind.ts";
import { Connection, type ConnectionDeps, type FrontSocket } from "./connection.ts";

/** How often connections are looked at for what is overdue. */
const LOOK_MS = 1000;
/** How often the backlog of an address that was given up is looked at, while there is no room for who waits there. */
const CLOSE_LOOK_MS = 10;
/** How often refused connections are logged. */
const REFUSED_EVERY_MS = 10_000;

/** What is asked of the connections. */
export interface FrontLimits {
  /** Above this many connections of one address new ones wait in the backlog. */
  readonly maxConnections: number;
  readonly headTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly admission: Admission;
}

export interface ListenerOptions extends FrontLimits {
  /** Connections that may wait to be accepted. */
  readonly backlog: number;
}

/** What listeners need of their surroundings. */
export type FrontDeps = Pick<ConnectionDeps, "clock" | "log" | "onRejected" | "onRequest">;

/** Bun.listen takes `fd`, which its types lack (Bun 1.4.5). */
type ListenByFd = (options: {
  fd: number;
  allowHalfOpen: boolean;
  socket: ReturnType<typeof handlersFor>;
}) => TCPSocketListener;

/** One listening address and the connections that came in there. */
export class Listener {
  /** Ours; Bun gets duplicates of its descriptor, so that it can stop and start accepting. */
  readonly bound: BoundSocket;
  readonly #backlog: number;
  #maxConnections: number;
  #admission: Admission;
  /** Since when refused connections are counted and not logged. */
  #refusedSince = Number.NEGATIVE_INFINITY;
  #refused = 0;
  /** The connections see what changes in it. */
  readonly #deps: { -readonly [Name in keyof ConnectionDeps]: ConnectionDeps[Name] };
  readonly #connections = new Set<Connection>();
  #look: Timer;
  #accepting: TCPSocketListener | undefined;
  /** closing: no more connections are wanted, those in the backlog still come. */
  #phase: "open" | "closing" | "closed" = "open";

  /** Begins to accept on a socket, which it owns from now on. */
  constructor(bound: BoundSocket, options: ListenerOptions, deps: FrontDeps) {
    this.bound = bound;
    this.#backlog = options.backlog;
    this.#maxConnections = options.maxConnections;
    this.#admission = options.admission;
    const { headTimeoutMs, bodyTimeoutMs, maxConnections: maxConns } = options;
    const onClosed = (connection: Connection) => this.#onClosed(connection);
    this.#deps = { ...deps, headTimeoutMs, bodyTimeoutMs, maxConns, onClosed };
    this.#accept();
    this.#look = this.#lookRegularly();
  }

  /** Other limits from now on, for open connections too. */
  limit({ maxConnections, headTimeoutMs, bodyTimeoutMs, admission }: FrontLimits): void {
    this.#admission = admission;
    this.#maxConnections = maxConnections;
    Object.assign(this.#deps, { headTimeoutMs, bodyTimeoutMs, maxConns: maxConnections });
    this.#look.cancel();
    this.#look = this.#lookRegularly();
    if (this.#isFull) this.#pauseAccepting();
    else this.#acceptAgain();
  }

  /** Open connections, those included that are about to close. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Whether no connection comes any more. */
  get isClosed(): boolean {
    return this.#phase === "closed";
  }

  /** Removes the socket's file; who has connected before is still accepted. */
  close(): void {
    if (this.#phase !== "open") return;
    this.#phase = "closing";
    unlinkSocket(this.bound);
    this.#closeWhenEmpty();
  }

  /** Accepts no more, at once: somebody else has the same socket, takes who waits in its backlog and owns its file. */
  yield(): void {
    this.#closeSocket();
  }

  /** Ends the connections on which no request has been at work for `idleMs`, as soon as their clients have read all. */
  retire(idleMs: number): void {
    for (const connection of [...this.#connections]) connection.retire(idleMs);
  }

  /** Ends every connection at once. */
  abandon(): void {
    this.#look.cancel();
    this.#closeSocket();
    for (const connection of [...this.#connections]) connection.close();
  }

  #lookRegularly(): Timer {
    const period = Math.min(LOOK_MS, this.#deps.headTimeoutMs / 4, this.#deps.bodyTimeoutMs / 4);
    return this.#deps.clock.every(period, () => this.#checkOverdue());
  }

  #checkOverdue(): void {
    const now = this.#deps.clock.now();
    for (const connection of [...this.#connections]) connection.checkOverdue(now);
  }

  #accept(): void {
    const listen = Bun.listen as unknown as ListenByFd;
    const onOpen = (socket: FrontSocket) => this.#onOpen(socket);
    this.#accepting = listen({
      fd: duplicate(this.bound.fd),
      allowHalfOpen: true,
      socket: handlersFor(onOpen),
    });
    // Bun listens anew with a backlog of its own.
    setBacklog(this.bound.fd, this.#backlog);
  }

  /** A closed socket would reset the connections that wait in its backlog: for room, too, while there are too many. */
  #closeWhenEmpty(): void {
    if (this.#phase !== "closing") return;
    if (!hasUnaccepted(this.bound.fd)) this.#closeSocket();
    else this.#deps.clock.after(this.#accepting ? 1 : CLOSE_LOOK_MS, () => this.#closeWhenEmpty());
  }

  #closeSocket(): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.#pauseAccepting();
    closeFd(this.bound.fd);
  }

  #pauseAccepting(): void {
    this.#accepting?.stop();
    this.#accepting = undefined;
  }

  #onOpen(socket: FrontSocket): void {
    const connection = new Connection(socket, this.#deps);
    socket.data = connection;
    const refusal = this.#admission.refusal(socket, this.bound.address.kind === "unix");
    if (refusal) {
      this.#onRefused(refusal);
      connection.close();
      return;
    }
    this.#connections.add(connection);
    if (this.#isFull) {
      this.#deps.log.warn("max_connections reached: new connections wait in the backlog", {
        max_connections: this.#maxConnections,
      });
      this.#pauseAccepting();
    }
  }

  /** One line in a while: whoever knocks again and again shall not fill the log. */
  #onRefused(why: string): void {
    this.#refused++;
    const now = this.#deps.clock.now();
    if (now - this.#refusedSince < REFUSED_EVERY_MS) return;
    this.#deps.log.warn(`refused a connection: ${why}`, { code: "NOT_ALLOWED", times: this.#refused });
    this.#refusedSince = now;
    this.#refused = 0;
  }

  #onClosed(connection: Connection): void {
    this.#connections.delete(connection);
    this.#acceptAgain();
  }

  get #isFull(): boolean {
    return this.#connections.size >= this.#maxConnections;
  }

  #acceptAgain(): void {
    if (!this.#accepting && this.#phase !== "closed" && !this.#isFull) this.#accept();
  }
}

function handlersFor(onOpen: (socket: FrontSocket) => void) {
  return {
    open(socket: FrontSocket) {
      onOpen(socket);
    },
    data(socket: FrontSocket, chunk: Uint8Array) {
      socket.data.onData(chunk);
    },
    drain(socket: FrontSocket) {
      socket.data.onDrain();
    },
    end(socket: FrontSocket) {
      socket.data.onEnd();
    },
    close(socket: FrontSocket) {
      socket.data.close();
    },
    error(socket: FrontSocket, error: Error) {
      socket.data.onBug(error);
    },
  };
}
