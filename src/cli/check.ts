import { defineCommand } from "citty";
import { FpmError } from "../base/errors.ts";
import { type CommandData, EXIT_FAILED, EXIT_OK } from "./command.ts";
import { CONFIG_FLAG, loadForCommand } from "./load-for-command.ts";

/** `std-fpm check`: says `ok`, or what is wrong with the configuration. */
export const checkCommand = defineCommand({
  meta: {
    name: "check",
    description: "Check the configuration: prints ok, or file, line, key and what was expected",
  },
  args: { config: CONFIG_FLAG },
  async run({ args, data }) {
    const { terminal } = data as CommandData;
    let warnings: readonly string[];
    try {
      ({ warnings } = await loadForCommand(args.config));
    } catch (thrown) {
      if (!(thrown instanceof FpmError)) throw thrown;
      terminal.err(`${thrown.message}\n`);
      return EXIT_FAILED;
    }
    if (terminal.isRoot) {
      terminal.err(
        "warning: run by root, std-fpm would run every program as root; let it run as another user\n",
      );
    }
    for (const warning of warnings) terminal.err(`warning: ${warning}\n`);
    await terminal.out("ok\n");
    return EXIT_OK;
  },
});
