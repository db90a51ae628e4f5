import { resolve } from "node:path";
import { defineCommand } from "citty";
import { createLog } from "../base/log.ts";
import type { LoadedConfig } from "../config/load.ts";
import { otherUserProblems, rootProblem } from "../config/root-user.ts";
import type { Tables } from "../config/tables.ts";
import type { Operator } from "../daemon/operator.ts";
import type { ConfigSource } from "../daemon/reloader.ts";
import type { CommandData } from "./command.ts";
import { CONFIG_FLAG, loadForCommand } from "./load-for-command.ts";
import { LogTarget } from "./log-target.ts";
import { ownCommand } from "./own-command.ts";
import type { Terminal } from "./terminal.ts";

/** `std-fpm serve`: the daemon in the foreground, until a signal ends it. */
export const serveCommand = defineCommand({
  meta: { name: "serve", description: "Run the daemon in the foreground; logs go to stderr" },
  args: { config: CONFIG_FLAG },
  async run({ args, data }) {
    const { terminal } = data as CommandData;
    const { takeInheritance } = await import("../daemon/handover.ts");
    const inheritance = takeInheritance(process.env);
    const { takeActivated } = await import("../daemon/activation.ts");
    const activated = takeActivated(process.env);
    const file = args.config && resolve(args.config);
    const command = ownCommand(file);
    const { config, tables, warnings } = await loadToServe(terminal, file, []);
    let { files } = config;
    const logs = new LogTarget(terminal);
    logs.use(config.log.file);
    const { wantsColours: hasColours } = terminal;
    const reader = () => logs.reader;
    const log = createLog({ ...config.log, write: (line) => logs.write(line), reader, hasColours });
    for (const warning of warnings) log.warn(warning);
    // No path is relative from here on, and nobody who wants to unmount or remove a folder has to wait for us.
    process.chdir("/");
    const { startDaemon } = await import("../daemon/start-daemon.ts");
    const { ServiceManager } = await import("../daemon/service-manager.ts");
    const { outlastSignals, runUntilSignalled } = await import("../daemon/lifecycle.ts");
    const source: ConfigSource = {
      tables,
      async load() {
        const loaded = await loadToServe(terminal, file, files);
        files = loaded.config.files;
        return loaded;
      },
      adjustLog(settings) {
        log.adjust(settings);
        logs.use(settings.file);
      },
      reopenLog: () => logs.reopen(),
    };
    const start = (operator: Operator) =>
      startDaemon({ config, log, inheritance, activated, source, command, operator });
    const manager = new ServiceManager(process.env, process.pid);
    try {
      outlastSignals();
      return await runUntilSignalled(start, log, { manager, logs });
    } finally {
      await logs.close();
    }
  },
});

/** With a warning of programs that could not be started by this user. */
async function loadToServe(
  { isRoot }: Terminal,
  file: string | undefined,
  known: readonly string[],
): Promise<LoadedConfig> {
  const loaded = await loadForCommand(file, known);
  return { ...loaded, warnings: [...startProblems(isRoot, loaded.tables), ...loaded.warnings] };
}

function startProblems(isRoot: boolean, tables: Tables): string[] {
  if (!isRoot) return otherUserProblems(tables);
  const problem = rootProblem(tables);
  return problem ? [problem.message] : [];
}
