import { FFIType, type Pointer, ptr, read } from "bun:ffi";
import { readdirSync } from "node:fs";
import { cLibrary } from "./c-library.ts";
import { descriptorLimit, noteDescriptor } from "./descriptor-limit.ts";
import { FpmError } from "./errors.ts";
import { noDescriptors } from "./shortage.ts";
import { MAX_SOCKET_PATH_BYTES } from "./socket-path.ts";

/** What Bun has no call for. x86-64 and arm64 Linux agree on every number here. */
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SHUT_RDWR = 2;
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_SNDBUF = 7;
const SO_PEERCRED = 17;
const SO_RCVTIMEO = 20;
const SO_ACCEPTCONN = 30;
const SO_PASSRIGHTS = 83;
const AF_INET = 2;
const AF_INET6 = 10;
const O_CLOEXEC = 0o2000000;
const F_SETFD = 2;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;
const FD_CLOEXEC = 1;
const F_DUPFD_CLOEXEC = 1030;
const SIOCOUTQ = 0x5411;
const PR_SET_CHILD_SUBREAPER = 36;
const LOCK_EX_NB = 2 | 4;
const OWNER_ONLY = 0o600;
const POLLIN = 1;
const POLLOUT = 4;
const POLLERR = 8;
const POLLHUP = 16;

export const EINTR = 4;
export const EIO = 5;
export const EAGAIN = 11;
const ENFILE = 23;
const EMFILE = 24;

const { i32, u32, u64, ptr: pointer } = FFIType;
const libc = cLibrary({
  __errno_location: { args: [], returns: pointer },
  strerror: { args: [i32], returns: FFIType.cstring },
  socket: { args: [i32, i32, i32], returns: i32 },
  bind: { args: [i32, pointer, u32], returns: i32 },
  fchmod: { args: [i32, u32], returns: i32 },
  listen: { args: [i32, i32], returns: i32 },
  connect: { args: [i32, pointer, u32], returns: i32 },
  accept4: { args: [i32, pointer, pointer, i32], returns: i32 },
  close: { args: [i32], returns: i32 },
  shutdown: { args: [i32, i32], returns: i32 },
  fcntl: { args: [i32, i32, i32], returns: i32 },
  ioctl: { args: [i32, u64, pointer], returns: i32 },
  poll: { args: [pointer, u64, i32], returns: i32 },
  pipe2: { args: [pointer, i32], returns: i32 },
  setsockopt: { args: [i32, i32, i32, pointer, u32], returns: i32 },
  getsockopt: { args: [i32, i32, i32, pointer, pointer], returns: i32 },
  getsockname: { args: [i32, pointer, pointer], returns: i32 },
  prctl: { args: [i32, u64, u64, u64, u64], returns: i32 },
  flock: { args: [i32, i32], returns: i32 },
});

const OFF = new Int32Array(1);

/** What connect(2) to a Unix socket came to. */
export type Connected =
  | { readonly kind: "connected"; readonly fd: number }
  /** The socket's backlog is full (EAGAIN). */
  | { readonly kind: "full" }
  /** There is no descriptor for it. */
  | { readonly kind: "no descriptors" }
  /** Nobody listens there, with the reason. */
  | { readonly kind: "refused"; readonly reason: string };

/**
 * A blocking Unix socket, bound to `path` and listening; nobody else may connect (mode 0600, until changed).
 * @throws FpmError SYSTEM_CALL.
 */
export function listenUnix(path: string, backlog: number): number {
  const fd = check("socket", libc().socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), path);
  try {
    const address = socketAddress(path);
    // The file gets the socket's own mode, less the umask: nobody else's umask is touched, as all threads may have the same.
    check("fchmod", libc().fchmod(fd, OWNER_ONLY), path);
    check("bind", libc().bind(fd, ptr(address), address.length), path);
    check("listen", libc().listen(fd, backlog), path);
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** listen(2) again, for another backlog than Bun sets on a socket it adopts. */
export function setBacklog(fd: number, backlog: number): void {
  check("listen", libc().listen(fd, backlog), `descriptor ${fd}`);
}

/** A socket that closes on exec and belongs to the caller; undefined where there is none, as when descriptors have run out. */
export function openSocket(family: number, type: number, protocol = 0): number | undefined {
  const fd = libc().socket(family, type | SOCK_CLOEXEC, protocol);
  noteDescriptor(fd);
  return fd < 0 ? undefined : fd;
}

/** The number that the next descriptor gets: they are given out from below. Undefined when none is left. */
export function nextDescriptor(): number | undefined {
  const fd = anotherDescriptor();
  if (fd !== undefined) closeFd(fd);
  return fd;
}

/** One that stands for nothing new, which is the cheapest: the runtime sees to it that there is a descriptor 0. */
function anotherDescriptor(): number | undefined {
  const fd = libc().fcntl(0, F_DUPFD_CLOEXEC, 0);
  noteDescriptor(fd);
  return fd < 0 ? undefined : fd;
}

/** It stays as it is while this process lives. */
let knownLimit: number | undefined;

/** Whether so many more descriptors are to be had. They are given out from below: below half of the limit nobody need count. */
export function hasDescriptors(count: number): boolean {
  knownLimit ??= descriptorLimit();
  const fds: number[] = [];
  let isEnough = false;
  while (!isEnough) {
    const fd = anotherDescriptor();
    if (fd === undefined) break;
    fds.push(fd);
    isEnough = fds.length === count || 2 * fd < knownLimit;
  }
  for (const fd of fds) closeFd(fd);
  return isEnough;
}

/** Connects to a Unix socket without waiting; the descriptor is non-blocking and belongs to the caller. */
export function connectUnix(path: string): Connected {
  const address = socketAddress(path);
  const fd = openSocket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK);
  if (fd === undefined) return { kind: "no descriptors" };
  refuseDescriptors(fd);
  if (libc().connect(fd, ptr(address), address.length) === 0) return { kind: "connected", fd };
  const errno = lastErrno();
  closeFd(fd);
  return errno === EAGAIN ? { kind: "full" } : { kind: "refused", reason: errorText(errno) };
}

