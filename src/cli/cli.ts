import { type ArgsDef, type CommandDef, renderUsage, runCommand } from "citty";
import packageJson from "../../package.json" with { type: "json" };
import { errnoOf, FpmError, messageOf } from "../base/errors.ts";
import { escapeControls } from "../base/escape-controls.ts";
import { nearest } from "../config/nearest.ts";
import { readArguments, UsageError } from "./arguments.ts";
import { type Command, type CommandData, EXIT_FAILED, EXIT_OK, EXIT_USAGE } from "./command.ts";
import type { Terminal } from "./terminal.ts";
import { versionCommand, versionLine } from "./version.ts";

/** A command, and where it is found. */
export interface Entry {
  readonly description: string;
  load(): Promise<Command>;
}

/** Every command, loaded one by one: the daemon needs no HTTP server of the development front, and `check` no daemon. */
export const COMMANDS: Readonly<Record<string, Entry>> = {
  serve: {
    description: "Run the daemon in the foreground (the default)",
    load: async () => (await import("./serve.ts")).serveCommand,
  },
  check: {
    description: "Check the configuration (also: std-fpm -t)",
    load: async () => (await import("./check.ts")).checkCommand,
  },
  config: {
    description: "Print the commented default, or the configuration in effect",
    load: async () => (await import("./config.ts")).configCommand,
  },
  status: {
    description: "Show what the running daemon is at",
    load: async () => (await import("./status.ts")).statusCommand,
  },
  reload: {
    description: "Read the configuration again",
    load: async () => (await import("./actions.ts")).reloadCommand,
  },
  stop: {
    description: "Finish the requests in flight, then end",
    load: async () => (await import("./actions.ts")).stopCommand,
  },
  upgrade: {
    description: "Hand over to a new executable",
    load: async () => (await import("./actions.ts")).upgradeCommand,
  },
  restart: {
    description: "Replace a program's processes",
    load: async () => (await import("./actions.ts")).restartCommand,
  },
  drain: {
    description: "End a program's processes when they are free",
    load: async () => (await import("./actions.ts")).drainCommand,
  },
  kill: {
    description: "Kill one process of a program",
    load: async () => (await import("./actions.ts")).killCommand,
  },
  "reopen-logs": {
    description: "Open the files of the logs anew",
    load: async () => (await import("./actions.ts")).reopenLogsCommand,
  },
  dev: {
    description: "Try programs out with a browser, without a web server",
    load: async () => (await import("./dev.ts")).devCommand,
  },
  request: {
    description: "Send one FastCGI request and print the answer",
    load: async () => (await import("./request.ts")).requestCommand,
  },
  version: {
    description: "Print the version (also: std-fpm -v)",
    load: async () => versionCommand,
  },
};
const HELP_FLAGS: readonly string[] = ["--help", "-h"];
/** Flags that take a value, before a command as behind it. */
const FLAGS_WITH_VALUE: readonly string[] = ["--config", "-c", "--socket"];
const VERSION_FLAGS: readonly string[] = ["--version", "-V", "-v"];
const EXIT_STATUS = `
EXIT STATUS

  0  all went well
  1  it failed: a wrong configuration, a daemon that cannot start or that nobody finds, a request that did not complete
  2  the command line makes no sense
  22 request --fail: the answer has a status above 399
`;

/** Runs the command that `words` (without the executable's name) ask for and resolves to the exit status. */
export async function runCli(words: readonly string[], terminal: Terminal): Promise<number> {
  try {
    return await dispatch(words, terminal);
  } catch (thrown) {
    if (thrown instanceof UsageError) {
      terminal.err(`std-fpm: ${thrown.message}\nTry: std-fpm --help\n`);
      return EXIT_USAGE;
    }
    const errno = errnoOf(thrown);
    if (errno === "EPIPE") return EXIT_FAILED;
    // What the system refuses is no bug: a full disk, a missing right, a file that is none.
    if (!(thrown instanceof FpmError) && errno === "") throw thrown;
    terminal.err(
      messageOf(thrown)
        .split("\n")
        .map((line) => `std-fpm: ${escapeControls(line)}\n`)
        .join(""),
    );
    return EXIT_FAILED;
  }
}

async function dispatch(words: readonly string[], terminal: Terminal): Promise<number> {
  const { name, rest } = findCommand(words);
  const own = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
  if (name === "help" || own.some((word) => HELP_FLAGS.includes(word))) {
    const [of] = name === "help" ? own.filter((word) => !word.startsWith("-")) : [name];
    await terminal.out(await helpFor(of, terminal));
    return EXIT_OK;
  }
  if (name === undefined && own.some((word) => VERSION_FLAGS.includes(word))) {
    await terminal.out(`${versionLine()}\n`);
    return EXIT_OK;
  }
  const command = name ?? "serve";
  const entry = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (entry === undefined) throw new UsageError(unknownCommand(command));
  const definition = await entry.load();
  const { words: rawArgs, values } = readArguments(command, rest, (definition.args ?? {}) as ArgsDef);
  const data: CommandData = { terminal, values };
  const { result } = await runCommand(definition, { rawArgs: [...rawArgs], data });
  return typeof result === "number" ? result : EXIT_OK;
}

/** The first word that is no flag, and all others. `-t` stands for `check`, as in other daemons. */
function findCommand(words: readonly string[]): { name: string | undefined; rest: string[] } {
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (word === "--") break;
    if (FLAGS_WITH_VALUE.includes(word)) at++;
    else if (word === "-t") return { name: "check", rest: words.toSpliced(at, 1) };
    else if (!word.startsWith("-")) return { name: word, rest: words.toSpliced(at, 1) };
  }
  return { name: undefined, rest: [...words] };
}

function unknownCommand(name: string): string {
  const meant = nearest(name, Object.keys(COMMANDS));
  return `unknown command ${JSON.stringify(name)}${meant === undefined ? "" : `; did you mean ${meant}?`}`;
}

async function helpFor(name: string | undefined, terminal: Terminal): Promise<string> {
  const subCommands = Object.fromEntries(
    Object.entries(COMMANDS).map(([key, { description }]) => [key, { meta: { name: key, description } }]),
  );
  const root: CommandDef = {
    meta: { name: "std-fpm", description: packageJson.description, version: packageJson.version },
    subCommands,
  };
  const entry = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (name !== undefined && entry === undefined) throw new UsageError(unknownCommand(name));
  const usage = entry === undefined ? await renderUsage(root) : await renderUsage(await entry.load(), root);
  const text = `${usage.trimEnd()}\n${EXIT_STATUS}`;
  return terminal.isOutTerminal && terminal.wantsColours ? text : Bun.stripANSI(text);
}
