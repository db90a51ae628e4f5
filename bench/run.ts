// Requests per second through nginx: std-fpm in front of a C program, and the same program started by spawn-fcgi with
// no manager. The limit is the latter as everybody runs it: one process, a connection a request. Beside it stands the
// program with as many processes as there are connections, which is the most a machine can do (kept connections without
// a manager need a process each). All alternate, so that a noisy machine hurts all alike, and ratios are medians of the
// rounds' ratios. CONNECTIONS, DURATION (seconds of one measurement) and ROUNDS can be set in the environment.
import { resolve } from "node:path";
import { startNginx, type Way } from "../test/support/nginx.ts";
import { cpuMs, residentBytes } from "../test/support/processes.ts";
import { spawnFcgi } from "../test/support/spawn-fcgi.ts";
import { startStdFpm } from "../test/support/std-fpm.ts";
import { makeTempDir } from "../test/support/temp-dir.ts";
import { median } from "./median.ts";
import { runWrk, type WrkResult } from "./wrk.ts";

const CONNECTIONS = Number(process.env["CONNECTIONS"] ?? 16);
const SECONDS = Number(process.env["DURATION"] ?? 3);
const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
const AIM = { direct: 0.75, kept: 1 };

interface Measured extends WrkResult {
  /** Of the manager, a request. */
  readonly cpuUs: number;
}

/** What one round measured. */
interface Round {
  /** One process. */
  readonly limit: Measured;
  /** A process a connection. */
  readonly alone: Record<"direct" | "kept", Measured>;
  readonly managed: Record<"direct" | "kept", Measured>;
}

using dir = makeTempDir();
const root = resolve("examples/c");
const program = resolve("examples/c/hello.fcgi");
const fpm = await startStdFpm({ folder: dir.path, level: "info" });
// A process a connection, and a set of them for each way: a kept connection occupies its process.
const one = await spawnFcgi(program, dir.at("one.sock"));
const alone = {
  direct: await spawnFcgi(program, dir.at("direct.sock"), CONNECTIONS),
  kept: await spawnFcgi(program, dir.at("kept.sock"), CONNECTIONS),
};
const nginx = (name: string, socket: string) =>
  startNginx({ folder: dir.at(name), root, fastcgi: `unix:${socket}` });
const servers = {
  limit: await nginx("nginx-limit", one.socket),
  direct: await nginx("nginx-direct", alone.direct.socket),
  kept: await nginx("nginx-kept", alone.kept.socket),
  managed: await nginx("nginx-managed", fpm.socket),
};
try {
  print(
    `${CONNECTIONS} connections, ${ROUNDS} rounds of ${SECONDS} s each, examples/c/hello.fcgi through nginx\n`,
  );
  await measureRound(1);
  const rounds: Round[] = [];
  for (let i = 0; i < ROUNDS; i++) rounds.push(await measureRound(SECONDS));
  report(rounds);
  print(
    `\nprocesses started by std-fpm: ${fpm.backends().length}, its memory: ${mib(residentBytes(fpm.pid))}`,
  );
} finally {
  for (const server of Object.values(servers)) await server.stop();
  for (const programs of [one, ...Object.values(alone)]) await programs.stop();
  await fpm.stop();
}

async function measureRound(seconds: number): Promise<Round> {
  const alone = (way: "direct" | "kept") => measure(servers[way].port, way, seconds);
  const managed = (way: Way) => measure(servers.managed.port, way, seconds);
  const limit = await measure(servers.limit.port, "direct", seconds);
  const direct = [await alone("direct"), await managed("direct")] as const;
  const kept = [await alone("kept"), await managed("kept")] as const;
  return {
    limit,
    alone: { direct: direct[0], kept: kept[0] },
    managed: { direct: direct[1], kept: kept[1] },
  };
}

async function measure(port: number, way: Way, seconds: number): Promise<Measured> {
  const before = cpuMs(fpm.pid);
  const result = await runWrk(`http://127.0.0.1:${port}/${way}/hello.fcgi`, CONNECTIONS, seconds);
  return { ...result, cpuUs: ((cpuMs(fpm.pid) - before) * 1000) / result.requests };
}

function report(rounds: readonly Round[]): void {
  const line = (name: string, pick: (round: Round) => Measured, aim?: number) => {
    const middle = (value: (measured: Measured) => number) =>
      median(rounds.map((round) => value(pick(round))));
    const ratios = rounds.map((round) => pick(round).requestsPerSecond / round.limit.requestsPerSecond);
    const cells = [
      middle(({ requestsPerSecond }) => requestsPerSecond).toFixed(0),
      median(ratios).toFixed(2),
      aim?.toFixed(2) ?? "",
      aim === undefined ? "" : `${middle(({ cpuUs }) => cpuUs).toFixed(1)} µs`,
      `${middle(({ p99Ms }) => p99Ms).toFixed(2)} ms`,
      String(rounds.reduce((sum, round) => sum + pick(round).errors, 0)),
    ];
    print(row(name, ...cells));
  };
  print(row("", "req/s", "of the limit", "aim", "CPU/request", "p99", "errors"));
  const many = `no manager, ${CONNECTIONS} processes`;
  line("no manager, one process (the limit)", ({ limit }) => limit);
  line(many, ({ alone }) => alone.direct);
  line("std-fpm", ({ managed }) => managed.direct, AIM.direct);
  line(`${many}, fastcgi_keep_conn on`, ({ alone }) => alone.kept);
  line("std-fpm, fastcgi_keep_conn on", ({ managed }) => managed.kept, AIM.kept);
}

function row(name: string, ...cells: string[]): string {
  return name.padEnd(48) + cells.map((cell) => cell.padStart(13)).join("");
}

function mib(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
