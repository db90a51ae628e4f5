// What a request costs: std-fpm beside a floor of plain Bun sockets that looks at nothing, and beside the program without a manager. All run at the
// same time and take turns, so that what else the machine does meets all alike; ratios are medians of the rounds' ratios, absolute times mean nothing
// elsewhere. CONNECTIONS, DURATION (seconds of one measurement), ROUNDS and REQUESTS (for the memory) can be set in the environment, and WORK: a part
// of the name of what is measured.
import { copyFileSync, mkdirSync } from "node:fs";
import { resolve } from "node:path";
import type { Way } from "../test/support/nginx.ts";
import { cpuTimes, residentBytes } from "../test/support/processes.ts";
import { makeTempDir } from "../test/support/temp-dir.ts";
import { requestBytes, transfer } from "./body-client.ts";
import { median } from "./median.ts";
import { directSide, fcgiwrapSide, floorCgiSide, floorSide, managedSide, type Side } from "./sides.ts";
import { runWrk, WARM_UP_S } from "./wrk.ts";

const CONNECTIONS = Number(process.env["CONNECTIONS"] ?? 16);
const SECONDS = Number(process.env["DURATION"] ?? 2);
const ROUNDS = Number(process.env["ROUNDS"] ?? 7);
const REQUESTS = Number(process.env["REQUESTS"] ?? 1_000_000);
const WORK = process.env["WORK"] ?? "";
const PROCESSES = 4;
const BODY_CLIENTS = 4;
const MIB = 1024 * 1024;

/** One measurement of one side. */
interface Measured {
  readonly perSecond: number;
  readonly p99Ms: number;
  /** Of the manager, a request or a transfer, in microseconds. */
  readonly userUs: number;
  readonly kernelUs: number;
  readonly errors: number;
}

/** Some work, measured on all sides in turns. */
interface Work {
  readonly name: string;
  readonly sides: readonly Side[];
  measure(side: Side, seconds: number): Promise<Measured>;
}

using dir = makeTempDir();
const options = {
  folder: dir.path,
  root: resolve("examples/c"),
  program: resolve("examples/c/hello.fcgi"),
  processes: PROCESSES,
};
copyFileSync("dist/test-programs/lab", dir.at("lab.fcgi"));
const lab = { ...options, root: dir.path, program: dir.at("lab.fcgi") };
mkdirSync(dir.at("logged"));
const log = `[access_log]\nfile = "${dir.at("logged")}/access.log"`;
const started: Side[] = [];
const start = async (starting: Promise<Side>) => {
  const side = await starting;
  started.push(side);
  return side;
};

try {
  const floor = await start(floorSide("floor", options));
  const managed = await start(managedSide("std-fpm", options));
  // A kept connection occupies its process.
  const direct = await start(directSide("no-manager", { ...options, processes: 2 * CONNECTIONS }));
  const small = [floor, managed, direct];
  const logged = await start(managedSide("std-fpm-logged", options, log));
  const bodies = [
    await start(floorSide("floor-bodies", lab)),
    await start(managedSide("std-fpm-bodies", lab)),
  ];
  print(
    `${ROUNDS} rounds of ${SECONDS} s, ${CONNECTIONS} connections, ${PROCESSES} processes, through nginx; bodies of ${BODY_CLIENTS} clients without it\n`,
  );
  await compare({ name: "small answers, kept connections", sides: small, measure: smallAnswers("kept") });
  await compare({
    name: "small answers, a connection a request",
    sides: small,
    measure: smallAnswers("direct"),
  });
  await withBusyCores(() =>
    compare({
      name: "small answers, kept, two other processes keep the cores busy",
      sides: small,
      measure: smallAnswers("kept"),
    }),
  );
  await compare({
    name: "with an access log (file, combined), kept",
    sides: [managed, logged],
    measure: smallAnswers("kept"),
  });
  await compare({ name: "4 MiB up", sides: bodies, measure: transfers("op=count", 4 * MIB) });
  await compare({ name: "8 MiB down", sides: bodies, measure: transfers(`op=download&bytes=${8 * MIB}`, 0) });
  if (WORK === "") print(`memory after the bodies: ${mib(bodies[1] as Side)}`);
  const cgi = {
    ...options,
    root: resolve("dist/test-programs"),
    program: resolve("dist/test-programs/hello.cgi"),
  };
  const asCgi = 'protocol = "cgi"\nextensions = [".cgi"]';
  const asUser = 'protocol = "cgi"\nextensions = [".cgi"]\nlimits = { core = "0" }';
  const cgiSides = [
    await start(fcgiwrapSide("fcgiwrap", cgi)),
    await start(managedSide("std-fpm-cgi", cgi, "", asCgi)),
    await start(managedSide("std-fpm-cgi-limits", cgi, "", asUser)),
    await start(floorCgiSide("floor-cgi", cgi)),
  ];
  await compare({
    name: "plain CGI, a tiny C program, 8 clients",
    sides: cgiSides,
    measure: smallAnswers("direct", "hello.cgi", 8),
  });
  if (WORK === "") await weigh(managed);
} finally {
  for (const side of started) await side.stop();
}

