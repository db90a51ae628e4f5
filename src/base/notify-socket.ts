import { FFIType, ptr } from "bun:ffi";
import { cLibrary } from "./c-library.ts";
import { closeFd, openSocket } from "./libc.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const MSG_NOSIGNAL = 0x4000;
const MSG_DONTWAIT = 0x40;
const CLOCK_MONOTONIC = 1;

const { i32, u32, u64, ptr: pointer, i64 } = FFIType;
const libc = cLibrary({
  sendto: { args: [i32, pointer, u64, i32, pointer, u32], returns: i64 },
  clock_gettime: { args: [i32, pointer], returns: i32 },
});

/**
 * Sends a datagram to a Unix socket, given by its path or, with "@" in front, its abstract name; without waiting. False when
 * nobody takes it.
 */
export function sendDatagram(address: string, text: string): boolean {
  const fd = openSocket(AF_UNIX, SOCK_DGRAM);
  if (fd === undefined) return false;
  const name = new TextEncoder().encode(address);
  const isAbstract = address.startsWith("@");
  // sockaddr_un: the family, then the path with a NUL, or a NUL and the abstract name.
  const sockaddr = new Uint8Array(2 + name.length + (isAbstract ? 0 : 1));
  sockaddr[0] = AF_UNIX;
  sockaddr.set(name, 2);
  if (isAbstract) sockaddr[2] = 0;
  const bytes = new TextEncoder().encode(text);
  const flags = MSG_NOSIGNAL | MSG_DONTWAIT;
  const sent = libc().sendto(fd, ptr(bytes), bytes.length, flags, ptr(sockaddr), sockaddr.length);
  closeFd(fd);
  return Number(sent) === bytes.length;
}

/** CLOCK_MONOTONIC in microseconds, by which systemd goes: Bun's own clocks begin with the process (Bun 1.4.5). */
export function monotonicMicroseconds(): number {
  const time = new BigInt64Array(2);
  libc().clock_gettime(CLOCK_MONOTONIC, ptr(time));
  return Number(time[0]) * 1_000_000 + Math.floor(Number(time[1]) / 1000);
}
