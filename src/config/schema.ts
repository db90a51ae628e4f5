import { type Static, Type } from "@sinclair/typebox";
import { appSchema } from "./app-schema.ts";
import { oneOf, TABLE } from "./keys.ts";
import { serverSchema } from "./server-schema.ts";

export type ServerTable = Static<typeof serverSchema>;
export type LogTable = Static<typeof logSchema>;
export type AppTable = Static<typeof appSchema>;
export type AppsTable = Partial<AppTable> & { match: string };
/** One file: any table, any key of it. */
export type ConfigFile = Static<typeof configFileSchema>;

/** `[log]`, complete. */
export const logSchema = Type.Object(
  {
    level: oneOf(["debug", "info", "warn", "error"], "info", "The least important lines that are written."),
    format: oneOf(
      ["auto", "pretty", "plain", "json"],
      "auto",
      "How lines look; auto = pretty on a terminal, else plain.",
    ),
    file: Type.String({
      pattern: "^(?:/[^\\0]*)?$",
      default: "",
      description: "File that lines are appended to, opened anew on SIGUSR1; empty = stderr.",
      expected: 'an absolute path such as "/var/log/std-fpm/std-fpm.log", or ""',
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
