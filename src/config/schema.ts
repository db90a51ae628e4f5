import { type Static, type TSchema, Type } from "@sinclair/typebox";
import { MAX_SOCKET_PATH_BYTES } from "../base/socket-path.ts";
import { byteLength, parseListenAddress } from "./listen-address.ts";
import { MAX_DURATION_MS, parseDuration } from "./units.ts";

/** What std-fpm adds to a schema: `expected` for the message, `verify` for what a pattern cannot say. */
export interface Annotations {
  readonly expected: string;
  readonly description?: string;
  readonly default?: unknown;
  /** The reason why a value of the right shape is refused, or undefined. */
  verify?(value: never): string | undefined;
}

export type ServerTable = Static<typeof serverSchema>;
export type LogTable = Static<typeof logSchema>;
export type AppTable = Static<typeof appSchema>;
export type AppsTable = Partial<AppTable> & { match: string };
/** One file: any table, any key of it. */
export type ConfigFile = Static<typeof configFileSchema>;

const TABLE = { additionalProperties: false, expected: "a table" };
/** The longest name below runtime_dir that the daemon gives to a socket. */
const LONGEST_BACKEND_SOCKET = "/backends/NNNNNNN.sock";
const RESERVED_ENV = /^(?:FCGI_WEB_SERVER_ADDRS|NOTIFY_SOCKET|LISTEN_[A-Z]+)$/;

/** `[server]`, complete. */
export const serverSchema = Type.Object(
  {
    listen: Type.Union([Type.String(), Type.Array(Type.String(), { minItems: 1 })], {
      default: "/run/std-fpm/std-fpm.sock",
      description:
        "Where web servers reach std-fpm: a socket path, an address with port, or a list of these.",
      expected: 'an absolute path, "127.0.0.1:9000", "[::1]:9000", or a list of these',
      verify: verifyListen,
    }),
    listen_mode: Type.String({
      pattern: "^0?[0-7]{3}$",
      default: "0660",
      description: "Permissions of the Unix socket, in octal.",
      expected: 'octal permissions in quotes, such as "0660"',
    }),
    listen_owner: name("User (name or number) that owns the Unix socket; empty leaves it as it is."),
    listen_group: name("Group (name or number) of the Unix socket; empty leaves it as it is."),
    listen_backlog: integer(1, 65_535, 1024, "Connections that may wait to be accepted."),
    runtime_dir: Type.String({
      ...path("/run/std-fpm", "Folder for the pid file and the backends' sockets; created when missing."),
      verify: verifyRuntimeDir,
    }),
    include: Type.String({
      pattern: "^(?:/[^\\0]*)?$",
      default: "/etc/std-fpm/conf.d/*.toml",
      description: "Glob of files read after this one, in the order of their names; empty for none.",
      expected: 'an absolute path that may contain *, such as "/etc/std-fpm/conf.d/*.toml", or ""',
    }),
    max_processes: integer(
      0,
      1_000_000,
      0,
      "Most processes of all programs together; 0 = from memory and descriptors.",
    ),
    max_connections: integer(
      0,
      1_000_000,
      0,
      "Most connections from web servers; 0 = from the descriptor limit.",
    ),
    head_timeout: duration("30s", "Longest time a client may take for the head of a request.", "positive"),
    drain_timeout: duration("30s", "How long requests in flight may go on after a stop was asked for."),
  },
  TABLE,
);

/** `[log]`, complete. */
export const logSchema = Type.Object(
  {
    level: oneOf(["debug", "info", "warn", "error"], "info", "The least important lines that are written."),
    format: oneOf(
      ["auto", "pretty", "plain", "json"],
      "auto",
      "How lines look; auto = pretty on a terminal, else plain.",
    ),
  },
  TABLE,
);

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

/** `match` of `[[apps]]`, which has every key of `[app]` beside it. */
export const matchSchema = Type.String({
  pattern: "^/[^\\0]*$",
  description: "Glob on the absolute requested path; * stays within a folder, ** does not.",
  expected: 'a glob that begins with "/", such as "/srv/www/**/*.php"',
});

