import { writeSync } from "node:fs";
import type { PipeCalls } from "../../src/backend/pipes.ts";
import type { Clock, Timer } from "../../src/base/clock.ts";
import { errnoOf } from "../../src/base/errors.ts";
import { closeFd, hasRoom, hasSomething, setNonBlocking } from "../../src/base/libc.ts";
import { readInto } from "../../src/base/raw-io.ts";

/** Who has the other ends in tests: this process. */
export const OURS = { key: "a test", owner: "us", uid: process.getuid?.() };

/** Makes every call at once, and looks again and again by a clock for what is waited for. */
export function directPipes(clock: Clock, everyMs = 1): PipeCalls {
  const waits = new Map<number, Timer>();
  const wait = (fd: number, isReady: () => boolean, onReady: () => void) => {
    if (isReady()) onReady();
    else
      waits.set(
        fd,
        clock.after(everyMs, () => wait(fd, isReady, onReady)),
      );
  };
  return {
    admits: () => true,
    awaitBytes: (fd, onReady) => wait(fd, () => hasSomething(fd), onReady),
    awaitRoom: (fd, onReady) => wait(fd, () => hasRoom(fd), onReady),
    forget: (fd) => waits.get(fd)?.cancel(),
    read(fd, _holder, onRead) {
      const bytes = new Uint8Array(64 * 1024);
      setNonBlocking(fd);
      const length = readInto(fd, bytes);
      onRead(length > 0 ? bytes.subarray(0, length) : length === 0 ? "end" : "later");
    },
    write(fd, _holder, bytes, onTaken) {
      setNonBlocking(fd);
      try {
        onTaken(writeSync(fd, bytes));
      } catch (error) {
        onTaken(errnoOf(error) === "EAGAIN" ? 0 : "gone");
      }
    },
    close(fd) {
      waits.get(fd)?.cancel();
      closeFd(fd);
    },
  };
}
