import { Type } from "@sinclair/typebox";
import { firstPatternProblem } from "../base/path-pattern.ts";
import { reservedProblem, VARIABLE_NAME } from "../base/variable-names.ts";
import { command, duration, integer, name, oneOf, path, size, TABLE } from "./keys.ts";
import { parseDuration, parseSize } from "./units.ts";

const VARIABLE = `^${VARIABLE_NAME}$`;
/** The kernel's highest user number. */
const MAX_ID = 4_294_967_294;
/** Below this not even a loader fits. */
const LEAST_AS = 4 * 2 ** 20;

/** `app.limits`: only those that are given are set; setrlimit(2). */
const limitsSchema = Type.Object(
  {
    nofile: Type.Optional(integer(8, 1_048_576, 1024, "Open files.")),
    nproc: Type.Optional(integer(0, 4_194_304, 0, "Processes of the user.")),
    core: Type.Optional(size("Size of a core file.")),
    as: Type.Optional(size("Address space.")),
    cpu: Type.Optional(duration("1s", "CPU time of one process.", "positive")),
  },
  {
    ...TABLE,
    default: {},
    description:
      "Resource limits of each process: `nofile`, `nproc` (numbers), `core`, `as` (sizes), `cpu` (duration).",
    expected: 'a table such as { nofile = 4096, as = "2G" }',
    verify: verifyLimits,
  },
);

