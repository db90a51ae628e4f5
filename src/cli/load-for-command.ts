import { resolve } from "node:path";
import { type LoadedConfig, loadConfig } from "../config/load.ts";

/** The flag of every command that reads the configuration. */
export const CONFIG_FLAG = {
  type: "string",
  valueHint: "FILE",
  description: "Configuration file instead of /etc/std-fpm/std-fpm.toml",
} as const;

/** Loads what `--config` names, seen from the caller's folder, or the default. At a reload `known` files must still be there. */
export async function loadForCommand(
  file: string | undefined,
  known: readonly string[] = [],
): Promise<LoadedConfig> {
  return await loadConfig({ file: file === undefined ? undefined : resolve(file), known });
}