/**
 * Nobody can send descriptors along on this Unix socket, or on those that are accepted there (SO_PASSRIGHTS; Linux 6.16, false before). Closed by
 * whoever reads, such as the runtime, one can take long: a TCP socket waits as its SO_LINGER says.
 */
export function refuseDescriptors(fd: number): boolean {
  return libc().setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, ptr(OFF), OFF.byteLength) === 0;
}

/** The listening Unix socket of ours that is bound to `path`, as the runtime does not tell; undefined: there is none. */
export function listeningOn(path: string): number | undefined {
  for (const name of readdirSync("/proc/self/fd")) {
    const fd = Number(name);
    const bound = isListening(fd) ? boundAddress(fd) : undefined;
    if (bound && "path" in bound && bound.path === path) return fd;
  }
  return undefined;
}

/**
 * Closes a connection, as its other end sees at once: also while a process that is just being started still has a copy of the descriptor, between its
 * fork and its exec.
 */
export function endConnection(fd: number): void {
  libc().shutdown(fd, SHUT_RDWR);
  closeFd(fd);
}

/** Closes a descriptor that Bun does not own. */
export function closeFd(fd: number): void {
  libc().close(fd);
}

/** Another descriptor of the same open file; closes on exec. */
export function duplicate(fd: number): number {
  const copy = check("fcntl", libc().fcntl(fd, F_DUPFD_CLOEXEC, 0), `descriptor ${fd}`);
  noteDescriptor(copy);
  return copy;
}

/** A descriptor that was inherited is not passed on to children. */
export function closeOnExec(fd: number): void {
  check("fcntl", libc().fcntl(fd, F_SETFD, FD_CLOEXEC), `descriptor ${fd}`);
}

/** Bytes that a socket's other end has not taken yet (SIOCOUTQ, unix(7), tcp(7)). */
export function unsentBytes(fd: number): number {
  const count = new Int32Array(1);
  return libc().ioctl(fd, SIOCOUTQ, ptr(count)) === 0 ? (count[0] as number) : 0;
}

/** Whether a connection waits on a listening socket that nobody has accepted. */
export function hasUnaccepted(listenFd: number): boolean {
  return isReadable(listenFd);
}

/**
 * Accepts a connection that waits on a blocking listening socket, which others may hold and accept on; undefined when somebody was faster. Waits
 * for no longer than the kernel's shortest timeout, 8 ms at most, and only in that case. Whoever sits in accept() there is not disturbed.
 */
export function acceptNow(listenFd: number): number | undefined {
  const timeval = new BigInt64Array([0n, 1n]);
  libc().setsockopt(listenFd, SOL_SOCKET, SO_RCVTIMEO, ptr(timeval), timeval.byteLength);
  const fd = libc().accept4(listenFd, null, null, SOCK_CLOEXEC | SOCK_NONBLOCK);
  timeval.fill(0n);
  libc().setsockopt(listenFd, SOL_SOCKET, SO_RCVTIMEO, ptr(timeval), timeval.byteLength);
  return fd < 0 ? undefined : fd;
}

/** Whether bytes, or a connection, wait on a descriptor; the end alone does not count. */
export function isReadable(fd: number): boolean {
  return (pollNow(fd, POLLIN) & POLLIN) !== 0;
}

/** Whether the other end of a Unix socket has closed it in both directions. */
export function isHungUp(fd: number): boolean {
  return (pollNow(fd, 0) & POLLHUP) !== 0;
}

/** Whether there is something to read, or the end of it; never waits, also where somebody holds the lock of a pipe. */
export function hasSomething(fd: number): boolean {
  return pollNow(fd, POLLIN) !== 0;
}

/** Whether a pipe takes something, or nobody reads it any more; never waits, either. */
export function hasRoom(fd: number): boolean {
  return pollNow(fd, POLLOUT) !== 0;
}

/** Whether nobody has the other end of a pipe open any more. */
export function isAbandoned(fd: number): boolean {
  return (pollNow(fd, 0) & (POLLHUP | POLLERR)) !== 0;
}

