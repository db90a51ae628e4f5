import { chmodSync, chownSync, lstatSync, renameSync, unlinkSync } from "node:fs";
import type { TCPSocketListener } from "bun";
import type { Timer } from "../base/clock.ts";
import { errnoOf, FpmError, messageOf } from "../base/errors.ts";
import { closeFd, connectUnix, duplicate, listenUnix, setBacklog } from "../base/libc.ts";
import type { ListenAddress } from "../config/config.ts";
import { Connection, type ConnectionDeps, type FrontSocket } from "./connection.ts";

/** How often connections are looked at for heads that are overdue. */
const HEAD_LOOK_MS = 1000;

/** Who may connect to a Unix socket, and how many may wait. */
export interface ListenOptions {
  readonly mode: number;
  /** undefined leaves it as it is. */
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly backlog: number;
  /** Above this many connections new ones wait in the backlog. */
  readonly maxConnections: number;
}

/** Bun.listen takes `fd`, which its types lack (Bun 1.4.5). */
type ListenByFd = (options: {
  fd: number;
  allowHalfOpen: boolean;
  socket: ReturnType<typeof handlersFor>;
}) => TCPSocketListener;

/** One listening address and the connections that came in there. */
export class Listener {
  readonly address: ListenAddress;
  readonly #options: ListenOptions;
  readonly #deps: ConnectionDeps;
  readonly #connections = new Set<Connection>();
  /** Ours; Bun gets duplicates, so that it can stop and start accepting. */
  readonly #fd: number;
  /** Device and inode of the socket's file: another file at its path is not ours to remove. */
  readonly #file: string | undefined;
  readonly #headLook: Timer;
  #accepting: TCPSocketListener | undefined;

  /** @throws FpmError LISTEN_IN_USE, LISTEN_FAILED. */
  constructor(address: ListenAddress, options: ListenOptions, deps: Omit<ConnectionDeps, "onClosed">) {
    this.address = address;
    this.#options = options;
    this.#deps = { ...deps, onClosed: (connection) => this.#onClosed(connection) };
    this.#fd = address.kind === "unix" ? bindUnix(address.path, options) : bindTcp(address);
    this.#file = address.kind === "unix" ? fileIdentity(address.path) : undefined;
    const period = Math.min(HEAD_LOOK_MS, deps.headTimeoutMs / 4);
    this.#headLook = deps.clock.every(period, () => this.#checkHeads());
    this.#accept();
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Takes no new connections, closes the idle ones and removes the socket's file. */
  close(): void {
    this.#pauseAccepting();
    closeFd(this.#fd);
    if (
      this.address.kind === "unix" &&
      this.#file !== undefined &&
      this.#file === fileIdentity(this.address.path)
    ) {
      unlinkSync(this.address.path);
    }
    this.retire();
  }

  /** Closes the connections on which no request is at work. */
  retire(): void {
    for (const connection of [...this.#connections]) connection.retire();
  }

  /** Ends every connection at once. */
  abandon(): void {
    this.#headLook.cancel();
    for (const connection of [...this.#connections]) connection.close();
  }

  #checkHeads(): void {
    const now = this.#deps.clock.now();
    for (const connection of [...this.#connections]) connection.checkHead(now);
  }

  #accept(): void {
    const listen = Bun.listen as unknown as ListenByFd;
    const onOpen = (socket: FrontSocket) => this.#onOpen(socket);
    this.#accepting = listen({ fd: duplicate(this.#fd), allowHalfOpen: true, socket: handlersFor(onOpen) });
    // Bun listens anew with a backlog of its own.
    setBacklog(this.#fd, this.#options.backlog);
  }

  #pauseAccepting(): void {
    this.#accepting?.stop();
    this.#accepting = undefined;
  }

  #onOpen(socket: FrontSocket): Connection {
    const connection = new Connection(socket, this.#deps);
    this.#connections.add(connection);
    if (this.#connections.size >= this.#options.maxConnections) {
      this.#deps.log.warn("max_connections reached: new connections wait in the backlog", {
        max_connections: this.#options.maxConnections,
      });
      this.#pauseAccepting();
    }
    return connection;
  }

  #onClosed(connection: Connection): void {
    const wasFull = this.#accepting === undefined && this.#connections.size >= this.#options.maxConnections;
    this.#connections.delete(connection);
    if (wasFull) this.#accept();
  }
}

function handlersFor(onOpen: (socket: FrontSocket) => Connection) {
  return {
    open(socket: FrontSocket) {
      socket.data = onOpen(socket);
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
    error(_socket: FrontSocket, error: Error) {
      throw error;
    },
  };
}

/**
 * Binds at a temporary name and moves the socket to its path when owner and mode are right: nobody can connect
 * before, and a stale file is replaced in one step. A socket that somebody answers on is an error.
 */
function bindUnix(path: string, options: ListenOptions): number {
  refuseLive(path);
  const temporary = `${path}.${process.pid}`;
  let fd: number | undefined;
  try {
    fd = listenUnix(temporary, options.backlog);
    if (options.uid !== undefined || options.gid !== undefined) {
      chownSync(temporary, options.uid ?? -1, options.gid ?? -1);
    }
    chmodSync(temporary, options.mode);
    renameSync(temporary, path);
    return fd;
  } catch (error) {
    if (fd !== undefined) {
      closeFd(fd);
      unlinkSync(temporary);
    }
    throw new FpmError("LISTEN_FAILED", "daemon", `Cannot listen on ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function refuseLive(path: string): void {
  let isSocket: boolean;
  try {
    isSocket = lstatSync(path).isSocket();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw new FpmError("LISTEN_FAILED", "daemon", `Cannot listen on ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (!isSocket) {
    throw new FpmError(
      "LISTEN_FAILED",
      "daemon",
      `Cannot listen on ${path}: a file that is not a socket is there.`,
    );
  }
  const connected = connectUnix(path);
  if (connected.kind === "connected") closeFd(connected.fd);
  if (connected.kind === "refused") return;
  const what = `Cannot listen on ${path}: another process answers there. Stop it, or set another \`listen\`.`;
  throw new FpmError("LISTEN_IN_USE", "daemon", what);
}

/** A TCP socket bound by Bun and kept as a descriptor of our own. */
function bindTcp(address: ListenAddress & { kind: "tcp" }): number {
  const where = `${address.host}:${address.port}`;
  try {
    const bound = Bun.listen({
      hostname: address.host,
      port: address.port,
      socket: { data() {} },
    }) as TCPSocketListener & { readonly fd: number };
    const fd = duplicate(bound.fd);
    bound.stop();
    return fd;
  } catch (error) {
    const inUse = errnoOf(error) === "EADDRINUSE";
    const code = inUse ? "LISTEN_IN_USE" : "LISTEN_FAILED";
    throw new FpmError(code, "daemon", `Cannot listen on ${where}: ${messageOf(error)}`, { cause: error });
  }
}

function fileIdentity(path: string): string | undefined {
  try {
    const { dev, ino } = lstatSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
