import type { TCPSocketListener } from "bun";
import type { Clock } from "../base/clock.ts";
import { closeFd, duplicate, hasUnaccepted, refuseDescriptors, setBacklog } from "../base/libc.ts";
import { type BoundSocket, unlinkSocket } from "./bind.ts";
import type { FrontSocket } from "./connection.ts";

/** How often the backlog of an address that was given up is looked at; while nothing is accepted there is no hurry. */
const CLOSE_LOOK_MS = 1;
const CLOSE_LOOK_LATER_MS = 10;

/** What a listener needs of its surroundings. */
export interface ListenerDeps {
  readonly clock: Clock;
  /** Connections that may wait to be accepted. */
  readonly backlog: number;
  onOpen(socket: FrontSocket, isUnix: boolean): void;
}

/** Bun.listen takes `fd`, which its types lack (Bun 1.4.5). */
type ListenByFd = (options: {
  fd: number;
  allowHalfOpen: boolean;
  socket: ReturnType<typeof handlersFor>;
}) => TCPSocketListener;

/** One listening address. */
export class Listener {
  /** Ours; Bun gets duplicates of its descriptor, so that it can stop and start accepting. */
  readonly bound: BoundSocket;
  readonly #deps: ListenerDeps;
  #accepting: TCPSocketListener | undefined;
  /** closing: no more connections are wanted, those in the backlog still come. */
  #phase: "open" | "closing" | "closed" = "open";

  /** Begins to accept on a socket, which it owns from now on. */
  constructor(bound: BoundSocket, deps: ListenerDeps) {
    this.bound = bound;
    this.#deps = deps;
    if (bound.address.kind === "unix") refuseDescriptors(bound.fd);
    this.accept();
  }

  /** Whether no connection comes any more. */
  get isClosed(): boolean {
    return this.#phase === "closed";
  }

  /** Accepts again. */
  accept(): void {
    if (this.#accepting || this.#phase === "closed") return;
    const isUnix = this.bound.address.kind === "unix";
    const listen = Bun.listen as unknown as ListenByFd;
    this.#accepting = listen({
      fd: duplicate(this.bound.fd),
      allowHalfOpen: true,
      socket: handlersFor((socket) => this.#deps.onOpen(socket, isUnix)),
    });
    // Bun listens anew with a backlog of its own.
    setBacklog(this.bound.fd, this.#deps.backlog);
  }

  /** Leaves who comes now in the backlog. */
  pause(): void {
    this.#accepting?.stop();
    this.#accepting = undefined;
  }

  /** Removes the socket's file; who has connected before is still accepted. */
  close(): void {
    if (this.#phase !== "open") return;
    this.#phase = "closing";
    unlinkSocket(this.bound);
    this.#closeWhenEmpty();
  }

  /** Accepts no more, at once: who waits in the backlog is somebody else's, who has the same socket, or nobody's. */
  yield(): void {
    if (this.#phase === "closed") return;
    this.#phase = "closed";
    this.pause();
    closeFd(this.bound.fd);
  }

  /** A closed socket would reset the connections that wait in its backlog. */
  #closeWhenEmpty(): void {
    if (this.#phase !== "closing") return;
    if (!hasUnaccepted(this.bound.fd)) {
      this.yield();
      return;
    }
    const lookAgainMs = this.#accepting ? CLOSE_LOOK_MS : CLOSE_LOOK_LATER_MS;
    this.#deps.clock.after(lookAgainMs, () => this.#closeWhenEmpty());
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
