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
  readonly now: number;
  readonly daemon: DaemonFacts;
  readonly pools: readonly PoolStatus[];
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

/** The snapshot of this moment; with `isFull` every process is listed. */
export function collect(source: StatusSource, isFull: boolean): Snapshot {
  const { daemon, others } = source;
  const looks = { left: isFull ? MOST_LOOKS : 0 };
  const programs = source.pools.map((pool) => programStatus(pool, source, looks, isFull));
  for (const gone of source.gone) programs.push(goneStatus(gone, source.now));
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
    total: totalOf(source),
    others: {
      requests: outcomesOf(others),
      failures: Object.fromEntries(others.failures),
      forgotten: source.forgotten,
    },
    programs,
  };
}

function totalOf({ pools, gone, others }: StatusSource): Numbers {
  const sum = new Tally();
  sum.add(others);
  const backends: Backend[] = [];
  let waiting = 0;
  let oldestWaitMs = 0;
  for (const pool of pools) {
    sum.add(pool.tally);
    backends.push(...pool.backends);
    waiting += pool.waiting;
    oldestWaitMs = Math.max(oldestWaitMs, pool.oldestWaitMs);
  }
  for (const { tally } of gone) sum.add(tally);
  return numbersOf(sum, { backends, waiting, oldestWaitMs });
}

function programStatus(
  pool: PoolStatus,
  source: StatusSource,
  looks: { left: number },
  isFull: boolean,
): ProgramStatus {
  const { program, tally, measures, cap } = pool;
  return {
    name: program.name,
    settings: program.app.id,
    is_gone: false,
    ...numbersOf(tally, pool),
    limit: Number.isFinite(cap) ? cap : null,
    failed_in_a_row: pool.failures,
    next_start_seconds: seconds(pool.retryInMs),
    learned: {
      service_seconds: secondsOrNull(measures.serviceMs),
      boot_seconds: secondsOrNull(measures.bootMs),
      cpu_share: pool.cpuShare ?? null,
      memory_bytes: measures.memoryBytes === undefined ? null : Math.round(measures.memoryBytes),
    },
    last_error: lastErrorOf(tally, source.now),
    ...(isFull
      ? { process_list: pool.backends.map((backend) => processStatus(backend, source, looks)) }
      : {}),
  };
}

function goneStatus({ name, settings, tally }: GoneProgram, now: number): ProgramStatus {
  return {
    name,
    settings,
    is_gone: true,
    ...numbersOf(tally, { backends: [], waiting: 0, oldestWaitMs: 0 }),
    limit: null,
    failed_in_a_row: 0,
    next_start_seconds: 0,
    learned: { service_seconds: null, boot_seconds: null, cpu_share: null, memory_bytes: null },
    last_error: lastErrorOf(tally, now),
  };
}

type Present = Pick<PoolStatus, "backends" | "waiting" | "oldestWaitMs">;

function numbersOf(tally: Tally, { backends, waiting, oldestWaitMs }: Present): Numbers {
  const processes = { starting: 0, idle: 0, busy: 0, on_its_own: 0, retiring: 0, stopping: 0 };
  let { bytesIn, bytesOut } = tally;
  let inFlight = 0;
  for (const backend of backends) {
    const state = stateOf(backend);
    if (state) processes[state]++;
    inFlight += backend.busy;
    // What is at work is counted as it goes, not only in the end.
    for (const lease of backend.leases) {
      bytesIn += lease.bytesIn;
      bytesOut += lease.bytesOut;
    }
  }
  const { exits } = tally;
  return {
    processes,
    in_flight: inFlight,
    queue_length: waiting,
    queue_oldest_seconds: seconds(oldestWaitMs),
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
    received_bytes: bytesIn,
    sent_bytes: bytesOut,
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
    buckets: [...counts],
  };
}

function processStatus(backend: Backend, source: StatusSource, looks: { left: number }): ProcessStatus {
  const isLookedAt = backend.pid !== 0 && looks.left-- > 0;
  const usage = isLookedAt ? backend.usage : undefined;
  const children = isLookedAt ? backend.children : [];
  const memoryBytes = isLookedAt ? source.memoryOf(backend.pid, children) : undefined;
  const oldest = backend.leases.slice(0, MOST_REQUESTS);
  return {
    pid: backend.pid,
    children: [...children],
    state: stateOf(backend) ?? "stopping",
    age_seconds: seconds(source.now - backend.startedAt),
    idle_seconds: backend.busy > 0 ? 0 : seconds(source.now - backend.idleSince),
    served: backend.served,
    cpu_seconds: secondsOrNull(usage?.runMs),
    memory_bytes: memoryBytes ?? null,
    requests: oldest.map((lease) => requestStatus(lease, source.now)),
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
function stateOf({ state, busy, isStopping }: Backend): keyof Numbers["processes"] | undefined {
  switch (state) {
    case "starting":
      return "starting";
    case "free":
    case "lent":
      return busy > 0 ? "busy" : "idle";
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
