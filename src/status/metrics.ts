import { BOUNDS_MS } from "../base/histogram.ts";
import type { HistogramStatus, Numbers, ProgramStatus, Snapshot } from "./snapshot.ts";

/** One value of a metric. */
export interface Sample {
  /** The labels that tell it from others, as text: `state="idle"`; "" for none. */
  readonly labels: string;
  /** What its name ends in: `_total`, or a histogram's `_bucket`, `_sum`, `_count`. */
  readonly suffix: string;
  readonly value: number;
}

/** One metric, in the terms of OpenMetrics. */
export interface Metric {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram" | "info" | "stateset";
  readonly help: string;
  /** The names of its labels, for the documentation. */
  readonly labels: readonly string[];
  /** Those of one program, which have the label `program` beside their own. */
  of(program: ProgramStatus): readonly Sample[];
  /** Those of the daemon, and of what came to no program. */
  own(snapshot: Snapshot): readonly Sample[];
}

type Value = (numbers: Numbers) => number;
type Values = (numbers: Numbers) => Readonly<Record<string, number>>;

const STATES = ["running", "retiring", "draining", "stopping"];
/** The same for every program, and so written once. */
const BUCKET_LABELS = BOUNDS_MS.map((bound) => labelOf("le", le(bound / 1000)));
/** Those of states, outcomes, codes and the like, by label and value, as far as they were written: there are a few dozens. */
const LABELS = new Map<string, Map<string, string>>();
const LAST_BUCKET_LABEL = labelOf("le", "+Inf");

/** Every metric. What is counted for each program has the label `program`; requests that came to none have it empty. */
export const METRICS: readonly Metric[] = [
  single("std_fpm", "info", "The version of std-fpm, and where it runs.", ["version", "hostname"], (now) => [
    {
      labels: `${labelOf("version", now.version)},${labelOf("hostname", now.hostname)}`,
      suffix: "_info",
      value: 1,
    },
  ]),
  single("std_fpm_state", "stateset", "What the daemon is at.", ["std_fpm_state"], ({ state }) =>
    STATES.map((each) => ({
      labels: labelOf("std_fpm_state", each),
      suffix: "",
      value: each === state ? 1 : 0,
    })),
  ),
  one("std_fpm_uptime_seconds", "Time since the daemon was started.", (now) => now.uptime_seconds),
  one("std_fpm_start_time_seconds", "When the daemon was started, since 1970.", (now) => now.start_seconds),
  one("std_fpm_descriptors", "Descriptors that std-fpm has open.", (now) => now.descriptors),
  one("std_fpm_descriptors_limit", "Most that it may have open.", (now) => now.max_descriptors),
  one("std_fpm_connections", "Open connections from web servers.", (now) => now.connections),
  one("std_fpm_connections_limit", "Most of them that are served at once.", (now) => now.max_connections),
  one("std_fpm_connections_waiting", "Those that wait for a place.", (now) => now.connections_waiting),
  single("std_fpm_connections_waited", "counter", "Connections that had to wait for a place.", [], (now) => [
    { labels: "", suffix: "_total", value: now.connections_waited },
  ]),
  one("std_fpm_buffered_bytes", "Requests and answers held in memory.", (now) => now.buffered_bytes),
  one("std_fpm_buffered_limit_bytes", "Most of them that may be held.", (now) => now.buffer_limit_bytes),
  one("std_fpm_spooled_bytes", "Request bodies held on disk.", (now) => now.spooled_bytes),
  one("std_fpm_left_behind", "Processes that programs have left behind.", (now) => now.left_behind),
  one("std_fpm_cores", "Cores that processes may use.", (now) => now.cores),
  one("std_fpm_memory_limit_bytes", "Memory that they may use part of.", (now) => now.memory_limit_bytes),
  one("std_fpm_processes_limit", "Most processes of all programs together.", (now) => now.max_processes),
  one("std_fpm_memory_bytes", "Memory of std-fpm itself.", (now) => now.daemon_memory_bytes),
  single("std_fpm_cpu_seconds", "counter", "CPU time of std-fpm itself.", [], (now) => [
    { labels: "", suffix: "_total", value: now.daemon_cpu_seconds },
  ]),
  gauges("std_fpm_program_processes", "Processes by what they are at.", "state", (of) => of.processes),
  gauge("std_fpm_program_requests_in_flight", "Requests at work.", (of) => of.in_flight),
  gauge("std_fpm_program_queue_length", "Requests that wait for a process.", (of) => of.queue_length),
  gauge(
    "std_fpm_program_queue_oldest_seconds",
    "How long the oldest has waited.",
    (of) => of.queue_oldest_seconds,
  ),
  counters(
    "std_fpm_program_requests",
    "Requests by how they ended.",
    "outcome",
    (of) => of.requests,
    (now) => now.others.requests,
  ),
  counters(
    "std_fpm_program_failures",
    "Requests refused or broken off, by code.",
    "code",
    (of) => of.failures,
    (now) => now.others.failures,
  ),
  counters(
    "std_fpm_program_responses",
    "Whole answers of the program by class of status.",
    "class",
    (of) => ({
      ...of.responses,
    }),
  ),
  counter("std_fpm_program_queued", "Requests that had to wait.", (of) => of.queued),
  counter("std_fpm_program_slow_requests", "Requests that took longer than slow_log.after.", (of) => of.slow),
  counter(
    "std_fpm_program_held_back",
    "Times that there was no room for a process among all programs.",
    (of) => of.held_back,
  ),
  counter("std_fpm_program_retries", "Requests sent to another process.", (of) => of.retries),
  counter(
    "std_fpm_program_taken_back",
    "Requests taken back from a process that works on after its answer.",
    (of) => of.taken_back,
  ),
  counter(
    "std_fpm_program_stale_records",
    "Records of earlier requests that were dropped.",
    (of) => of.stale_records,
  ),
  counter("std_fpm_program_starts", "Processes started.", (of) => of.started),
  counter("std_fpm_program_failed_starts", "Starts that failed.", (of) => of.failed_starts),
  counters("std_fpm_program_exits", "Ends of processes by their cause.", "cause", (of) => ({ ...of.exits })),
  counter("std_fpm_program_received_bytes", "Bytes handed to the program.", (of) => of.received_bytes),
  counter("std_fpm_program_sent_bytes", "Bytes that came from the program.", (of) => of.sent_bytes),
  counter("std_fpm_program_cpu_seconds", "CPU time of its processes.", (of) => of.cpu_seconds),
  histogram(
    "std_fpm_program_latency_seconds",
    "From a request's head to the end of its answer.",
    (of) => of.latency,
  ),
  histogram("std_fpm_program_wait_seconds", "From asking for a process to having one.", (of) => of.wait),
  learned(
    "std_fpm_program_service_seconds",
    "S: how long a request takes.",
    (of) => of.learned.service_seconds,
  ),
  learned(
    "std_fpm_program_boot_seconds",
    "B: how long a process takes to start.",
    (of) => of.learned.boot_seconds,
  ),
  learned(
    "std_fpm_program_cpu_share",
    "u: the part of a core that it uses at work.",
    (of) => of.learned.cpu_share,
  ),
  learned(
    "std_fpm_program_process_memory_bytes",
    "M: memory of one process.",
    (of) => of.learned.memory_bytes,
  ),
  learned("std_fpm_program_processes_limit", "Most processes it may have now.", (of) => of.limit),
];

