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

test("while a stranger's process does not let itself be read no other thread is made, and strangers are left out", async () => {
  let made = 0;
  const makeThread = () => {
    made++;
    return new Worker(new URL("../support/slow-command-lines.ts", import.meta.url).href);
  };
  const ask = () => commandLinesOf([1000, 0], makeThread);
  expect(await ask()).toEqual(new Map([[0, ["0", ""]]]));
  for (let i = 0; i < 3; i++) expect(await ask()).toEqual(new Map());
  expect(made).toBe(1);
  await waitUntil("the first has read all, and another is made", async () => {
    await ask();
    return made === 2;
  });
  await waitUntil("that has read all", async () => (await commandLinesOf([process.pid])).size === 1);
});

test("strangers are left out where no thread can be made", async () => {
  const makeThread = () => {
    throw new Error("no tasks");
  };
  expect(await commandLinesOf([process.pid], makeThread)).toEqual(new Map());
  expect((await commandLinesOf([process.pid])).size).toBe(1);
});
