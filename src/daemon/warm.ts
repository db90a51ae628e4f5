import { messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import type { Registry } from "../pool/registry.ts";
import type { Router } from "../route/router.ts";

/** Starts the processes that `min_processes` keeps of the programs that `[[apps]]` tables name by their path. */
export async function keepWarm(config: Config, router: Router, registry: Registry, log: Log): Promise<void> {
  for (const path of config.literalMatches) {
    const { minProcesses } = config.appFor(path);
    if (minProcesses === 0) continue;
    try {
      registry.keep(await router.find(path));
    } catch (error) {
      log.warn(`min_processes of ${path} cannot be kept: ${messageOf(error)}`);
    }
  }
}
