import { FFIType, ptr } from "bun:ffi";
import { cLibrary } from "./c-library.ts";
import { EINTR, lastErrno } from "./libc.ts";

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLONESHOT = 1 << 30;
/** struct epoll_event has no gap on x86-64 (linux/eventpoll.h). */
const isPacked = process.arch === "x64";
const EVENT_BYTES = isPacked ? 12 : 16;
const DATA_AT = isPacked ? 4 : 8;
const MOST_EVENTS = 64;

/** What is waited for; that the other end has gone is always told. */
export const EPOLLIN = 1;
export const EPOLLOUT = 4;
/** Of no wait: whoever waits for events is to end. */
export const END_SERIAL = 0;

const { i32, ptr: pointer } = FFIType;
const libc = cLibrary({
  epoll_create1: { args: [i32], returns: i32 },
  epoll_ctl: { args: [i32, i32, i32, pointer], returns: i32 },
  epoll_wait: { args: [i32, pointer, i32, i32], returns: i32 },
});

/** An event that was waited for: on this descriptor, by the wait of this number. */
export type EpollEvent = readonly [fd: number, serial: number];

const entry = new DataView(new ArrayBuffer(EVENT_BYTES));

/** A descriptor that waits for others (epoll(7)); closes on exec. Below 0: there is none. */
export function createEpoll(): number {
  return libc().epoll_create1(EPOLL_CLOEXEC);
}

/** Waits on a descriptor for one event, once: `serial`, 32 bits, says which wait it was. False where the kernel takes no more. */
export function addTo(epoll: number, fd: number, events: number, serial: number): boolean {
  entry.setUint32(0, events | EPOLLONESHOT, true);
  entry.setInt32(DATA_AT, fd, true);
  entry.setUint32(DATA_AT + 4, serial, true);
  return libc().epoll_ctl(epoll, EPOLL_CTL_ADD, fd, ptr(entry)) === 0;
}

/** Waits on this descriptor no more. */
export function removeFrom(epoll: number, fd: number): void {
  libc().epoll_ctl(epoll, EPOLL_CTL_DEL, fd, ptr(entry));
}

/** Blocks the thread until there are events; none where a signal came in between. @throws Error with the errno. */
export function waitOn(epoll: number): EpollEvent[] {
  const events = new DataView(new ArrayBuffer(EVENT_BYTES * MOST_EVENTS));
  const count = libc().epoll_wait(epoll, ptr(events), MOST_EVENTS, -1);
  const errno = count < 0 ? lastErrno() : 0;
  if (errno !== 0 && errno !== EINTR) throw new Error(`epoll_wait failed: errno ${errno}`);
  return Array.from({ length: Math.max(0, count) }, (_, i) => {
    const at = i * EVENT_BYTES + DATA_AT;
    return [events.getInt32(at, true), events.getUint32(at + 4, true)] as const;
  });
}
