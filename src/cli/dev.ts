import { defineCommand } from "citty";
import { accountOf } from "../base/accounts.ts";
import { createLog } from "../base/log.ts";
import { UsageError } from "./arguments.ts";
import type { CommandData } from "./command.ts";
import { CONFIG_FLAG, loadForCommand } from "./load-for-command.ts";
import type { Terminal } from "./terminal.ts";

/** `std-fpm dev`: the development front, until a signal ends it. */
export const devCommand = defineCommand({
  meta: {
    name: "dev",
    description: "Serve the programs below a folder over HTTP on 127.0.0.1, to try them out",
  },
  args: {
    dir: {
      type: "positional",
      required: false,
      description: "Folder with programs; the current one by default",
    },
    port: { type: "string", valueHint: "8080", description: "Port of the HTTP server; 0 takes a free one" },
    config: CONFIG_FLAG,
  },
  async run({ args, data }) {
    const { terminal } = data as CommandData;
    const port = portOf(args.port ?? "8080");
    const loaded = args.config === undefined ? undefined : await loadForCommand(args.config);
    const format = loaded?.config.log ?? { level: "info", format: "auto" };
    const log = createLog({
      ...format,
      write: terminal.err,
      reader: () => terminal.errReader,
      hasColours: terminal.wantsColours,
    });
    for (const warning of loaded?.warnings ?? []) log.warn(warning);
    const [{ startDev }, { startDaemon }, { outlastSignals, runUntilSignalled }] = await Promise.all([
      import("../dev/dev-server.ts"),
      import("../daemon/start-daemon.ts"),
      import("../daemon/lifecycle.ts"),
    ]);
    const start = async () => {
      const dev = await startDev({ folder: args.dir ?? ".", port, tables: loaded?.tables, log, startDaemon });
      const programs = dev.programUrls.map((url) => `  ${url}\n`).join("");
      await terminal.out(
        `std-fpm dev: http://localhost:${dev.port}/ (Ctrl-C ends it)\n${whose(terminal)}\n${programs}`,
      );
      return dev;
    };
    outlastSignals();
    return await runUntilSignalled(start, log);
  },
});

/** Whom the programs run as, for whoever starts them. */
function whose({ isRoot }: Terminal): string {
  if (isRoot) return "programs run as root, who calls this, where no `user` is configured";
  const caller = accountOf(process.geteuid?.() ?? 0)?.name ?? `user ${process.geteuid?.()}`;
  return `programs run as ${caller}, who calls this`;
}

function portOf(text: string): number {
  const port = Number(text);
  if (/^[0-9]{1,5}$/.test(text) && port <= 65_535) return port;
  throw new UsageError(`dev: --port: expected a number from 0 to 65535, found ${JSON.stringify(text)}`);
}
