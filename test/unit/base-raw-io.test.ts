import { expect, test } from "bun:test";
import { writeSync } from "node:fs";
import { closeFd, openPipe, setNonBlocking } from "../../src/base/libc.ts";
import { addressOf, copyOf, readInto, writeFrom } from "../../src/base/raw-io.ts";

const EAGAIN = 11;
const EBADF = 9;

test.each([1, 500, 1000, 5000])(
  "%d bytes stay where they are said to be, whatever is done with the array",
  (length) => {
    const bytes = new Uint8Array(length).fill(65);
    const at = addressOf(bytes);
    const part = bytes.subarray(0, 1);
    expect([addressOf(part), addressOf(bytes)]).toEqual([at, at]);
    const others = Array.from({ length: 2000 }, () => new Uint8Array(length).fill(90));
    Bun.gc(true);
    expect(copyOf(at, length)).toEqual(new Uint8Array(length).fill(65));
    expect([others.length, bytes.length]).toEqual([2000, length]);
  },
);

test("bytes are read and written, and errors are told by their numbers", () => {
  const { readFd, writeFd } = openPipe();
  setNonBlocking(readFd);
  const bytes = new Uint8Array(10);
  expect(readInto(readFd, bytes)).toBe(-EAGAIN);
  // None is written: no error of before is told again.
  expect(writeFrom(writeFd, addressOf(bytes), 0)).toBe(0);
  writeSync(writeFd, "abc");
  expect(readInto(readFd, bytes)).toBe(3);
  expect(writeFrom(writeFd, addressOf(bytes), 2)).toBe(2);
  expect([readInto(readFd, bytes), [...bytes.subarray(0, 2)]]).toEqual([2, [97, 98]]);
  closeFd(writeFd);
  expect(readInto(readFd, bytes)).toBe(0);
  closeFd(readFd);
  expect(readInto(-1, bytes)).toBe(-EBADF);
  expect(copyOf(addressOf(bytes), 0)).toEqual(new Uint8Array(0));
});
