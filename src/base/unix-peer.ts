import { FFIType, ptr } from "bun:ffi";
import { cLibrary } from "./c-library.ts";
import { closeFd, openSocket } from "./libc.ts";

const AF_UNIX = 1;
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_REQUEST = 1;
const MSG_DONTWAIT = 0x40;
/** Of a message and of the answer in it, before its attributes (linux/netlink.h, linux/unix_diag.h). */
const HEADER_BYTES = 16;
const ANSWER_BYTES = 16;
const REQUEST_BYTES = HEADER_BYTES + 24;
const UDIAG_SHOW_NAME = 1;
const UDIAG_SHOW_PEER = 4;
const UDIAG_SHOW_RQLEN = 16;
const UNIX_DIAG_NAME = 0;
const UNIX_DIAG_PEER = 2;
const UNIX_DIAG_RQLEN = 4;

const { i32, i64, u64, ptr: pointer } = FFIType;
const libc = cLibrary({
  send: { args: [i32, pointer, u64, i32], returns: i64 },
  recv: { args: [i32, pointer, u64, i32], returns: i64 },
});

/**
 * The path of the socket that a connected Unix socket, given by its inode, leads to, "@" in front of an abstract one;
 * undefined where the kernel does not tell, or nobody has accepted the connection yet. Never waits (sock_diag(7)).
 */
export function unixPeerPath(inode: number): string | undefined {
  const peer = peerOf(inode);
  const name = peer === 0 ? undefined : ask(peer, UDIAG_SHOW_NAME, UNIX_DIAG_NAME);
  if (name === undefined) return undefined;
  const text = new TextDecoder().decode(new Uint8Array(name.buffer, name.byteOffset, name.byteLength));
  const path = text.startsWith("\0") ? `@${text.slice(1)}` : text.replace(/\0.*$/s, "");
  return path === "" ? undefined : path;
}

/** How many bytes the other end of a connected Unix socket, given by its inode, has not read; undefined where the kernel does not tell. */
export function unreadByPeer(inode: number): number | undefined {
  const peer = peerOf(inode);
  return peer === 0 ? undefined : queuedOn(peer);
}

/** How many connections wait to be accepted on a listening Unix socket, given by its inode; undefined where the kernel does not tell. */
export function unacceptedOn(inode: number): number | undefined {
  return queuedOn(inode);
}

/** The inode of the other end of a connected Unix socket, given by its own; 0 where there is none, or the kernel does not tell. */
export function peerOf(inode: number): number {
  const peer = ask(inode, UDIAG_SHOW_PEER, UNIX_DIAG_PEER);
  return peer?.byteLength === 4 ? peer.getUint32(0, true) : 0;
}

/** Whether a connected Unix socket, given by its inode, has no other end yet, as nobody has accepted it, or none any more; false where the kernel does not tell. */
export function hasNoPeer(inode: number): boolean {
  const peer = ask(inode, UDIAG_SHOW_PEER, UNIX_DIAG_PEER);
  return peer?.byteLength === 4 && peer.getUint32(0, true) === 0;
}

/** Whether somebody has a Unix socket, given by its inode, open; false where the kernel does not tell. */
export function isOpenSomewhere(inode: number): boolean {
  return queuedOn(inode) !== undefined;
}

/** What waits in a socket's queue: bytes that were not read, or connections that were not accepted. */
function queuedOn(inode: number): number | undefined {
  const lengths = ask(inode, UDIAG_SHOW_RQLEN, UNIX_DIAG_RQLEN);
  return lengths?.byteLength === 8 ? lengths.getUint32(0, true) : undefined;
}

/** One attribute of the socket with this inode. */
function ask(inode: number, show: number, attribute: number): DataView | undefined {
  const { send, recv } = libc();
  const fd = openSocket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG);
  if (fd === undefined) return undefined;
  const request = requestFor(inode, show);
  const answer = new DataView(new ArrayBuffer(8192));
  const sent = Number(send(fd, ptr(request), request.byteLength, MSG_DONTWAIT));
  const length =
    sent === request.byteLength ? Number(recv(fd, ptr(answer), answer.byteLength, MSG_DONTWAIT)) : 0;
  closeFd(fd);
  return length > 0 ? attributeIn(answer, Math.min(length, answer.byteLength), attribute) : undefined;
}

function requestFor(inode: number, show: number): DataView {
  const request = new DataView(new ArrayBuffer(REQUEST_BYTES));
  request.setUint32(0, REQUEST_BYTES, true);
  request.setUint16(4, SOCK_DIAG_BY_FAMILY, true);
  request.setUint16(6, NLM_F_REQUEST, true);
  request.setUint8(HEADER_BYTES, AF_UNIX);
  // All states, and whatever cookie the socket has.
  for (const at of [4, 16, 20]) request.setUint32(HEADER_BYTES + at, 0xffff_ffff, true);
  request.setUint32(HEADER_BYTES + 8, inode, true);
  request.setUint32(HEADER_BYTES + 12, show, true);
  return request;
}

function attributeIn(answer: DataView, length: number, wanted: number): DataView | undefined {
  if (length < HEADER_BYTES + ANSWER_BYTES || answer.getUint16(4, true) !== SOCK_DIAG_BY_FAMILY)
    return undefined;
  for (let at = HEADER_BYTES + ANSWER_BYTES; at + 4 <= length; ) {
    const size = answer.getUint16(at, true);
    if (size < 4 || at + size > length) return undefined;
    if (answer.getUint16(at + 2, true) === wanted) return new DataView(answer.buffer, at + 4, size - 4);
    at += (size + 3) & ~3;
  }
  return undefined;
}