/** `[[apps]]`: `match` and any key of `[app]`. */
export const appsSchema = Type.Composite(
  [Type.Object({ match: matchSchema }), Type.Partial(appSchema)],
  TABLE,
);

/** A configuration file. */
export const configFileSchema = Type.Object(
  {
    server: Type.Optional(Type.Partial(serverSchema, TABLE)),
    log: Type.Optional(Type.Partial(logSchema, TABLE)),
    app: Type.Optional(Type.Partial(appSchema, TABLE)),
    apps: Type.Optional(Type.Array(appsSchema, { expected: "[[apps]] tables, in double brackets" })),
  },
  TABLE,
);

/** The annotations of a schema of this file. */
export function annotationsOf(schema: TSchema): Annotations {
  return schema as unknown as Annotations;
}

function name(description: string) {
  return Type.String({
    pattern: "^[^\\0:/\\s]*$",
    default: "",
    description,
    expected: 'a name or a number in quotes, or ""',
  });
}

function integer(minimum: number, maximum: number, fallback: number, description: string) {
  return Type.Integer({
    minimum,
    maximum,
    default: fallback,
    description,
    expected: `a whole number from ${minimum} to ${maximum}`,
  });
}

function duration(fallback: string, description: string, range: "positive" | "any" = "any") {
  const isPositive = range === "positive";
  return Type.String({
    pattern: isPositive ? "^0*[1-9][0-9]*(?:ms|s|m|h)$" : "^(?:0|[0-9]+(?:ms|s|m|h))$",
    default: fallback,
    description,
    expected: `a duration ${isPositive ? "above 0 " : ""}such as "500ms", "30s", "3m" or "1h"`,
    verify: verifyDuration,
  });
}

function size(description: string) {
  return Type.String({
    pattern: "^[0-9]{1,15}[KMG]?$",
    default: "0",
    description,
    expected: 'a size such as "64K", "256M" or "1G"',
  });
}

function path(fallback: string | undefined, description: string | undefined) {
  return {
    pattern: "^/[^\\0]*$",
    expected: "an absolute path",
    ...(fallback === undefined ? {} : { default: fallback }),
    ...(description === undefined ? {} : { description }),
  };
}

function oneOf<const Words extends string[]>(words: Words, fallback: Words[number], description: string) {
  return Type.Unsafe<Words[number]>(
    Type.String({
      pattern: `^(?:${words.join("|")})$`,
      default: fallback,
      description,
      expected: words.map((word) => `"${word}"`).join(", "),
    }),
  );
}

function verifyDuration(text: string): string | undefined {
  const milliseconds = parseDuration(text) ?? Number.POSITIVE_INFINITY;
  return milliseconds > MAX_DURATION_MS ? `${text} is too long; the longest duration is 576h` : undefined;
}

function verifyListen(value: string | readonly string[]): string | undefined {
  const texts = typeof value === "string" ? [value] : value;
  for (const [index, text] of texts.entries()) {
    if (texts.indexOf(text) !== index) return `${JSON.stringify(text)} is in the list twice`;
    const address = parseListenAddress(text);
    if (address === undefined || text.includes("\0")) {
      return `expected an absolute path, "127.0.0.1:9000" or "[::1]:9000", found ${JSON.stringify(text)}`;
    }
    if (address.kind === "unix" && text.endsWith("/"))
      return `${JSON.stringify(text)} names a folder, not a socket`;
    if (address.kind === "unix" && byteLength(text) > MAX_SOCKET_PATH_BYTES) return tooLong(text);
  }
  return undefined;
}

function verifyRuntimeDir(folder: string): string | undefined {
  const longest = folder.replace(/\/+$/, "") + LONGEST_BACKEND_SOCKET;
  if (byteLength(longest) <= MAX_SOCKET_PATH_BYTES) return undefined;
  return `${JSON.stringify(folder)} is too long: ${tooLong(longest)}`;
}

function tooLong(socket: string): string {
  return `the socket path ${socket} has ${byteLength(socket)} bytes; the kernel takes at most ${MAX_SOCKET_PATH_BYTES}`;
}

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
