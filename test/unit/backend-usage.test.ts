import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { cpuUsageOf, isEnding, ownMemoryOf, startTicksOf, stateOf } from "../../src/backend/usage.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const MIB = 2 ** 20;
/** Run as a process of its own, since what this one has freed it may use again: memory before, with 64 MiB of its own, with as much mapped. */
const PROGRAM = `
  const { ownMemoryOf, residentOf } = await import(${JSON.stringify(resolve("src/backend/usage.ts"))});
  const own = () => ownMemoryOf(process.pid);
  const told = [residentOf(process.pid), own()];
  const allocated = new Uint8Array(64 * 2 ** 20).fill(1);
  told.push(own());
  await Bun.write(process.argv.at(-1), allocated);
  const mapped = Bun.mmap(process.argv.at(-1), { shared: true });
  let sum = 0;
  for (let at = 0; at < mapped.length; at += 4096) sum += mapped[at];
  told.push(own());
  console.log(JSON.stringify(sum === 64 * 256 ? told : []));
`;

test("what a process holds counts its own memory, and not the files that it maps", async () => {
  using dir = makeTempDir();
  const child = Bun.spawn([process.execPath, "-e", PROGRAM, dir.at("mapped")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const told = (await new Response(child.stdout).json()) as [number, number, number, number];
  const [resident, before, allocated, mapped] = told;
  expect(before).toBeGreaterThan(MIB);
  expect(before).toBeLessThan(resident);
  expect(allocated - before).toBeGreaterThan(56 * MIB);
  expect(mapped - allocated).toBeLessThan(16 * MIB);
});

test("nothing is known of a process that does not exist", () => {
  expect(ownMemoryOf(2 ** 30)).toBeUndefined();
});

test("what a process has used of the CPU is told in milliseconds; of one that has gone, nothing", () => {
  const before = cpuUsageOf(process.pid)?.runMs ?? 0;
  const { user, system } = process.cpuUsage();
  for (const end = performance.now() + 60; performance.now() < end; );
  const used = process.cpuUsage({ user, system });
  const runMs = (cpuUsageOf(process.pid)?.runMs ?? 0) - before;
  const [run = "", wait = ""] = readFileSync(`/proc/${process.pid}/schedstat`, "latin1").split(" ");
  expect(runMs).toBeGreaterThan(1);
  expect(runMs).toBeLessThan((used.user + used.system) / 1000 + 60);
  expect(cpuUsageOf(process.pid)?.cpuWaitMs).toBeLessThanOrEqual(Number(wait) / 1e6 + 1000);
  expect(cpuUsageOf(process.pid)?.runMs).toBeGreaterThan(Number(run) / 1e6 - 0.001);
  const none = 2 ** 30;
  expect([cpuUsageOf(none), stateOf(none), startTicksOf(none), isEnding(none)]).toEqual([
    undefined,
    undefined,
    undefined,
    true,
  ]);
  expect([isEnding(process.pid), isEnding(1)]).toEqual([false, false]);
});
