import { lstatSync, unlinkSync } from "node:fs";
import type { TCPSocketListener } from "bun";
import { errnoOf } from "../base/errors.ts";
import { fileIdentity } from "../base/file-identity.ts";
import { closeFd, duplicate, listenUnix } from "../base/libc.ts";
import type { ListenAddress } from "../config/config.ts";
import { checkUnanswered, inUse, isSocketAt, listenFailed } from "./socket-file.ts";
import { renewPermissions as renew, type SocketPermissions, setPermissions } from "./socket-permissions.ts";

type UnixAddress = Extract<ListenAddress, { kind: "unix" }>;

/** Who may connect to a Unix socket, and how many may wait. */
export interface BindOptions extends SocketPermissions {
  readonly backlog: number;
}

/** A listening socket of ours. */
export interface BoundSocket {
  readonly address: ListenAddress;
  readonly fd: number;
  /** Device and inode of the file of a Unix socket; undefined where it is not known, as of one that systemd made in a place we do not see. */
  readonly file: string | undefined;
  /** Somebody else made it and goes on to own it, such as systemd: its file and permissions are none of our business. */
  readonly isForeign: boolean;
}

/** What an address comes from. */
const SETTING = "listen";

/** @throws FpmError LISTEN_IN_USE, LISTEN_FAILED. */
export function bindSocket(address: ListenAddress, options: BindOptions): BoundSocket {
  if (address.kind === "unix") return bindUnix(address, options);
  return { address, fd: bindTcp(address.host, address.port), file: undefined, isForeign: false };
}

/** Gives the file of a Unix socket the owner and mode that hold now. @throws FpmError LISTEN_FAILED. */
export function renewPermissions({ address, file, isForeign }: BoundSocket, options: BindOptions): void {
  if (address.kind !== "unix" || isForeign || file === undefined) return;
  try {
    renew(address.path, file, options);
  } catch (error) {
    throw listenFailed(address.path, error);
  }
}

/** Whether who connects to its address still comes to this socket: nobody has removed or replaced its file. */
export function isReachable({ address, file, isForeign }: BoundSocket): boolean {
  return isForeign || address.kind !== "unix" || (file !== undefined && file === fileIdentity(address.path));
}

/** Whether its file, which was there, has been removed or replaced: who connects to its address does not come here any more. */
export function hasLostFile({ address, file }: BoundSocket): boolean {
  return address.kind === "unix" && file !== undefined && file !== fileIdentity(address.path);
}

/** Removes its file, if that is still its own: nobody can connect any more. */
export function unlinkSocket(socket: BoundSocket): void {
  if (socket.address.kind !== "unix" || socket.isForeign || !isReachable(socket)) return;
  try {
    unlinkSync(socket.address.path);
  } catch {
    // The folder may not be ours any more. The file is stale then: the next start takes it over, or says why not.
  }
}

/**
 * A socket whose file is stale is taken over, one that somebody answers on is an error. Between bind and chmod the
 * file has mode 0600 and belongs to us: there is no moment in which others could connect.
 */
function bindUnix(address: UnixAddress, options: BindOptions): BoundSocket {
  const { path } = address;
  if (isSocketAt(path)) {
    checkUnanswered(path, SETTING);
    unlinkSync(path);
  }
  let fd: number | undefined;
  try {
    fd = listenUnix(path, options.backlog);
    return { address, fd, file: setPermissions(path, options), isForeign: false };
  } catch (error) {
    if (fd !== undefined) {
      closeFd(fd);
      removeOwnSocket(path);
    }
    throw listenFailed(path, error);
  }
}

/** What somebody has put in its place stays. */
function removeOwnSocket(path: string): void {
  try {
    const facts = lstatSync(path);
    if (facts.isSocket() && facts.uid === process.geteuid?.()) unlinkSync(path);
  } catch {
    // It has gone, or the folder may not be ours any more: what matters is why nobody can listen.
  }
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
    throw errnoOf(error) === "EADDRINUSE"
      ? inUse(`${host}:${port}`, SETTING)
      : listenFailed(`${host}:${port}`, error);
  }
}