/** A label as the text formats have it. */
export function labelOf(name: string, value: string): string {
  return `${name}="${escapeText(value)}"`;
}

export function escapeText(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function single(
  name: string,
  type: Metric["type"],
  help: string,
  labels: readonly string[],
  own: Metric["own"],
): Metric {
  return { name, type, help, labels, of: () => [], own };
}

function one(name: string, help: string, read: (snapshot: Snapshot) => number): Metric {
  return single(name, "gauge", help, [], (snapshot) => [{ labels: "", suffix: "", value: read(snapshot) }]);
}

function gauge(name: string, help: string, read: Value): Metric {
  return perProgram(name, "gauge", help, [], (of) => [{ labels: "", suffix: "", value: read(of) }]);
}

function counter(name: string, help: string, read: Value): Metric {
  return perProgram(name, "counter", help, [], (of) => [{ labels: "", suffix: "_total", value: read(of) }]);
}

/** Left out where it is not known. */
function learned(name: string, help: string, read: (program: ProgramStatus) => number | null): Metric {
  return perProgram(name, "gauge", help, [], (of) => {
    const value = read(of);
    return value === null ? [] : [{ labels: "", suffix: "", value }];
  });
}

function gauges(name: string, help: string, label: string, readAll: Values): Metric {
  return perProgram(name, "gauge", help, [label], (of) => labelled(label, readAll(of), ""));
}

/** `others`: what came to no program. */
function counters(
  name: string,
  help: string,
  label: string,
  readAll: Values,
  others: (snapshot: Snapshot) => Readonly<Record<string, number>> = () => ({}),
): Metric {
  return {
    ...perProgram(name, "counter", help, [label], (of) => labelled(label, readAll(of), "_total")),
    own: (snapshot) =>
      labelled(label, others(snapshot), "_total").map(({ labels, ...sample }) => ({
        ...sample,
        labels: `${labelOf("program", "")},${labels}`,
      })),
  };
}

function histogram(name: string, help: string, read: (numbers: Numbers) => HistogramStatus): Metric {
  return perProgram(name, "histogram", help, ["le"], (of) => bucketsOf(read(of)));
}

function perProgram(
  name: string,
  type: Metric["type"],
  help: string,
  labels: readonly string[],
  of: Metric["of"],
): Metric {
  return { name, type, help, labels: ["program", ...labels], of, own: () => [] };
}

/** As many samples as there are values, with the name of each in a label. */
function labelled(label: string, values: Readonly<Record<string, number>>, suffix: string): Sample[] {
  const texts = LABELS.get(label) ?? new Map<string, string>();
  LABELS.set(label, texts);
  return Object.entries(values).map(([name, value]) => {
    const labels = texts.get(name) ?? labelOf(label, name);
    texts.set(name, labels);
    return { labels, suffix, value };
  });
}

/** Each bucket counts those below it, too. */
function bucketsOf({ buckets, count, sum_seconds }: HistogramStatus): Sample[] {
  let sum = 0;
  const samples: Sample[] = BUCKET_LABELS.map((labels, index) => {
    sum += buckets[index] ?? 0;
    return { labels, suffix: "_bucket", value: sum };
  });
  samples.push(
    { labels: LAST_BUCKET_LABEL, suffix: "_bucket", value: count },
    { labels: "", suffix: "_count", value: count },
    { labels: "", suffix: "_sum", value: sum_seconds },
  );
  return samples;
}

/** OpenMetrics wants the canonical form of a floating-point number, with a dot. */
function le(seconds: number): string {
  return Number.isInteger(seconds) ? `${seconds}.0` : String(seconds);
}