function smallAnswers(way: Way, file = "hello.fcgi", connections = CONNECTIONS): Work["measure"] {
  return async (side, seconds) => {
    const before = timesOf(side);
    const result = await runWrk(`http://127.0.0.1:${side.nginx.port}/${way}/${file}`, connections, seconds);
    return {
      ...costs(before, timesOf(side), result.requests),
      perSecond: result.requestsPerSecond,
      ...result,
    };
  };
}

function transfers(query: string, bodyBytes: number): Work["measure"] {
  const request = requestBytes(lab.program, query, bodyBytes);
  return async (side, seconds) => {
    const before = timesOf(side);
    const times: number[] = [];
    const startedAt = performance.now();
    const client = async () => {
      while (performance.now() - startedAt < seconds * 1000) {
        const from = performance.now();
        await transfer(side.socket, request.slice());
        times.push(performance.now() - from);
      }
    };
    await Promise.all(Array.from({ length: BODY_CLIENTS }, client));
    const tookS = (performance.now() - startedAt) / 1000;
    const p99Ms = times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? Number.NaN;
    return {
      ...costs(before, timesOf(side), times.length),
      perSecond: times.length / tookS,
      p99Ms,
      errors: 0,
    };
  };
}

/** A table with a line a side; the first one is what the others are held against. */
async function compare({ name, sides, measure }: Work): Promise<void> {
  if (!name.includes(WORK)) return;
  for (const side of sides) await measure(side, WARM_UP_S);
  const rounds: Measured[][] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const measured: Measured[] = [];
    // Who comes first changes.
    const order = sides.map((_, index) => (index + round) % sides.length);
    for (const index of order) measured[index] = await measure(sides[index] as Side, SECONDS);
    rounds.push(measured);
  }
  print(row(name, "per s", "ratio", "p99", "user", "kernel", "CPU", "ratio", "errors"));
  for (const [index, side] of sides.entries()) {
    const of = (value: (measured: Measured) => number) =>
      median(rounds.map((each) => value(each[index] as Measured)));
    const ratio = (value: (measured: Measured) => number) =>
      median(rounds.map((each) => value(each[index] as Measured) / value(each[0] as Measured))).toFixed(2);
    const cpu = ({ userUs, kernelUs }: Measured) => userUs + kernelUs;
    print(
      row(
        `  ${side.name}`,
        of(({ perSecond }) => perSecond).toFixed(0),
        ratio(({ perSecond }) => perSecond),
        `${of(({ p99Ms }) => p99Ms).toFixed(2)} ms`,
        ...(side.pid === undefined
          ? ["", "", ""]
          : [us(of(({ userUs }) => userUs)), us(of(({ kernelUs }) => kernelUs)), us(of(cpu))]),
        side.pid === undefined || sides[0]?.pid === undefined ? "" : ratio(cpu),
        String(rounds.reduce((sum, each) => sum + (each[index] as Measured).errors, 0)),
      ),
    );
  }
  print("");
}

/** What std-fpm holds after so many small requests, half of them over kept connections. */
async function weigh(side: Side): Promise<void> {
  let requests = 0;
  for (let turn = 0; requests < REQUESTS; turn++) {
    const way = turn % 2 === 0 ? "kept" : "direct";
    requests += (await runWrk(`http://127.0.0.1:${side.nginx.port}/${way}/hello.fcgi`, CONNECTIONS, 10))
      .requests;
  }
  print(`memory after ${requests} small requests: ${mib(side)}`);
}

async function withBusyCores(work: () => Promise<void>): Promise<void> {
  const busy = [1, 2].map(() => Bun.spawn(["sh", "-c", "while :; do :; done"]));
  await work();
  for (const each of busy) each.kill("SIGKILL");
}

function timesOf({ pid }: Side): ReturnType<typeof cpuTimes> {
  return pid === undefined ? { userMs: 0, kernelMs: 0 } : cpuTimes(pid);
}

function costs(before: ReturnType<typeof cpuTimes>, after: ReturnType<typeof cpuTimes>, requests: number) {
  return {
    userUs: ((after.userMs - before.userMs) * 1000) / requests,
    kernelUs: ((after.kernelMs - before.kernelMs) * 1000) / requests,
  };
}

function us(value: number): string {
  return value >= 1000 ? `${(value / 1000).toFixed(2)} ms` : `${value.toFixed(1)} µs`;
}

function mib({ pid }: Side): string {
  return pid === undefined ? "" : `${Math.round(residentBytes(pid) / MIB)} MiB`;
}

function row(name: string, ...cells: string[]): string {
  return name.padEnd(62) + cells.map((cell) => cell.padStart(10)).join("");
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
