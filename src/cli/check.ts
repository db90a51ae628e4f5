import { defineCommand } from "citty";
import { FpmError } from "../base/errors.ts";
import { procProblem } from "../base/proc-folder.ts";
import type { LoadedConfig } from "../config/load.ts";
import { otherUserProblems, rootProblem } from "../config/root-user.ts";
import { runtimeFolderProblem } from "../config/runtime-folder.ts";
import { watchProblems } from "../config/watch-problems.ts";
import { missingTools } from "../start/tools.ts";
import { type CommandData, EXIT_FAILED, EXIT_OK } from "./command.ts";
import { CONFIG_FLAG, loadForCommand } from "./load-for-command.ts";

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
      terminal.err(`${thrown.message}\n`);
      return EXIT_FAILED;
    }
    const procTrouble = procProblem();
    if (procTrouble !== undefined) {
      terminal.err(`${procTrouble}\n`);
      return EXIT_FAILED;
    }
    const problem = terminal.isRoot ? rootProblem(loaded.tables) : undefined;
    if (problem?.isTotal) {
      terminal.err(`${problem.message}. ${CHECK_AS_OTHER}\n`);
      // Who mends that wants to know of the rest, too.
      for (const warning of loaded.warnings) terminal.err(`warning: ${warning}\n`);
      return EXIT_FAILED;
    }
    const { runtimeDir } = loaded.config.server;
    const folderProblem = runtimeFolderProblem(runtimeDir, terminal.isRoot ? 0 : (process.geteuid?.() ?? 0));
    if (folderProblem !== undefined) {
      terminal.err(`server.runtime_dir: ${runtimeDir} cannot be used: ${folderProblem}\n`);
      return EXIT_FAILED;
    }
    const unwatched = await watchProblems(loaded.tables);
    if (unwatched.length > 0) {
      terminal.err(unwatched.map((each) => `${each}\n`).join(""));
      return EXIT_FAILED;
    }
    if (problem) terminal.err(`warning: ${problem.message}\n`);
    const { app, apps } = loaded.tables;
    const others = terminal.isRoot ? [] : otherUserProblems(loaded.tables);
    const warnings = [...others, ...missingTools([app, ...apps]), ...loaded.warnings];
    for (const warning of warnings) terminal.err(`warning: ${warning}\n`);
    const { files } = loaded.config;
    // Whoever has named the one file knows it.
    if (files.length > 1 || args.config === undefined)
      terminal.err(`read: ${files.join(", ") || "no file"}\n`);
    await terminal.out("ok\n");
    return EXIT_OK;
  },
});
