import { defineCommand } from "citty";
import { escapeControls } from "../base/escape-controls.ts";
import defaultText from "../config/default.toml" with { type: "text" };
import { renderTables } from "../config/tables.ts";
import { UsageError } from "./arguments.ts";
import { type CommandData, EXIT_OK } from "./command.ts";
import { CONFIG_FLAG, loadForCommand } from "./load-for-command.ts";

/** `std-fpm config`: prints the bundled default, or with `--effective` what all files together come to. */
export const configCommand = defineCommand({
  meta: { name: "config", description: "Print the commented default configuration, or the one in effect" },
  args: {
    effective: { type: "boolean", description: "Print what holds after all files were read, as one file" },
    config: CONFIG_FLAG,
  },
  async run({ args, data }) {
    const { terminal } = data as CommandData;
    if (!args.effective) {
      if (args.config !== undefined) throw new UsageError("config: --config needs --effective");
      await terminal.out(defaultText);
      return EXIT_OK;
    }
    const { tables, config, warnings } = await loadForCommand(args.config);
    for (const warning of warnings) terminal.err(`warning: ${escapeControls(warning)}\n`);
    const sources = config.files.length === 0 ? "the bundled default" : config.files.join(", ");
    await terminal.out(`# from ${sources}\n\n${renderTables(tables)}`);
    return EXIT_OK;
  },
});