/** `[app]`, complete. */
export const appSchema = Type.Object(
  {
    extensions: Type.Array(
      Type.String({
        pattern: "^[^/\\u0000-\\u001f\\u007f]{0,255}$",
        expected: 'an ending with its dot, the whole name of a file, or "" for any name',
      }),
      {
        minItems: 1,
        default: [".fcgi", ".fpl"],
        description:
          'Only files with one of these endings run; one without a dot in front is a whole name, "" is any that begins with no dot.',
        expected: 'a list of endings, such as [".fcgi"]',
        verify: verifyExtensions,
      },
    ),
    extensions_ignore_case: Type.Boolean({
      default: false,
      description: "Whether capitals and small letters are the same in `extensions`.",
      expected: "true or false",
    }),
    any_path: Type.Boolean({
      default: false,
      description:
        "With `command`: it serves every path here, whether there is a file or not, and must not show files that it is asked for.",
      expected: "true or false",
    }),
    roots: Type.Array(Type.String(path(undefined, undefined)), {
      default: [],
      description: "Folders whose programs may run; an empty list allows any.",
      expected: 'a list of absolute paths, such as ["/srv/www"]',
    }),
    protocol: oneOf(
      ["fastcgi", "cgi"],
      "fastcgi",
      "What programs speak; cgi = plain CGI (RFC 3875), a process for each request.",
    ),
    command: command(
      "Interpreter and arguments, started instead of the program; it gets SCRIPT_FILENAME itself.",
      ["/usr/bin/php-cgi"],
    ),
    cwd: Type.String({
      pattern: "^(?:/[^\\0]*)?$",
      default: "",
      description: "Working folder; empty = the program's own folder, or / with `command`.",
      expected: 'an absolute path or ""',
    }),
    env: Type.Record(Type.String(), Type.String({ pattern: "^[^\\0]*$", expected: "a string" }), {
      default: {},
      description: "Environment variables of the processes; merged over tables and files.",
      expected: 'a table of strings, such as { LANG = "C.UTF-8" }',
      verify: verifyEnv,
    }),
    env_file: Type.String({
      pattern: "^(?:/[^\\0]*)?$",
      default: "",
      description:
        "File of NAME=value lines that only root and std-fpm's user may read; read at each start, goes before `env`.",
      expected: 'an absolute path or ""',
    }),
    env_pass: Type.Array(Type.String({ pattern: VARIABLE, expected: "the name of a variable" }), {
      default: [],
      description: "Variables of std-fpm's own environment that are passed on; `env` goes before them.",
      expected: 'a list of names, such as ["TZ"]',
      verify: (names: readonly string[]) => reservedProblem(names),
    }),
    wrapper: command("A command that is put in front of the program, with its arguments.", [
      "/usr/bin/ionice",
    ]),
    user: name(
      'User (name or number) that processes run as, "owner" = of the program\'s file; only root can, and must, name one.',
    ),
    group: name("Group (name or number) of the processes; empty = the user's own."),
    lowest_uid: integer(
      1,
      MAX_ID,
      1000,
      'With `user = "owner"`: files of users below this number do not run.',
    ),
    nice: integer(-20, 19, 0, "Scheduling priority (nice(1)); 0 leaves it as it is."),
    cgroup: Type.String({
      pattern: "^(?:/[^\\0]*)?$",
      default: "",
      description:
        "Folder of the control group that processes are started in; empty leaves them in that of std-fpm.",
      expected: 'an absolute path such as "/sys/fs/cgroup/sites", or ""',
    }),
    umask: Type.String({
      pattern: "^(?:0?[0-7]{3})?$",
      default: "",
      description: "Permissions that files of the processes do not get, in octal; empty = that of std-fpm.",
      expected: 'octal permissions in quotes, such as "0027", or ""',
    }),
    no_new_privileges: Type.Boolean({
      default: false,
      description: "Processes gain no rights by executing something: no sudo, no set-user-id programs.",
      expected: "true or false",
    }),
    limits: limitsSchema,
    concurrency: integer(1, 100_000, 1, "Requests that one process serves at once."),
    children: integer(
      0,
      1000,
      0,
      "With `command`: processes that each process starts to share its work, as php-cgi does; sets PHP_FCGI_CHILDREN and `concurrency`. 0 = none.",
    ),
    max_processes: integer(
      0,
      1_000_000,
      0,
      "Most processes of one program, and one more with `children` while one takes the place of another; 0 = automatic.",
    ),
    min_processes: integer(0, 1_000_000, 0, "Processes that are kept even if idle."),
    restart_on_change: Type.Array(Type.String({ pattern: "^[^\\0]+$", expected: "a path" }), {
      default: [],
      description:
        "Files, folders, links and patterns (`lib/**/*.pm`) whose change replaces the processes, as that of the program does; relative to `cwd`.",
      expected: 'a list of paths and patterns, such as ["config.yml", "lib/**/*.pm"]',
      verify: firstPatternProblem,
    }),
    max_requests: integer(0, 1_000_000_000, 0, "A process ends after so many requests, ±10 %; 0 = never."),
    max_age: duration("0", "A process ends so long after it was ready, ±10 %, when it is free; 0 = never."),
    max_memory: size(
      "A process that holds more memory (resident, with what it shares) ends when it is free; 0 = no limit.",
    ),
    max_memory_hard: size(
      "A process that holds more memory (resident, with what it shares) is killed, also at work; 0 = no limit.",
    ),
    idle_timeout: duration("3m", "Idle processes above `min_processes` end after this time."),
    queue_timeout: duration("30s", "Longest wait of a request for a free process.", "positive"),
    queue_length: integer(
      0,
      1_000_000,
      0,
      "Most requests waiting for one program when no more of its processes can come; 0 = 1024.",
    ),
    start_timeout: duration(
      "30s",
      "How long a new process may take to accept its first connection.",
      "positive",
    ),
    request_timeout: duration("0", "Longest run of one request; 0 = no limit."),
    body_timeout: duration(
      "60s",
      "How long an upload may stall, or a client may not read the answer; [app]'s also holds for [[apps]] while a small body is awaited and an answer is read.",
      "positive",
    ),
    spool: oneOf(
      ["auto", "always", "never"],
      "auto",
      "Bodies taken whole before a process gets them: auto = those of unknown length, and all for plain CGI; always = all; never = none: a process is lent at the end of the head and gets the body as it comes.",
    ),
    max_body: size("A larger request body is refused with 413; 0 = no limit."),
    abort_timeout: duration(
      "0",
      "How long a process may go on for a client that has left; 0 = as long as it likes.",
    ),
    stop_timeout: duration("10s", "How long a process may take to end after SIGTERM."),
    output_limit: integer(
      0,
      1_000_000,
      1000,
      "Most lines a second that the log takes of what a program prints, and the web server of its `stderr`; 0 = all.",
    ),
    stderr: oneOf(
      ["log", "client", "both"],
      "log",
      "Where a plain CGI program's stderr goes: the log, the web server's error log, or both.",
    ),
    log_stderr: Type.Boolean({
      default: true,
      description:
        "Whether what FastCGI programs send as FCGI_STDERR is in the log, too; the web server gets it always.",
      expected: "true or false",
    }),
    keep_connection: Type.Boolean({
      default: true,
      description: "Keep the connection to a process open between requests.",
      expected: "true or false",
    }),
  },
  TABLE,
);

function verifyExtensions(names: readonly string[]): string | undefined {
  const wrong = names.find((each) => /^\.{1,2}$/.test(each));
  return wrong === undefined ? undefined : `${JSON.stringify(wrong)} is a folder, and no ending`;
}

function verifyEnv(env: Readonly<Record<string, string>>): string | undefined {
  const wrong = Object.keys(env).find((variable) => !new RegExp(VARIABLE).test(variable));
  return wrong === undefined
    ? reservedProblem(Object.keys(env))
    : `${JSON.stringify(wrong)} is not a name of a variable`;
}

function verifyLimits({ cpu, as }: { readonly cpu?: string; readonly as?: string }): string | undefined {
  if (cpu !== undefined && (parseDuration(cpu) ?? 0) % 1000 !== 0)
    return `cpu is counted in whole seconds, found ${cpu}`;
  if (as !== undefined && (parseSize(as) ?? 0) < LEAST_AS)
    return `as = ${JSON.stringify(as)} is too little to start any program`;
  return undefined;
}
