import type { Backend, Lease } from "../backend/backend.ts";
import { type Histogram, quantileMs } from "../base/histogram.ts";
import type { PoolStatus } from "../pool/pool-status.ts";
import type { GoneProgram } from "../pool/tallies.ts";
import { Tally } from "../pool/tally.ts";
import {
  type HistogramStatus,
  type Numbers,
  type ProcessStatus,
  type ProgramStatus,
  type RequestStatus,
  SCHEMA_VERSION,
  type Snapshot,
} from "./snapshot.ts";

/** A limit, and what sets it. */
interface Sourced {
  readonly value: number;
  readonly from: string;
}

/** What the daemon knows of itself. Times in milliseconds by the clock. */
export interface DaemonFacts {
  readonly version: string;
  readonly hostname: string;
  readonly pid: number;
  readonly state: string;
  readonly startedAt: string;
  readonly startSeconds: number;
  readonly uptimeMs: number;
  readonly cores: Sourced;
  readonly memoryLimitBytes: Sourced;
  readonly maxProcesses: Sourced;
  readonly connections: number;
  readonly maxConnections: number;
  readonly descriptors: number;
  readonly maxDescriptors: number;
  readonly connectionsWaiting: number;
  readonly connectionsWaited: number;
  readonly bufferedBytes: number;
  readonly bufferLimitBytes: number;
  readonly spooledBytes: number;
  /** Processes that programs have left behind. */
  readonly leftBehind: number;
  readonly memoryBytes: number;
  readonly cpuMs: number;
}

/** Where a snapshot comes from. */
export interface StatusSource {
  now(): number;
  readonly daemon: DaemonFacts;
  /** Of each the numbers of the moment that it is taken. */
  readonly pools: Iterable<PoolStatus>;
  readonly gone: readonly GoneProgram[];
  readonly others: Tally;
  readonly forgotten: number;
  /** Memory that a process holds. */
  memoryOf(pid: number, children: readonly number[]): number | undefined;
}

/** So many processes are looked at for one snapshot, 20 µs each; of others memory and CPU time are left out. */
const MOST_LOOKS = 256;
/** So many requests are listed of a process that serves several at once. */
const MOST_REQUESTS = 8;
const LONGEST_URI = 200;

/**
 * The snapshot, with every process listed if `isFull`, in steps that each take a fraction of a millisecond. Between two of them others may have
 * their turn: each program is shown as it was in one moment, and the total is that of the programs as they are shown.
 */
export function* collecting(source: StatusSource, isFull: boolean): Generator<void, Snapshot> {
  const { daemon, forgotten } = source;
  const looks = { left: isFull ? MOST_LOOKS : 0 };
  const [others, total] = [new Tally(), new Total()];
  // Of now: what is counted there later may be a program's that has been shown before.
  others.add(source.others);
  total.add(others, nothing());
  const programs: ProgramStatus[] = [];
  for (const pool of source.pools) {
    const program = programStatus(pool, source.now(), total, daemon.maxProcesses.value);
    programs.push(program);
    if (isFull) yield* listProcesses(program, pool, source, looks);
    yield;
  }
  for (const gone of source.gone) {
    programs.push(goneStatus(gone, source.now(), total));
    yield;
  }
  return {
    version: daemon.version,
    schema: SCHEMA_VERSION,
    hostname: daemon.hostname,
    pid: daemon.pid,
    state: daemon.state,
    started_at: daemon.startedAt,
    start_seconds: daemon.startSeconds,
    uptime_seconds: seconds(daemon.uptimeMs),
    cores: daemon.cores.value,
    cores_from: daemon.cores.from,
    memory_limit_bytes: daemon.memoryLimitBytes.value,
    memory_limit_from: daemon.memoryLimitBytes.from,
    max_processes: daemon.maxProcesses.value,
    max_processes_from: daemon.maxProcesses.from,
    connections: daemon.connections,
    max_connections: daemon.maxConnections,
    descriptors: daemon.descriptors,
    max_descriptors: daemon.maxDescriptors,
    connections_waiting: daemon.connectionsWaiting,
    connections_waited: daemon.connectionsWaited,
    buffered_bytes: daemon.bufferedBytes,
    buffer_limit_bytes: daemon.bufferLimitBytes,
    spooled_bytes: daemon.spooledBytes,
    left_behind: daemon.leftBehind,
    daemon_memory_bytes: daemon.memoryBytes,
    daemon_cpu_seconds: seconds(daemon.cpuMs),
    total: numbersOf(total.tally, total.present),
    others: {
      requests: outcomesOf(others),
      failures: Object.fromEntries(others.failures),
      forgotten,
    },
    programs,
  };
}

