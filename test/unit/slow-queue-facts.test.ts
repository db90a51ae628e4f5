import { describe, expect, test } from "bun:test";
import type { Backend, Lease } from "../../src/backend/backend.ts";
import { oldestStart, queueFactsOf } from "../../src/daemon/queue-facts.ts";
import type { PoolStatus } from "../../src/pool/pool-status.ts";
import { appConfig } from "../support/app-config.ts";
import { programOf } from "../support/sample-snapshot.ts";

interface ProcessFacts {
  pid: number;
  state?: Backend["state"];
  startedAt?: number;
  /** When its requests were lent it. */
  lentAt?: number[];
}

function processOf({ pid, state = "free", startedAt = 0, lentAt = [] }: ProcessFacts): Backend {
  const backend = { pid, state, startedAt, busy: lentAt.length } as Backend;
  const leases = lentAt.map((since) => ({ backend, since, head: { label: `GET /${since}` } }) as Lease);
  return Object.assign(backend, { leases });
}

function statusOf(processes: ProcessFacts[], { maxProcesses = 0, cap = 9, retryInMs = 0 } = {}): PoolStatus {
  const program = { ...programOf("/a.fcgi"), app: appConfig({ maxProcesses }) };
  return { program, backends: processes.map(processOf), cap, retryInMs } as unknown as PoolStatus;
}

const BUSY = [
  { pid: 1, lentAt: [700, 900] },
  { pid: 2, lentAt: [600] },
  { pid: 3, state: "starting" as const, startedAt: 950 },
  { pid: 4, state: "starting" as const, startedAt: 940 },
];

describe("what holds up a request in the queue", () => {
  test("are the processes at work, the oldest request of theirs, and the oldest that starts", () => {
    expect(queueFactsOf(statusOf(BUSY), 5, 10, 1000, "sleeps")).toEqual({
      ahead: 5,
      busy: 2,
      starting: { pid: 4, ageMs: 60, what: "sleeps" },
      slowest: { pid: 2, ageMs: 400, what: "GET /600" },
      limit: { kind: "none" },
    });
    expect(oldestStart(statusOf(BUSY))?.pid).toBe(4);
  });

  test("is nobody where there is no process", () => {
    const facts = queueFactsOf(statusOf([]), 0, 10, 1000, undefined);
    expect(facts).toMatchObject({ busy: 0, starting: undefined, slowest: undefined });
    expect(oldestStart(statusOf([]))).toBeUndefined();
  });

  test.each([
    [{ maxProcesses: 4 }, 10, { kind: "max_processes" }],
    [{ maxProcesses: 5 }, 10, { kind: "none" }],
    [{ maxProcesses: 5 }, 0, { kind: "all programs" }],
    [{ cap: 4 }, 10, { kind: "cores and memory" }],
    [{ cap: 5 }, 10, { kind: "none" }],
    [{ cap: 4, retryInMs: 70 }, 0, { kind: "failed starts", retryInMs: 70 }],
  ] as const)("is a limit: %j with room for %d more", (changes, room, limit) => {
    expect(queueFactsOf(statusOf(BUSY, changes), 0, room, 1000, undefined).limit).toEqual(limit);
  });
});
