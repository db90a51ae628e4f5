import { expect, test } from "bun:test";
import { resolve } from "node:path";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { startSite } from "../support/site.ts";

const CLIENTS = 200;
const BOOT_MS = 150;
const SERVICE_MS = 5;

/** Many clients at once on a program that no process runs of: how long the slowest but one percent wait, and what was started. */
async function burst(policy: "learned" | "spawn-at-once") {
  await using site = await startSite({
    lab: ["slow-boot.fcgi"],
    programEnv: { LAB_BOOT_MS: String(BOOT_MS) },
    level: "info",
    command: [process.execPath, resolve("test/support/daemon-with-policy.ts"), policy],
  });
  const waits = await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      const started = performance.now();
      using connection = await connectFcgi(site.fpm.socket);
      const params = { QUERY_STRING: `op=sleep&ms=${SERVICE_MS}` };
      const { stdout } = await connection.request(`${site.root}/slow-boot.fcgi`, { params });
      expect(stdout).toStartWith("Content-Type: ");
      return performance.now() - started;
    }),
  );
  const p99 = Math.round(waits.sort((a, b) => a - b)[Math.floor(CLIENTS * 0.99)] as number);
  return { p99, started: site.fpm.log().split(" info started ").length - 1 };
}

test(`${CLIENTS} clients at once on a cold program wait less than with a process for each, and fewer are started`, async () => {
  const ours = await burst("learned");
  const others = await burst("spawn-at-once");
  process.stdout.write(`${describe(ours)}; with a process for each ${describe(others)}\n`);
  expect(others.started).toBeGreaterThan(CLIENTS / 2);
  expect(ours.started).toBeLessThan(others.started);
  expect(ours.p99).toBeLessThan(others.p99);
});

function describe({ p99, started }: { p99: number; started: number }): string {
  return `p99 ${p99} ms, ${started} processes`;
}