type State = keyof Numbers["processes"];

/** What there is of a program at this moment, beside what its tally has counted. */
interface Present {
  readonly processes: Record<State, number>;
  inFlight: number;
  bytesIn: number;
  bytesOut: number;
  waiting: number;
  oldestWaitMs: number;
}

/** All programs that were shown so far. */
class Total {
  readonly tally = new Tally();
  readonly present = nothing();

  add(tally: Tally, { processes, ...present }: Present): void {
    this.tally.add(tally);
    const { present: sum } = this;
    for (const [state, count] of Object.entries(processes)) sum.processes[state as State] += count;
    sum.inFlight += present.inFlight;
    sum.bytesIn += present.bytesIn;
    sum.bytesOut += present.bytesOut;
    sum.waiting += present.waiting;
    sum.oldestWaitMs = Math.max(sum.oldestWaitMs, present.oldestWaitMs);
  }
}

function nothing(): Present {
  const processes = { starting: 0, idle: 0, busy: 0, on_its_own: 0, retiring: 0, stopping: 0 };
  return { processes, inFlight: 0, bytesIn: 0, bytesOut: 0, waiting: 0, oldestWaitMs: 0 };
}

function presentOf({ backends, waiting, oldestWaitMs }: PoolStatus): Present {
  const present = { ...nothing(), waiting, oldestWaitMs };
  for (const backend of backends) {
    const state = stateOf(backend);
    if (state) present.processes[state]++;
    present.inFlight += backend.busy;
    for (const lease of backend.leases) {
      present.bytesIn += lease.bytesIn;
      present.bytesOut += lease.bytesOut;
    }
  }
  return present;
}

/** `most`: processes of all programs together. */
function programStatus(pool: PoolStatus, now: number, total: Total, most: number): ProgramStatus {
  const { program, tally, measures } = pool;
  const limit = Math.min(pool.cap, most);
  const present = presentOf(pool);
  total.add(tally, present);
  return {
    name: program.name,
    settings: program.app.id,
    is_gone: false,
    ...numbersOf(tally, present),
    limit: Number.isFinite(limit) ? limit : null,
    failed_in_a_row: pool.failures,
    next_start_seconds: seconds(pool.retryInMs),
    learned: {
      service_seconds: secondsOrNull(measures.serviceMs),
      boot_seconds: secondsOrNull(measures.bootMs),
      cpu_share: pool.cpuShare ?? null,
      memory_bytes: measures.memoryBytes === undefined ? null : Math.round(measures.memoryBytes),
    },
    last_error: lastErrorOf(tally, now),
  };
}

function goneStatus({ name, settings, tally }: GoneProgram, now: number, total: Total): ProgramStatus {
  const present = nothing();
  total.add(tally, present);
  return {
    name,
    settings,
    is_gone: true,
    ...numbersOf(tally, present),
    limit: null,
    failed_in_a_row: 0,
    next_start_seconds: 0,
    learned: { service_seconds: null, boot_seconds: null, cpu_share: null, memory_bytes: null },
    last_error: lastErrorOf(tally, now),
  };
}

function numbersOf(tally: Tally, present: Present): Numbers {
  const { exits } = tally;
  return {
    processes: present.processes,
    in_flight: present.inFlight,
    queue_length: present.waiting,
    queue_oldest_seconds: seconds(present.oldestWaitMs),
    queued: tally.queued,
    requests: outcomesOf(tally),
    responses: responsesOf(tally),
    failures: Object.fromEntries(tally.failures),
    slow: tally.slow,
    held_back: tally.heldBack,
    retries: tally.retries,
    taken_back: tally.takenBack,
    stale_records: tally.staleRecords,
    started: tally.started,
    failed_starts: tally.failedStarts,
    exits: {
      asked_for: exits["asked for"],
      own_will: exits["of its own will"],
      crash: exits.crash,
      boot_failure: exits["boot failure"],
    },
    // What is at work is counted as it goes, not only in the end.
    received_bytes: tally.bytesIn + present.bytesIn,
    sent_bytes: tally.bytesOut + present.bytesOut,
    cpu_seconds: seconds(tally.cpuMs),
    latency: histogramStatus(tally.latency),
    wait: histogramStatus(tally.wait),
  };
}

