// Two std-fpm side by side: the one that was built, and the one that BEFORE names. Both run all the time and take turns, so that what else the
// machine does meets both. make bench-against BEFORE=/path/to/std-fpm

import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { startNginx, type Way } from "../test/support/nginx.ts";
import { cpuMs } from "../test/support/processes.ts";
import { EXECUTABLE, startStdFpm } from "../test/support/std-fpm.ts";
import { makeTempDir } from "../test/support/temp-dir.ts";
import { median } from "./median.ts";
import { runWrk, WARM_UP_S } from "./wrk.ts";

const CONNECTIONS = Number(process.env["CONNECTIONS"] ?? 16);
const SECONDS = Number(process.env["DURATION"] ?? 1);
const ROUNDS = Number(process.env["ROUNDS"] ?? 15);
const WAYS: readonly Way[] = ["direct", "kept"];

const before = process.env["BEFORE"];
if (!before) throw new Error("BEFORE must name another std-fpm");
using dir = makeTempDir();
const sides = [await start("before", resolve(before)), await start("now", EXECUTABLE)];
try {
  for (const side of sides) for (const way of WAYS) await measure(side, way, WARM_UP_S);
  const results = new Map<string, number[]>();
  for (let round = 0; round < ROUNDS; round++)
    // Who comes first changes.
    for (const way of WAYS)
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
        const key = `${way} ${side.name}`;
        results.set(key, [...(results.get(key) ?? []), await measure(side, way)]);
      }
  process.stdout.write(
    `CPU a request, medians of ${ROUNDS} rounds of ${SECONDS} s, ${CONNECTIONS} connections\n`,
  );
  for (const [key, values] of [...results].sort())
    process.stdout.write(`${key.padEnd(16)} ${median(values).toFixed(1)} µs\n`);
} finally {
  for (const { nginx, fpm } of sides) {
    await nginx.stop();
    await fpm.stop();
  }
}

async function start(name: string, executable: string) {
  const folder = dir.at(name);
  mkdirSync(folder);
  const fpm = await startStdFpm({ folder, level: "info", command: [executable] });
  const nginx = await startNginx({
    folder: dir.at(`nginx-${name}`),
    root: resolve("examples/c"),
    fastcgi: `unix:${fpm.socket}`,
  });
  return { name, fpm, nginx };
}

/** Microseconds of the manager's CPU time a request. */
async function measure(
  { fpm, nginx }: Awaited<ReturnType<typeof start>>,
  way: Way,
  seconds = SECONDS,
): Promise<number> {
  const before = cpuMs(fpm.pid);
  const { requests } = await runWrk(`http://127.0.0.1:${nginx.port}/${way}/hello.fcgi`, CONNECTIONS, seconds);
  return ((cpuMs(fpm.pid) - before) * 1000) / requests;
}