/** Whether nothing is left in a pipe, and nobody holds its other end any more. */
export function isDrained(fd: number): boolean {
  return (pollNow(fd, POLLIN) & (POLLIN | POLLHUP)) === POLLHUP;
}

export interface Pipe {
  readonly readFd: number;
  readonly writeFd: number;
}

/** A pipe; both ends close on exec. */
export function openPipe(): Pipe {
  const fds = new Int32Array(2);
  check("pipe2", libc().pipe2(ptr(fds), O_CLOEXEC), "a pipe");
  noteDescriptor(fds[1] as number);
  return { readFd: fds[0] as number, writeFd: fds[1] as number };
}

/** Reads and writes on this descriptor's open file wait no more: EAGAIN tells. */
export function setNonBlocking(fd: number): void {
  check("fcntl", libc().fcntl(fd, F_SETFL, O_NONBLOCK), `descriptor ${fd}`);
}

/** Asks for a larger send buffer; the kernel gives what net.core.wmem_max allows. */
export function setSendBuffer(fd: number, bytes: number): void {
  const value = new Int32Array([bytes]);
  libc().setsockopt(fd, SOL_SOCKET, SO_SNDBUF, ptr(value), 4);
}

/** The user at the other end of a Unix socket, as it was when it connected (unix(7)); undefined for other sockets. */
export function peerUid(fd: number): number | undefined {
  // struct ucred: pid, uid, gid.
  const credentials = new Uint32Array(3);
  const length = new Uint32Array([12]);
  const result = libc().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ptr(credentials), ptr(length));
  return result === 0 ? credentials[1] : undefined;
}

/** Whether a descriptor is a socket that listens. */
export function isListening(fd: number): boolean {
  return socketOption(fd, SO_ACCEPTCONN) === 1;
}

/** Whether a descriptor is a socket of a stream of bytes, as ListenStream= makes them; others listen, too. */
export function isStream(fd: number): boolean {
  return socketOption(fd, SO_TYPE) === SOCK_STREAM;
}

function socketOption(fd: number, option: number): number | undefined {
  const value = new Int32Array(1);
  const length = new Uint32Array([4]);
  return libc().getsockopt(fd, SOL_SOCKET, option, ptr(value), ptr(length)) === 0 ? value[0] : undefined;
}

/** The address a socket is bound to: a path, or host and port; undefined for others, such as an abstract name. */
export function boundAddress(fd: number): { path: string } | { host: string; port: number } | undefined {
  const address = new Uint8Array(128);
  const length = new Uint32Array([address.length]);
  if (libc().getsockname(fd, ptr(address), ptr(length)) !== 0) return undefined;
  const view = new DataView(address.buffer);
  const family = view.getUint16(0, true);
  if (family === AF_INET) return { host: address.subarray(4, 8).join("."), port: view.getUint16(2) };
  if (family === AF_INET6) {
    const groups = Array.from({ length: 8 }, (_, group) => view.getUint16(8 + 2 * group).toString(16));
    return { host: groups.join(":"), port: view.getUint16(2) };
  }
  const path = new TextDecoder().decode(address.subarray(2, length[0])).replace(/\0.*$/s, "");
  return family === AF_UNIX && path.startsWith("/") ? { path } : undefined;
}

/** What descendants leave behind becomes a child of this process (PR_SET_CHILD_SUBREAPER, prctl(2)). */
export function adoptOrphans(): void {
  libc().prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

/** Takes the exclusive lock of an open file; false when another process has it. It ends with the descriptor. */
export function tryLock(fd: number): boolean {
  return libc().flock(fd, LOCK_EX_NB) === 0;
}

const pollEntry = new DataView(new ArrayBuffer(8));

/** poll(2) of one descriptor without waiting; the events that are there. */
function pollNow(fd: number, events: number): number {
  pollEntry.setInt32(0, fd, true);
  pollEntry.setInt16(4, events, true);
  pollEntry.setInt16(6, 0, true);
  libc().poll(ptr(pollEntry), 1, 0);
  return pollEntry.getInt16(6, true);
}

function socketAddress(path: string): Uint8Array {
  const bytes = new TextEncoder().encode(path);
  if (bytes.length > MAX_SOCKET_PATH_BYTES) {
    throw new FpmError(
      "SYSTEM_CALL",
      "daemon",
      `${path} has ${bytes.length} bytes; the path of a Unix socket has at most ${MAX_SOCKET_PATH_BYTES}.`,
    );
  }
  const address = new Uint8Array(2 + bytes.length + 1);
  address[0] = AF_UNIX;
  address.set(bytes, 2);
  return address;
}

/** Why the call before has failed that this thread has made. */
export function lastErrno(): number {
  return read.i32(libc().__errno_location() as Pointer, 0);
}

function errorText(errno: number): string {
  return String(libc().strerror(errno));
}

function check(call: string, result: number, subject: string): number {
  if (result >= 0) return result;
  const errno = lastErrno();
  const what = `${call} failed for ${subject}`;
  if (errno === EMFILE || errno === ENFILE) throw noDescriptors(what);
  throw new FpmError("SYSTEM_CALL", "daemon", `${what}: ${errorText(errno)}.`);
}
