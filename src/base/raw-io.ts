import { FFIType, type Pointer, ptr } from "bun:ffi";
import { cLibrary } from "./c-library.ts";
import { closeFd, lastErrno } from "./libc.ts";

const FIONREAD = 0x541b;
const count = new Int32Array(1);

const { i32, i64, u64, ptr: pointer } = FFIType;
const libc = cLibrary({
  read: { args: [i32, pointer, u64], returns: i64 },
  write: { args: [i32, pointer, u64], returns: i64 },
  ioctl: { args: [i32, u64, pointer], returns: i32 },
  memcpy: { args: [pointer, pointer, u64], returns: pointer },
});

/** Where the memory of an array is and stays, for another thread: whoever passes that on keeps the array until the thread has answered. */
export function addressOf(bytes: Uint8Array): number {
  // The bytes of a small array move once somebody asks for its buffer, as subarray() does (Bun 1.4.5).
  return ptr(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
}

/** read(2). Bytes, 0 at the end, -errno where it failed. */
export function readInto(fd: number, bytes: Uint8Array): number {
  const length = Number(libc().read(fd, ptr(bytes), bytes.length));
  return length < 0 ? -lastErrno() : length;
}

/** write(2) from memory that another thread keeps. Bytes, -errno where it failed. */
export function writeFrom(fd: number, address: number, length: number): number {
  const taken = Number(libc().write(fd, address as Pointer, length));
  return taken < 0 ? -lastErrno() : taken;
}

/**
 * Closes a descriptor whose pipe somebody may hold, as late as that lets it go. A child that is made in this moment, of whatever program, has the
 * descriptor as well until it executes that: it is not to be the last to close, and to wait. So its lock is waited for by a call that closes nothing; that
 * says how much is in there (FIONREAD, ioctl_pipe(2)), which nobody needs to know.
 */
export function closeHeld(fd: number): void {
  libc().ioctl(fd, FIONREAD, ptr(count));
  closeFd(fd);
}

/** A copy of memory that another thread keeps. */
export function copyOf(address: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  if (length > 0) libc().memcpy(ptr(bytes), address as Pointer, length);
  return bytes;
}
