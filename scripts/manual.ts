import type { TObject } from "@sinclair/typebox";
import type { ArgsDef } from "citty";
import packageJson from "../package.json" with { type: "json" };
import { COMMANDS } from "../src/cli/cli.ts";
import { adminSchema } from "../src/config/admin-schema.ts";
import { appSchema } from "../src/config/app-schema.ts";
import { annotationsOf } from "../src/config/keys.ts";
import {
  accessLogSchema,
  logSchema,
  matchSchema,
  roleSchema,
  slowLogSchema,
  tableNameSchema,
} from "../src/config/schema.ts";
import { serverSchema } from "../src/config/server-schema.ts";
import { bold, italic, item, marked, roff, title } from "./roff.ts";

/** The tables of the configuration, in the order of the manual. */
export const TABLES: readonly (readonly [name: string, about: string, schema: TObject])[] = [
  ["server", "Where std-fpm listens, and what all programs share.", serverSchema],
  ["log", "What is written, and how.", logSchema],
  ["access_log", "A line for each request.", accessLogSchema],
  ["slow_log", "Reports of slow requests.", slowLogSchema],
  ["admin", "Where status and control are to be had.", adminSchema],
  ["app", "Settings of every program.", appSchema],
];

/** When the version of package.json was made. */
const DATE = "2026-11-23";

const SIGNALS: readonly (readonly [string, string])[] = [
  [
    "SIGTERM, SIGINT, SIGQUIT",
    "Let requests in flight finish (`drain_timeout`), then end every process. A second one ends at once.",
  ],
  [
    "SIGHUP",
    "Read the configuration again. A bad file changes nothing, and the log says what is wrong with it.",
  ],
  ["SIGUSR1", "Open the log's and the access log's file anew, after they were renamed."],
  [
    "SIGUSR2",
    "Start the executable again and hand the listening sockets over to it, without refusing a request. Kept connections are closed when they pause, at half of `drain_timeout` in any case: a POST that nginx sends on one in that very moment did not run, and can be a 502.",
  ],
];

const FINDING =
  "Commands that talk to the daemon find it by `runtime_dir` and `listen` of the configuration. A mistake in its files is a warning to them, not an end. A daemon that was started with other values is found by `--socket`; where nobody answers the message names that of the daemon that was started with the same file.";

/** std-fpm(8): the program. */
export async function programPage(): Promise<string> {
  let page = title("std-fpm", 8, packageJson.version, DATE);
  page += `.SH NAME\nstd\\-fpm \\- FastCGI process manager for programs in any language\n`;
  page += `.SH SYNOPSIS\n${bold("std-fpm")} [${italic("command")}] [${italic("option")} ...]\n`;
  page += `.SH DESCRIPTION\n${marked(
    "std-fpm stands between a web server and FastCGI programs. The web server sends every request to one socket; std-fpm starts the program that SCRIPT_FILENAME names, keeps as many processes of it as the traffic needs, relays requests and answers, and lets no crash, hang or slow I/O of one program touch another.",
  )}\n.SH COMMANDS\n`;
  for (const [name, { load }] of Object.entries(COMMANDS)) {
    const { meta, args } = await load();
    const { description = "" } = (meta ?? {}) as { description?: string };
    page += item(synopsis(name, (args ?? {}) as ArgsDef), `${marked(description)}.`);
    page += options((args ?? {}) as ArgsDef);
  }
  page += item(bold("std-fpm --help"), "Print the commands; behind a command, its options.");
  page += item(bold("std-fpm --version"), "Print the version, and that of the runtime in it.");
  page += `.SH FINDING THE DAEMON\n${marked(FINDING)}\n`;
  page += `.SH SIGNALS\n${SIGNALS.map(([signal, text]) => item(bold(signal), marked(text))).join("")}`;
  page += `.SH EXIT STATUS\n${item("0", "All went well.")}`;
  page += item(
    "1",
    "It failed: a wrong configuration, a daemon that cannot start, a request that did not complete.",
  );
  page +=
    item("2", "The command line makes no sense.") +
    item("22", "`request --fail`: the answer has a status above 399.") +
    item("70", "A bug in std\\-fpm, or a stop that left something behind: see its log.");
  page += `.SH FILES\n${item(bold("/etc/std-fpm/std-fpm.toml"), "The configuration; it may be missing.")}`;
  page += item(bold("/etc/std-fpm/conf.d/*.toml"), "More of it, in the order of the names.");
  page += item(bold("/run/std-fpm/std-fpm.sock"), "Where web servers reach it.");
  page += item(bold("/run/std-fpm/std-fpm.pid"), "Its process id, and the lock that keeps a second one out.");
  page += `.SH SEE ALSO\n${bold("std-fpm.toml")}(5), ${bold("systemd.socket")}(5), ${bold("spawn-fcgi")}(1)\n`;
  return page;
}

