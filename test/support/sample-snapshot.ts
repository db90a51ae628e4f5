import type { Backend, Lease } from "../../src/backend/backend.ts";
import { FpmError } from "../../src/base/errors.ts";
import { encodeHead } from "../../src/fcgi/encoder.ts";
import { RequestHead } from "../../src/fcgi/head.ts";
import { encodeParams } from "../../src/fcgi/params.ts";
import { UNKNOWN } from "../../src/pool/measures.ts";
import type { PoolStatus } from "../../src/pool/pool-status.ts";
import { Tallies } from "../../src/pool/tallies.ts";
import { Tally } from "../../src/pool/tally.ts";
import type { StatusSource } from "../../src/status/collect.ts";
import { appConfig } from "./app-config.ts";

/** A program as the pools know it. */
export function programOf(path: string) {
  const common = {
    owner: undefined,
    ownedFile: undefined,
    version: "",
    generation: "",
    role: "responder",
    cwd: "/",
  } as const;
  return { ...common, key: path, name: path, script: path, argv: [path] as const, app: appConfig({}) };
}

/** A process in this state, at work on requests for these URIs. */
export function backendOf(state: Backend["state"], pid: number, ...uris: string[]): Backend {
  const leases = uris.map((uri) => ({ head: headOf(uri), since: 9000, bytesIn: 10, bytesOut: 20 }) as Lease);
  const usage = { runMs: 250, cpuWaitMs: 0 };
  return {
    state,
    pid,
    children: [],
    leases,
    busy: leases.length,
    startedAt: 4000,
    idleSince: 8000,
    leftAtWork: 0,
    served: 7,
    usage,
  } as unknown as Backend;
}

/** One program with a process in every state, and one of which nothing is known. */
export function sampleSource(): StatusSource & { pools: readonly PoolStatus[]; tallies: Tallies } {
  const tally = new Tally();
  tally.onOutcome({ kind: "answered", appStatus: 0, protocolStatus: 0, status: 200 }, 12, 9000);
  const error = new FpmError("BACKEND_BROKEN", "backend", 'it said "no"\n\x1b[31m');
  tally.onOutcome({ kind: "refused", error }, 80, 9500);
  tally.started = 5;
  const backends = [
    backendOf("starting", 11),
    backendOf("free", 12),
    backendOf("lent", 13, "/shop/cart?card=4111"),
    backendOf("leaving", 14, "/long"),
    backendOf("on its own", 15),
    { ...backendOf("leaving", 16), isStopping: true },
  ];
  const tallies = new Tallies();
  tallies.others.onRejected("PROTOCOL");
  const gone = new Tally();
  gone.started = 2;
  tallies.putBack(programOf("/srv/gone.fcgi"), gone);
  return {
    now: () => 10_000,
    daemon: {
      version: "1.2.3",
      hostname: "web1",
      pid: 1,
      state: "running",
      startedAt: "2026-01-01T00:00:00.000Z",
      startSeconds: 1_767_225_600,
      uptimeMs: 3_725_000,
      cores: { value: 2, from: "the machine" },
      memoryLimitBytes: { value: 2 ** 30, from: "/sys/fs/cgroup/memory.max" },
      maxProcesses: { value: 64, from: "memory" },
      connections: 3,
      maxConnections: 480,
      descriptors: 40,
      maxDescriptors: 1024,
      connectionsWaiting: 1,
      connectionsWaited: 12,
      bufferedBytes: 65_536,
      bufferLimitBytes: 67_108_864,
      spooledBytes: 200_000,
      leftBehind: 0,
      memoryBytes: 50 * 2 ** 20,
      cpuMs: 1500,
    },
    pools: [pool('/srv/we\\ird "name".fcgi', tally, backends), pool("/srv/new.fcgi", new Tally(), [])],
    gone: [...tallies.gone],
    others: tallies.others,
    forgotten: tallies.forgotten,
    memoryOf: (pid) => pid * 2 ** 20,
    tallies,
  };
}

function pool(path: string, tally: Tally, backends: readonly Backend[]): PoolStatus {
  return {
    program: programOf(path),
    tally,
    backends,
    waiting: 2,
    oldestWaitMs: 1500,
    cap: backends.length > 0 ? 9 : Number.POSITIVE_INFINITY,
    measures:
      backends.length > 0 ? { ...UNKNOWN, serviceMs: 12, bootMs: 40, memoryBytes: 3.5 * 2 ** 20 } : UNKNOWN,
    cpuShare: backends.length > 0 ? 0.25 : undefined,
    failures: backends.length > 0 ? 0 : 3,
    retryInMs: backends.length > 0 ? 0 : 700,
  };
}

function headOf(uri: string): RequestHead {
  return new RequestHead(
    encodeHead(
      1,
      1,
      true,
      encodeParams([
        ["REQUEST_METHOD", "POST"],
        ["REQUEST_URI", uri],
      ]),
    ),
  );
}
