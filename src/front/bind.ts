import { chmodSync, chownSync, lstatSync, unlinkSync } from "node:fs";
import type { TCPSocketListener } from "bun";
import { errnoOf, FpmError, messageOf } from "../base/errors.ts";
import { closeFd, connectUnix, duplicate, listenUnix } from "../base/libc.ts";
import type { ListenAddress } from "../config/config.ts";

/** Who may connect to a Unix socket, and how many may wait. */
export interface BindOptions {
  readonly mode: number;
  /** undefined leaves it as it is. */
  readonly uid: number | undefined;
  readonly gid: number | undefined;
  readonly backlog: number;
}

/** A listening socket of our own. */
export interface BoundSocket {
  readonly fd: number;
  /** Removes its file, if that is still the one we made: nobody can connect any more. */
  unlink(): void;
}

/** @throws FpmError LISTEN_IN_USE, LISTEN_FAILED. */
export function bindSocket(address: ListenAddress, options: BindOptions): BoundSocket {
  if (address.kind === "unix") return bindUnix(address.path, options);
  const fd = bindTcp(address.host, address.port);
  return { fd, unlink() {} };
}

/**
 * A socket whose file is stale is taken over, one that somebody answers on is an error. Between bind and chmod the
 * file has mode 0600 and belongs to us: there is no moment in which others could connect.
 */
function bindUnix(path: string, options: BindOptions): BoundSocket {
  removeStale(path);
  let fd: number | undefined;
  try {
    fd = listenUnix(path, options.backlog);
    chownSync(path, options.uid ?? -1, options.gid ?? -1);
    chmodSync(path, options.mode);
    return ownSocket(fd, path);
  } catch (error) {
    if (fd !== undefined) {
      closeFd(fd);
      unlinkSync(path);
    }
    throw listenFailed(path, error);
  }
}

function ownSocket(fd: number, path: string): BoundSocket {
  const file = fileIdentity(path);
  return {
    fd,
    unlink() {
      if (file !== undefined && file === fileIdentity(path)) unlinkSync(path);
    },
  };
}

function removeStale(path: string): void {
  let isSocket: boolean;
  try {
    isSocket = lstatSync(path).isSocket();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw listenFailed(path, error);
  }
  if (!isSocket) throw listenFailed(path, "a file that is not a socket is there.");
  const connected = connectUnix(path);
  if (connected.kind === "connected") closeFd(connected.fd);
  if (connected.kind !== "refused") throw inUse(path);
  unlinkSync(path);
}

/** A TCP socket bound by Bun and kept as a descriptor of our own. */
function bindTcp(host: string, port: number): number {
  try {
    const bound = Bun.listen({ hostname: host, port, socket: { data() {} } }) as TCPSocketListener & {
      readonly fd: number;
    };
    const fd = duplicate(bound.fd);
    bound.stop();
    return fd;
  } catch (error) {
    throw errnoOf(error) === "EADDRINUSE" ? inUse(`${host}:${port}`) : listenFailed(`${host}:${port}`, error);
  }
}

function inUse(where: string): FpmError {
  const what = `Cannot listen on ${where}: another process answers there. Stop it, or set another \`listen\`.`;
  return new FpmError("LISTEN_IN_USE", "daemon", what);
}

function listenFailed(where: string, cause: unknown): FpmError {
  return new FpmError("LISTEN_FAILED", "daemon", `Cannot listen on ${where}: ${messageOf(cause)}`, { cause });
}

/** Device and inode. */
function fileIdentity(path: string): string | undefined {
  try {
    const { dev, ino } = lstatSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
