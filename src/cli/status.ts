import { defineCommand } from "citty";
import { isDumb } from "../base/colours.ts";
import { escapeControls } from "../base/escape-controls.ts";
import { renderText } from "../status/render-text.ts";
import type { ProgramStatus } from "../status/snapshot.ts";
import { ADMIN_FLAGS, AdminClient } from "./admin-client.ts";
import { type CommandData, EXIT_OK } from "./command.ts";

const EVERY_MS = 1000;

/** `std-fpm status`: what the running daemon is at. */
export const statusCommand = defineCommand({
  meta: { name: "status", description: "Show what the running daemon is at: programs, processes, numbers" },
  args: {
    json: { type: "boolean", description: "As JSON (docs/status.md)" },
    full: { type: "boolean", description: "With every process, and the requests at work" },
    watch: { type: "boolean", description: "Live, once a second; on a terminal with keys to sort, as top" },
    ready: {
      type: "boolean",
      description: "Only whether it takes requests; status 1, with the reason, when not",
    },
    programs: { type: "boolean", description: "Only the names of programs that have processes, a line each" },
    pids: { type: "boolean", description: "Only the processes, a line each: pid, tab, program" },
    ...ADMIN_FLAGS,
  },
  async run({ args, data }) {
    const { terminal } = data as CommandData;
    const client = await AdminClient.open("status", args, terminal);
    if (args.ready) {
      await terminal.out(await client.text("/readyz"));
      return EXIT_OK;
    }
    if (args.programs || args.pids) {
      const { programs } = await client.snapshot(true);
      await terminal.out(args.pids ? pidLines(programs) : nameLines(programs));
      return EXIT_OK;
    }
    const path = args.json ? "/status.json" : "/status";
    if (args.watch && terminal.isOutTerminal && !args.json && !isDumb(process.env)) {
      const { watch } = await import("./watch.ts");
      return await watch(client, terminal.wantsColours);
    }
    for (let turn = 0; turn === 0 || args.watch; turn++) {
      if (turn > 0) await Bun.sleep(EVERY_MS);
      const text =
        terminal.isOutTerminal && !args.json
          ? renderText(await client.snapshot(args.full === true), process.stdout.columns || undefined)
          : await client.text(`${path}${args.full ? "?full" : ""}`);
      // Apart from the one before; each JSON is a line.
      if (turn > 0 && !args.json) await terminal.out("\n");
      await terminal.out(text.endsWith("\n") ? text : `${text}\n`);
    }
    return EXIT_OK;
  },
});

/** Those without what a terminal would obey: they are typed again, which an escaped one could not be. */
function nameLines(programs: readonly ProgramStatus[]): string {
  return programs
    .flatMap(({ name, is_gone }) => (is_gone || escapeControls(name) !== name ? [] : `${name}\n`))
    .join("");
}

function pidLines(programs: readonly ProgramStatus[]): string {
  return programs
    .flatMap(({ name, process_list = [] }) =>
      process_list.filter(({ pid }) => pid > 0).map(({ pid }) => `${pid}\t${escapeControls(name)}\n`),
    )
    .join("");
}
