import { expect, test } from "bun:test";
import { umaskOf, userOf } from "../../src/base/proc-stat.ts";
import { waitUntil } from "../support/wait-until.ts";

const isRoot = process.geteuid?.() === 0;

test("a process is told with whom it runs as, and which umask it has", async () => {
  expect([userOf(process.pid), umaskOf(process.pid)]).toEqual([process.getuid?.(), process.umask()]);
  expect([userOf(2 ** 30), umaskOf(2 ** 30)]).toEqual([undefined, undefined]);
  if (!isRoot) return;
  const child = Bun.spawn(["sh", "-c", "umask 027; exec setpriv --reuid=65534 sleep 100"]);
  await waitUntil("it runs as somebody else", () => userOf(child.pid) === 65_534);
  expect(umaskOf(child.pid)).toBe(0o027);
  child.kill("SIGKILL");
  await child.exited;
});
