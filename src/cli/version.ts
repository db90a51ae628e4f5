import { defineCommand } from "citty";
import packageJson from "../../package.json" with { type: "json" };
import { type CommandData, EXIT_OK } from "./command.ts";

/** `std-fpm version`: as `--version`. */
export const versionCommand = defineCommand({
  meta: { name: "version", description: "Print the version, and that of the runtime in it" },
  args: {},
  async run({ data }) {
    await (data as CommandData).terminal.out(`${versionLine()}\n`);
    return EXIT_OK;
  },
});

/** The version of std-fpm and of the runtime in it. */
export function versionLine(): string {
  return `std-fpm ${packageJson.version} (bun ${Bun.version})`;
}
