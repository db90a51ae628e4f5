import { type Static, Type } from "@sinclair/typebox";
import { patternProblem } from "../base/path-pattern.ts";
import { parseAccessFormat } from "./access-format.ts";
import { adminSchema } from "./admin-schema.ts";
import { appSchema } from "./app-schema.ts";
import { command, duration, file, oneOf, TABLE } from "./keys.ts";
import { serverSchema } from "./server-schema.ts";

export type ServerTable = Static<typeof serverSchema>;
export type LogTable = Static<typeof logSchema>;
export type AccessLogTable = Static<typeof accessLogSchema>;
export type SlowLogTable = Static<typeof slowLogSchema>;
export type AdminTable = Static<typeof adminSchema>;
export type AppTable = Static<typeof appSchema>;
export type AppsTable = Partial<AppTable> & { match: string; name?: string; role?: AppsRole };
export type AppsRole = Static<typeof roleSchema>;
/** One file: any table, any key of it. */
export type ConfigFile = Static<typeof configFileSchema>;

/** What the settings are called that hold for programs which no `[[apps]]` table covers. */
export const BASE_NAME = "app";

/** `[log]`, complete. */
export const logSchema = Type.Object(
  {
    level: oneOf(["debug", "info", "warn", "error"], "info", "The least important lines that are written."),
    format: oneOf(
      ["auto", "pretty", "plain", "json"],
      "auto",
      "How lines look; auto = pretty on a terminal, else plain.",
    ),
    file: file(
      "File that lines are appended to, opened anew on SIGUSR1; empty = stderr.",
      "/var/log/std-fpm/std-fpm.log",
    ),
    request_fields: Type.Array(
      Type.String({ pattern: "^[A-Za-z_][A-Za-z0-9_]{0,99}$", expected: "the name of a parameter" }),
      {
        maxItems: 16,
        default: [],
        description: "Parameters of a request that errors, slow reports and lines of programs name, too.",
        expected: 'a list of up to 16 names, such as ["REMOTE_ADDR", "HTTP_X_REQUEST_ID"]',
      },
    ),
  },
  TABLE,
);

/** `[access_log]`, complete. */
export const accessLogSchema = Type.Object(
  {
    file: file(
      "File that gets a line for each request, opened anew on SIGUSR1; empty = no access log.",
      "/var/log/std-fpm/access.log",
    ),
    format: Type.String({
      pattern: "^[^\\0\\r\\n]*$",
      default: "combined",
      description: "How lines look: combined, json, or a template such as `%R %t %m %r %s %{milli}d`.",
      expected: 'one line: "combined", "json" or a template',
      verify: verifyFormat,
    }),
  },
  TABLE,
);

/** `[slow_log]`, complete. */
export const slowLogSchema = Type.Object(
  {
    after: duration("5s", "A request that takes longer is reported, with what it waits for; 0 = never."),
    command: command("A tracer that is run for a slow request; `{pid}` stands for its process.", [
      "/usr/bin/py-spy",
      "dump",
      "--pid",
      "{pid}",
    ]),
  },
  TABLE,
);

/** `match` of `[[apps]]`, which has every key of `[app]` beside it. */
export const matchSchema = Type.String({
  pattern: "^(?:/|\\*\\*/)[^\\0]*$",
  description:
    "Glob on the absolute requested path; * stays within a folder, ** does not. `**/*.php` is every folder's.",
  expected: 'a glob that begins with "/" or "**/", such as "/srv/www/**/*.php"',
  verify: patternProblem,
});

/** `name` of `[[apps]]`. */
export const tableNameSchema = Type.String({
  pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
  description:
    "What a program of `command` is called in logs, status, metrics and commands; without it the table's `match`.",
  expected: 'a short name of letters, digits, "-", "_" and ".", such as "php"',
  verify: (name: string) =>
    name === BASE_NAME ? `"${BASE_NAME}" is the name of what [app] alone sets` : undefined,
});

/** `role` of `[[apps]]`: what the web server asks of a program (FastCGI specification §6). */
export const roleSchema = oneOf(
  ["any", "responder", "authorizer"],
  "any",
  "Only for requests in this role: responder = those for an answer, authorizer = those for leave to see something.",
);

/** `[[apps]]`: `match`, `name`, `role` and any key of `[app]`. */
export const appsSchema = Type.Composite(
  [
    Type.Object({
      match: matchSchema,
      name: Type.Optional(tableNameSchema),
      role: Type.Optional(roleSchema),
    }),
    Type.Partial(appSchema),
  ],
  TABLE,
);

/** A configuration file. */
export const configFileSchema = Type.Object(
  {
    server: Type.Optional(Type.Partial(serverSchema, TABLE)),
    log: Type.Optional(Type.Partial(logSchema, TABLE)),
    access_log: Type.Optional(Type.Partial(accessLogSchema, TABLE)),
    slow_log: Type.Optional(Type.Partial(slowLogSchema, TABLE)),
    admin: Type.Optional(Type.Partial(adminSchema, TABLE)),
    app: Type.Optional(Type.Partial(appSchema, TABLE)),
    apps: Type.Optional(Type.Array(appsSchema, { expected: "[[apps]] tables, in double brackets" })),
  },
  TABLE,
);

function verifyFormat(format: string): string | undefined {
  const parsed = parseAccessFormat(format);
  return typeof parsed === "string" ? parsed : undefined;
}