/** std-fpm.toml(5): its configuration. */
export function configurationPage(): string {
  let page = title("std-fpm.toml", 5, packageJson.version, DATE);
  page += `.SH NAME\nstd\\-fpm.toml \\- configuration of std\\-fpm\n.SH DESCRIPTION\n${marked(
    'The file is TOML. Every setting has a default that works; no file needs more than the lines that differ. `std-fpm config` prints all of them with comments, `std-fpm check` tells what is wrong with a file, and where. Durations are written "500ms", "30s", "3m", "1h"; sizes "64K", "256M", "1G"; paths are absolute. Files in /etc/std-fpm/conf.d are read after the main one; later ones win key by key, `env` and `limits` are merged, `[[apps]]` are appended.',
  )}\n`;
  for (const [name, about, schema] of TABLES) {
    page += `.SH [${name}]\n${roff(about)}\n`;
    for (const [key, property] of Object.entries(schema.properties)) {
      const { default: fallback, description = "", expected } = annotationsOf(property);
      const term = `${bold(key)} = ${roff(JSON.stringify(fallback))}`;
      page += item(term, `${marked(description)}\n.br\nExpected: ${roff(expected)}.`);
    }
  }
  page += `.SH [[apps]]\n${marked("Other settings for some programs: `match`, `name`, `role` and any key of `[app]`. Of several tables that match, later ones win key by key, those with a `role` over those without. Another `command` begins without the `any_path` and `children` of the one before.")}\n`;
  for (const [key, schema] of [
    ["match", matchSchema],
    ["name", tableNameSchema],
  ] as const)
    page += item(bold(key), marked(annotationsOf(schema).description ?? ""));
  page += item(`${bold("role")} = "any"`, marked(annotationsOf(roleSchema).description ?? ""));
  page += `.SH EXAMPLE\n.nf\n[app]\nroots = ["/srv/www"]\n\n[[apps]]\nmatch = "/srv/www/**/*.php"\nextensions = [".php"]\ncommand = ["/usr/bin/php\\-cgi"]\n.fi\n`;
  page += `.SH SEE ALSO\n${bold("std-fpm")}(8)\n`;
  return page;
}

function synopsis(name: string, args: ArgsDef): string {
  const words = Object.entries(args)
    .filter(([, { type }]) => type === "positional")
    .map(([word, { required }]) => (required === false ? `[${italic(word)}]` : italic(word)));
  return [bold(`std-fpm ${name}`), ...words].join(" ");
}

function options(args: ArgsDef): string {
  const shown = Object.entries(args);
  if (shown.length === 0) return "";
  const items = shown.map(([name, arg]) => {
    const hint = (arg as { valueHint?: string }).valueHint;
    const flag =
      arg.type === "positional" ? italic(name) : `${bold(`--${name}`)}${hint ? ` ${italic(hint)}` : ""}`;
    return item(flag, `${marked(arg.description ?? "")}.`);
  });
  return `.RS\n${items.join("")}.RE\n`;
}
