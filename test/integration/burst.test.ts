import { expect, test } from "bun:test";
import { resolve } from "node:path";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { startSite } from "../support/site.ts";

const CLIENTS = 200;
/** Takes 150 ms to start, as programs do: some of it on the CPU, most of it waiting, and 5 ms for a request. */
const PROGRAM = `#!/usr/bin/perl
use Time::HiRes qw(time sleep);
BEGIN { $main::begun = time }
use FCGI;
use POSIX;
use Encode;
my $left = 0.15 - (time - $main::begun);
sleep $left if $left > 0;
my $request = FCGI::Request();
while ($request->Accept() >= 0) { sleep 0.005; print "Content-Type: text/plain\\r\\n\\r\\n$$"; }
`;

/** Many clients at once on a program that no process runs of: how long the slowest but one percent wait, and what was started. */
async function burst(policy: "learned" | "spawn-at-once") {
  await using site = await startSite({
    files: { "slow.fcgi": PROGRAM },
    server: "max_processes = 1000",
    level: "info",
    command: [process.execPath, resolve("test/support/daemon-with-policy.ts"), policy],
  });
  const waits = await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      const started = performance.now();
      using connection = await connectFcgi(site.fpm.socket);
      const { stdout } = await connection.request(`${site.root}/slow.fcgi`);
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
  expect(ours.started).toBeLessThan(others.started);
  expect(ours.p99).toBeLessThan(others.p99);
});

function describe({ p99, started }: { p99: number; started: number }): string {
  return `p99 ${p99} ms, ${started} processes`;
}
