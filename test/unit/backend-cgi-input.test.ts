import { expect, test } from "bun:test";
import { readSync } from "node:fs";
import { CgiInput } from "../../src/backend/cgi-input.ts";
import { ByteBudget } from "../../src/base/byte-budget.ts";
import { closeFd, openPipe } from "../../src/base/libc.ts";
import { encodeRecord } from "../../src/fcgi/encoder.ts";
import { FCGI_STDIN } from "../../src/fcgi/protocol.ts";
import { directPipes, OURS } from "../support/direct-pipes.ts";
import { FakeClock } from "../support/fake-clock.ts";

const PIPE_BYTES = 64 * 1024;

test("what a CGI process had to be sent later is told when it was taken, but not once the request is over", () => {
  for (const isOver of [false, true]) {
    const { readFd, writeFd } = openPipe();
    const clock = new FakeClock();
    let drains = 0;
    const buffers = new ByteBudget(2 ** 30);
    const input = new CgiInput(writeFd, OURS, directPipes(clock), buffers, clock, () => void drains++);
    input.share();
    for (const content of [
      new Uint8Array(PIPE_BYTES - 1),
      new Uint8Array(PIPE_BYTES - 1),
      new Uint8Array(0),
    ]) {
      const record = encodeRecord(FCGI_STDIN, 1, content);
      input.write(record, 0, record.length);
    }
    const before = drains;
    expect(input.waiting).toBeGreaterThan(0);
    if (isOver) input.leave();
    for (let i = 0; i < 4 && input.waiting > 0; i++) {
      readSync(readFd, new Uint8Array(2 * PIPE_BYTES));
      clock.advance(16);
    }
    expect([input.waiting, input.isClosed, drains - before]).toEqual([0, true, isOver ? 0 : 1]);
    closeFd(readFd);
  }
});
