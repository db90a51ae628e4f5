import { expect, test } from "bun:test";
import { beginningOfText } from "../../src/base/bounded-read.ts";
import { commandLineOf, commandLinesOf } from "../../src/cli/command-lines.ts";
import { waitUntil } from "../support/wait-until.ts";

test("the command lines of strangers are those of anybody, as far as they can be read", async () => {
  const job = Bun.spawn(["/bin/sleep", "1000"]);
  try {
    await waitUntil("it is executed", () => beginningOfText(`/proc/${job.pid}/cmdline`).includes("1000"));
    expect(commandLineOf(job.pid)).toEqual(["/bin/sleep", "1000", ""]);
    // Twice: a socket may have several names. None has pid 0.
    expect(await commandLinesOf([job.pid, 0, job.pid])).toEqual(
      new Map([
        [job.pid, ["/bin/sleep", "1000", ""]],
        [0, [""]],
      ]),
    );
    expect(await commandLinesOf([])).toEqual(new Map());
  } finally {
    job.kill("SIGKILL");
    await job.exited;
  }
});
