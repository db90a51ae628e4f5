import { type Static, type TSchema, Type } from "@sinclair/typebox";

/** All that is known of a daemon, as `/status.json` gives it: each program at one moment. */
export type Snapshot = Static<typeof snapshotSchema>;
/** What is known of one program. */
export type ProgramStatus = Static<typeof programSchema>;
export type ProcessStatus = Static<typeof processSchema>;
export type RequestStatus = Static<typeof requestSchema>;
/** What is counted of one program, and of all together. */
export type Numbers = Static<typeof numbersSchema>;
export type HistogramStatus = Static<typeof histogramSchema>;

/**
 * The version of the form of a snapshot. What is named in docs/status.md as staying keeps its name, type and meaning as long as this number does; new keys may come at
 * any time.
 */
export const SCHEMA_VERSION = 1;

const count = (description: string) => Type.Integer({ description });
const number = (description: string) => Type.Number({ description });
const text = (description: string) => Type.String({ description });
const orNull = <Schema extends TSchema>(schema: Schema) =>
  Type.Union([schema, Type.Null()], { description: schema.description ?? "" });

const described = <Schema extends TSchema>(schema: Schema, description: string): Schema => ({
  ...schema,
  description,
});

const histogramSchema = Type.Object({
  count: count("How many were measured."),
  sum_seconds: number("Their times added up."),
  p50_seconds: orNull(number("Half of them took this long at most; null while there are none.")),
  p90_seconds: orNull(number("Nine in ten took this long at most.")),
  p99_seconds: orNull(number("99 in a hundred took this long at most.")),
  max_seconds: orNull(number("The longest took this long.")),
  buckets: Type.Array(Type.Number(), {
    description:
      "How many took up to 0.25 ms, up to 0.5 ms, up to 1 ms, and so on, doubled each time; the last number has those above 131 s.",
  }),
});

const statesSchema = Type.Object({
  starting: count("Started, and nothing accepted yet."),
  idle: count("Ready, and no request at work."),
  busy: count("At work on a request."),
  on_its_own: count("Not back yet: its client has left, or it works on after its answer."),
  retiring: count("At work on their last request, or about to end by themselves."),
  stopping: count("Told to end."),
});

const exitsSchema = Type.Object({
  asked_for: count("Ended by std-fpm: idle, recycled, replaced, too slow, or asked for."),
  own_will: count("Ended by themselves with status 0, or by SIGPIPE as their client had left."),
  crash: count("Ended by a signal, or with another status than 0."),
  boot_failure: count("Ended before they accepted a connection."),
});

const outcomesSchema = Type.Object({
  answered: count("The whole answer was handed on: the program's, or a page of std-fpm's own."),
  refused: count("std-fpm answered itself; `failures` has the reasons."),
  truncated: count("The answer broke off; `failures` has the reasons."),
  client_left: count("The web server gave up before the end."),
});

const responsesSchema = Type.Object({
  "1xx": count("Such as 101 Switching Protocols."),
  "2xx": count("Success."),
  "3xx": count("Redirections."),
  "4xx": count("What the program finds wrong with requests."),
  "5xx": count("What goes wrong in the program."),
});

const numbersSchema = Type.Object({
  processes: described(statesSchema, "Processes by what they are at; all that live are one of these."),
  in_flight: count("Requests that a process is at work on."),
  queue_length: count("Requests that wait for a process."),
  queue_oldest_seconds: number("How long the oldest of them has waited."),
  queued: count("Requests that had to wait since the start."),
  requests: described(outcomesSchema, "Requests by how they ended, since the start."),
  responses: described(
    responsesSchema,
    "Whole answers of the program by the class of the status that their header says; what std-fpm answered itself is in `failures`.",
  ),
  failures: Type.Record(Type.String(), Type.Integer(), {
    description: "Requests that were refused or broke off, by code (docs/errors.md).",
  }),
  slow: count("Requests that took longer than `[slow_log] after`; those that still do are counted."),
  held_back: count(
    "Times that a process more was wanted and there was no room among all programs (`max_processes` of `[server]`, and what each leaves to the others).",
  ),
  retries: count("Requests that were sent to another process because the first one never saw or lost them."),
  taken_back: count("Those among them that were taken back from a process that works on after its answer."),
  stale_records: count(
    "Records of earlier requests that came on a kept connection and were dropped: a child of the program sent them. From the first on, its connections are not kept.",
  ),
  started: count("Processes started."),
  failed_starts: count("Starts that failed: the program could not be executed, or ended too early."),
  exits: described(exitsSchema, "Processes that have ended, by cause."),
  received_bytes: count("Bytes handed to the programs: records with their headers."),
  sent_bytes: count("Bytes that came from the programs, the same way."),
  cpu_seconds: number(
    "CPU time that the processes used, as far as they were looked at: once a second at least.",
  ),
  latency: described(
    histogramSchema,
    "From a request's head (and its body, if that is small) to the end of its answer.",
  ),
  wait: described(histogramSchema, "From asking for a process to having one; 0 where one was free."),
});

