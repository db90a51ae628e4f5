import { closeSync, openSync, readSync } from "node:fs";

/** More than the lines of any command that is typed. */
const TEXT_BYTES = 64 * 1024;

/**
 * Reads the beginning of a file, as much as the buffer has room for; how much that was, 0 where it cannot be read. Any process may make its files in
 * /proc as long as it likes (PR_SET_MM, prctl(2)): none of them is read whole.
 */
export function readInto(buffer: Uint8Array, path: string): number {
  let fd: number | undefined;
  let end = 0;
  try {
    fd = openSync(path, "r");
    for (let count = -1; count !== 0 && end < buffer.length; end += count)
      count = readSync(fd, buffer, end, buffer.length - end, end);
  } catch {
    // It has gone, or is somebody else's. What has come is good.
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
  return end;
}

/** The first 64 KiB of a file, a character a byte; "" where it cannot be read. */
export function beginningOfText(path: string): string {
  const buffer = Buffer.alloc(TEXT_BYTES);
  return buffer.toString("latin1", 0, readInto(buffer, path));
}
