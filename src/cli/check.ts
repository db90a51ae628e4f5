import { defineCommand } from "citty";
import { FpmError, messageOf } from "../base/errors.ts";
import { escapeControls } from "../base/escape-controls.ts";
import { procProblem } from "../base/proc-folder.ts";
import type { Config } from "../config/config.ts";
import type { LoadedConfig } from "../config/load.ts";
import { otherUserProblems, rootProblem } from "../config/root-user.ts";
import { runtimeFolderProblem } from "../config/runtime-folder.ts";
import { watchProblems } from "../config/watch-problems.ts";
import { isSocketAt } from "../front/socket-file.ts";
import { startProblems } from "../start/start-problems.ts";
import { missingTools } from "../start/tools.ts";
import { type CommandData, EXIT_FAILED, EXIT_OK } from "./command.ts";
import { CONFIG_FLAG, loadForCommand } from "./load-for-command.ts";
import type { Terminal } from "./terminal.ts";

const CHECK_AS_OTHER =
  "Where std-fpm runs as another user, check as that one: runuser -u www-data -- std-fpm check";

/** `std-fpm check`: says `ok`, or what is wrong with the configuration. */
export const checkCommand = defineCommand({
  meta: {
    name: "check",
    description: "Check the configuration: prints ok, or file, line, key and what was expected",
  },
  args: { config: CONFIG_FLAG },
  async run({ args, data }) {
    const { terminal } = data as CommandData;
    let loaded: LoadedConfig;
    try {
      loaded = await loadForCommand(args.config);
    } catch (thrown) {
      if (!(thrown instanceof FpmError)) throw thrown;
      say(terminal, thrown.message.split("\n"));
      return EXIT_FAILED;
    }
    const problem = terminal.isRoot ? rootProblem(loaded.tables) : undefined;
    const failures = await failuresOf(loaded, problem, terminal.isRoot);
    if (failures.length > 0) {
      say(terminal, failures);
      // Who mends that wants to know of the rest, too.
      if (problem?.isTotal) say(terminal, loaded.warnings.map(asWarning));
      return EXIT_FAILED;
    }
    const warnings = await warningsOf(loaded, terminal.isRoot);
    say(terminal, [...(problem ? [problem.message] : []), ...warnings].map(asWarning));
    const { files } = loaded.config;
    // Whoever has named the one file knows it.
    if (files.length > 1 || args.config === undefined)
      say(terminal, [`read: ${files.join(", ") || "no file"}`]);
    await terminal.out("ok\n");
    return EXIT_OK;
  },
});

/** What a file says must not steer the terminal of who checks it. */
function say(terminal: Terminal, lines: readonly string[]): void {
  for (const line of lines) terminal.err(`${escapeControls(line)}\n`);
}

function asWarning(line: string): string {
  return `warning: ${line}`;
}

/** Why std-fpm would not start, or not do what it is told, with settings that are good by themselves: the first reason, in as many lines as it has. */
async function failuresOf(
  { config, tables }: LoadedConfig,
  problem: ReturnType<typeof rootProblem>,
  isRoot: boolean,
): Promise<string[]> {
  const procTrouble = procProblem();
  if (procTrouble !== undefined) return [procTrouble];
  if (problem?.isTotal) return [`${problem.message}. ${CHECK_AS_OTHER}`];
  const { runtimeDir } = config.server;
  const folderProblem = runtimeFolderProblem(runtimeDir, isRoot ? 0 : (process.geteuid?.() ?? 0));
  if (folderProblem !== undefined)
    return [`server.runtime_dir: ${runtimeDir} cannot be used: ${folderProblem}`];
  return [...socketProblems(config), ...(await watchProblems(tables))];
}

async function warningsOf({ tables, warnings }: LoadedConfig, isRoot: boolean): Promise<string[]> {
  const others = isRoot ? [] : otherUserProblems(tables);
  const tools = missingTools([tables.app, ...tables.apps]);
  return [...others, ...tools, ...(await startProblems(tables, isRoot)), ...warnings];
}

/** Where a socket cannot be made as something else is there. */
function socketProblems({ server, admin }: Config): string[] {
  const addresses = [
    ...server.listen.map((address) => ["server.listen", address] as const),
    ...admin.listen.map((address) => ["admin.listen", address] as const),
  ];
  return addresses.flatMap(([key, address]) => {
    try {
      if (address.kind === "unix") isSocketAt(address.path);
      return [];
    } catch (error) {
      return [`${key}: ${messageOf(error)}`];
    }
  });
}