const learnedSchema = Type.Object({
  service_seconds: orNull(number("S: how long a request takes; null while unknown.")),
  boot_seconds: orNull(number("B: how long a process takes from its start to its first accept.")),
  cpu_share: orNull(number("u: the part of a core that a process uses while at work, 0 to 1.")),
  memory_bytes: orNull(number("M: what a process holds in memory, without what it shares with others.")),
});

const requestSchema = Type.Object({
  method: text("Its method."),
  uri: text("Its path, without the query string, which may hold secrets; cut after 200 characters."),
  age_seconds: number("How long a process has been at work on it."),
});

const processSchema = Type.Object({
  pid: count("Its process id; 0 while none runs (a place for CGI processes)."),
  children: Type.Array(count("A process id."), {
    description:
      "With `children` the processes that it has started to share its work; what it holds in memory counts theirs.",
  }),
  state: text("`starting`, `idle`, `busy`, `on_its_own`, `retiring` or `stopping`."),
  age_seconds: number("How long ago it was started."),
  idle_seconds: number("How long it has been without work; 0 while it is at work."),
  served: count("Requests it has answered."),
  cpu_seconds: orNull(
    number("CPU time of its main thread, with `children` of theirs, too; null when it was not looked at."),
  ),
  memory_bytes: orNull(
    number("Memory it holds, without what it shares with files and others; null when it was not looked at."),
  ),
  requests: Type.Array(requestSchema, { description: "What it is at work on: the eight oldest." }),
});

const lastErrorSchema = Type.Object({
  code: text("The code (docs/errors.md)."),
  message: text("What happened, as in the log."),
  age_seconds: number("How long ago."),
});

const programSchema = Type.Composite([
  Type.Object({
    name: text("The program's path, or the interpreter and the settings that it serves."),
    settings: text(
      "Which tables of the configuration hold for it: by their names: `app`, or `php + /srv/shop/**`.",
    ),
    is_gone: Type.Boolean({ description: "Whether it has no processes any more." }),
  }),
  numbersSchema,
  Type.Object({
    limit: orNull(
      count(
        "Most processes it may have now: from what it costs, its `max_processes`, or that of all programs; null = no limit.",
      ),
    ),
    failed_in_a_row: count("Starts that failed one after the other; at three requests are refused."),
    next_start_seconds: number("How long it is until the next start may be tried; 0 = now."),
    learned: described(
      learnedSchema,
      "What was learned of the program, and decides how many processes it gets.",
    ),
    last_error: orNull(described(lastErrorSchema, "What went wrong last, if anything has.")),
    process_list: Type.Optional(Type.Array(processSchema, { description: "Its processes, with `?full`." })),
  }),
]);

export const snapshotSchema = Type.Object({
  version: text("The version of std-fpm."),
  schema: count("The version of the form of all this: see above."),
  hostname: text("The name of the machine, or of its container."),
  pid: count("The process id of the daemon."),
  state: text(
    "`running`; `retiring`: another daemon has taken over; `draining`, `stopping`: it was told to stop.",
  ),
  started_at: text("When the daemon was started (RFC 3339)."),
  start_seconds: count("The same, in seconds since 1970."),
  uptime_seconds: number("How long ago that was."),
  cores: number(
    "Cores that processes may use; fewer than the machine's where a control group or the affinity mask says so, and maybe a fraction.",
  ),
  cores_from: text("What says so: `the machine`, `the affinity mask`, or the file of a control group."),
  memory_limit_bytes: count("Memory that the budget of the processes is a part of."),
  memory_limit_from: text("What says so: `the machine`, or the file of a control group."),
  max_processes: count("Most processes of all programs together."),
  max_processes_from: text(
    "What says so: `the setting max_processes`, `memory`, `descriptors`, or the file of a control group.",
  ),
  connections: count("Open connections from web servers."),
  max_connections: count("Most of them that are served at once."),
  descriptors: count("Descriptors that std-fpm has open."),
  max_descriptors: count("Most that it may have open (RLIMIT_NOFILE)."),
  connections_waiting: count("Those that wait for a place; more may wait in the kernel."),
  connections_waited: count("Connections that had to wait, since the start."),
  buffered_bytes: count("What is held in memory of requests and answers that wait for somebody."),
  buffer_limit_bytes: count("Most that may be held (`buffer_limit`)."),
  spooled_bytes: count("What is held of request bodies in `spool_dir`."),
  left_behind: count(
    "Processes that programs have left behind when they ended: jobs, with `&`, `nohup` or `setsid`.",
  ),
  daemon_memory_bytes: count("Memory of std-fpm itself (resident)."),
  daemon_cpu_seconds: number("CPU time of std-fpm itself."),
  total: described(numbersSchema, "All programs together, and requests that came to none."),
  others: Type.Object(
    {
      requests: described(outcomesSchema, "By how they ended."),
      failures: Type.Record(Type.String(), Type.Integer(), { description: "By code, as above." }),
      forgotten: count("Programs that are counted here since they have not been used for long."),
    },
    { description: "Requests that came to no program, and programs that are not listed any more." },
  ),
  programs: Type.Array(programSchema, {
    description: "Every program with processes, then the 128 that had some last.",
  }),
});
