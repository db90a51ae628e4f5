import { Type } from "@sinclair/typebox";
import { duration, integer, path, size, TABLE } from "./keys.ts";

const RESERVED_ENV = /^(?:FCGI_WEB_SERVER_ADDRS|NOTIFY_SOCKET|LISTEN_[A-Z]+)$/;

/** `[app]`, complete. */
export const appSchema = Type.Object(
  {
    extensions: Type.Array(
      Type.String({ pattern: "^\\.[!-.0-~]+$", expected: 'an ending with its dot, such as ".fcgi"' }),
      {
        minItems: 1,
        default: [".fcgi", ".fpl"],
        description: "Only files with one of these endings run.",
        expected: 'a list of endings, such as [".fcgi"]',
      },
    ),
    roots: Type.Array(Type.String(path(undefined, undefined)), {
      default: [],
      description: "Folders whose programs may run; an empty list allows any.",
      expected: 'a list of absolute paths, such as ["/srv/www"]',
    }),
    command: Type.Array(Type.String({ pattern: "^[^\\0]*$", expected: "a string" }), {
      default: [],
      description:
        "Interpreter and arguments, started instead of the program; it gets SCRIPT_FILENAME itself.",
      expected: 'a list of strings, such as ["/usr/bin/php-cgi"]',
      verify: verifyCommand,
    }),
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
    max_processes: integer(0, 1_000_000, 0, "Most processes of one program; 0 = automatic."),
    min_processes: integer(0, 1_000_000, 0, "Processes that are kept even if idle."),
    max_requests: integer(0, 1_000_000_000, 0, "A process ends after so many requests, ±10 %; 0 = never."),
    max_age: duration("0", "A process ends at this age, ±10 %, when it is free; 0 = never."),
    max_memory: size("A process that holds more memory ends when it is free; 0 = no limit."),
    max_memory_hard: size("A process that holds more memory is killed, also at work; 0 = no limit."),
    idle_timeout: duration("3m", "Idle processes above `min_processes` end after this time."),
    queue_timeout: duration("30s", "Longest wait of a request for a free process.", "positive"),
    queue_length: integer(0, 1_000_000, 0, "Most requests waiting for one program; 0 = 1024."),
    start_timeout: duration(
      "30s",
      "How long a new process may take to accept its first connection.",
      "positive",
    ),
    request_timeout: duration("0", "Longest run of one request; 0 = no limit."),
    body_timeout: duration(
      "60s",
      "How long an upload may stall, or a client may not read the answer.",
      "positive",
    ),
    abort_timeout: duration("10s", "How long a process may go on for a client that has left."),
    stop_timeout: duration("10s", "How long a process may take to end after SIGTERM."),
    keep_connection: Type.Boolean({
      default: true,
      description: "Keep the connection to a process open between requests.",
      expected: "true or false",
    }),
  },
  TABLE,
);

function verifyCommand(command: readonly string[]): string | undefined {
  const [executable] = command;
  if (executable === undefined || executable.startsWith("/")) return undefined;
  return `expected the absolute path of an executable first, found ${JSON.stringify(executable)}`;
}

function verifyEnv(env: Readonly<Record<string, string>>): string | undefined {
  for (const variable in env) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(variable))
      return `${JSON.stringify(variable)} is not a name of a variable`;
    if (RESERVED_ENV.test(variable))
      return `${variable} would make programs misbehave and is never passed on`;
  }
  return undefined;
}
