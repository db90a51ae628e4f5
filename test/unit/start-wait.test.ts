import { describe, expect, test } from "bun:test";
import { posixSpawn } from "../../src/start/posix-spawn.ts";
import { endedChild, waitFor } from "../../src/start/wait.ts";
import { waitUntil } from "../support/wait-until.ts";

/** Computes for some time, in a child of its own and by itself, and ends with status 3. */
const BUSY = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";

function start(script: string): number {
  return posixSpawn({ argv: ["/bin/sh", "-c", script], env: [], cwd: "/", stdio: [0, 1, 2] });
}

async function ended(pid: number) {
  await waitUntil("it has ended", () => waitFor(pid, false) !== "alive");
  return waitFor(pid, false);
}

describe("a child's end", () => {
  test("is told with its status and the CPU time that it has used, until it was waited for", async () => {
    const pid = start(`${BUSY}; exit 3`);
    expect(waitFor(pid, false)).toBe("alive");
    const found = await ended(pid);
    expect(found).toEqual({ code: 3, signal: null, cpuMs: expect.any(Number) });
    expect(endedChild()).toBe(pid);
    expect(waitFor(pid, true)).toEqual(found);
    expect(waitFor(pid, true)).toBe("unknown");
    expect(endedChild()).toBeUndefined();
  });

  test("counts the CPU time of those that it has waited for itself", async () => {
    const idle = await ended(start("exit 0"));
    const busy = await ended(start(`sh -c '${BUSY}'; sh -c '${BUSY}'; exit 0`));
    const cpuMs = (waited: typeof idle) =>
      typeof waited === "string" ? Number.NaN : (waited.cpuMs ?? Number.NaN);
    expect(cpuMs(busy)).toBeGreaterThan(cpuMs(idle) + 20);
    for (let pid = endedChild(); pid !== undefined; pid = endedChild()) waitFor(pid, true);
  });

  test("by a signal has that signal's name", async () => {
    const pid = start("kill -KILL $$");
    expect(await ended(pid)).toEqual({ code: null, signal: "SIGKILL", cpuMs: expect.any(Number) });
    waitFor(pid, true);
  });
});