function outcomesOf({ outcomes }: Tally): Numbers["requests"] {
  const { answered, refused, truncated, "client-left": client_left } = outcomes;
  return { answered, refused, truncated, client_left };
}

function responsesOf({ statusClasses }: Tally): Numbers["responses"] {
  const [one = 0, two = 0, three = 0, four = 0, five = 0] = statusClasses;
  return { "1xx": one, "2xx": two, "3xx": three, "4xx": four, "5xx": five };
}

function histogramStatus(histogram: Histogram): HistogramStatus {
  const { counts, count, sumMs, maxMs } = histogram;
  const quantile = (part: number) => secondsOrNull(quantileMs(counts, part, maxMs));
  return {
    count,
    sum_seconds: seconds(sumMs),
    p50_seconds: quantile(0.5),
    p90_seconds: quantile(0.9),
    p99_seconds: quantile(0.99),
    max_seconds: count === 0 ? null : seconds(maxMs),
    buckets: Array.from(counts),
  };
}

/** The processes as they are at once, then what it takes a look to know of each. */
function* listProcesses(
  program: ProgramStatus,
  { backends }: PoolStatus,
  source: StatusSource,
  looks: { left: number },
): Generator<void, void> {
  const now = source.now();
  const list = backends.map((backend) => ({ backend, status: processStatus(backend, now) }));
  program.process_list = list.map(({ status }) => status);
  for (const { backend, status } of list) {
    if (status.pid === 0 || looks.left === 0) continue;
    looks.left--;
    // It may have ended since.
    if (backend.pid === status.pid && backend.state !== "gone") look(backend, status, source);
    yield;
  }
}

function look(backend: Backend, status: ProcessStatus, { memoryOf }: StatusSource): void {
  status.cpu_seconds = secondsOrNull(backend.usage?.runMs);
  status.children = [...backend.children];
  status.memory_bytes = memoryOf(status.pid, status.children) ?? null;
}

function processStatus(backend: Backend, now: number): ProcessStatus {
  const oldest = backend.leases.slice(0, MOST_REQUESTS);
  return {
    pid: backend.pid,
    children: [],
    state: stateOf(backend) ?? "stopping",
    age_seconds: seconds(now - backend.startedAt),
    idle_seconds: backend.busy + backend.leftAtWork > 0 ? 0 : seconds(now - backend.idleSince),
    served: backend.served,
    cpu_seconds: null,
    memory_bytes: null,
    requests: oldest.map((lease) => requestStatus(lease, now)),
  };
}

function requestStatus({ head, since }: Lease, now: number): RequestStatus {
  return {
    method: head?.method ?? "",
    uri: (head?.path ?? "").slice(0, LONGEST_URI),
    age_seconds: seconds(now - since),
  };
}

/** What a process is at; undefined when it has gone. */
function stateOf({ state, busy, leftAtWork, isStopping }: Backend): State | undefined {
  switch (state) {
    case "starting":
      return "starting";
    case "free":
    case "lent":
      if (busy > 0) return "busy";
      return leftAtWork > 0 ? "on_its_own" : "idle";
    case "on its own":
      return "on_its_own";
    case "leaving":
      return isStopping ? "stopping" : "retiring";
    case "gone":
      return undefined;
  }
}

function lastErrorOf({ lastError }: Tally, now: number): ProgramStatus["last_error"] {
  return lastError
    ? { code: lastError.code, message: lastError.message, age_seconds: seconds(now - lastError.at) }
    : null;
}

/** To the microsecond. */
function seconds(ms: number): number {
  return Math.round(ms * 1000) / 1e6;
}

function secondsOrNull(ms: number | undefined): number | null {
  return ms === undefined ? null : seconds(ms);
}
