// The daemon with a policy that the first argument names.

import { createLog } from "../../src/base/log.ts";
import { loadConfig } from "../../src/config/load.ts";
import { runUntilSignalled } from "../../src/daemon/lifecycle.ts";
import { startDaemon } from "../../src/daemon/start-daemon.ts";
import { LEARNED, type Policy } from "../../src/pool/policy.ts";

const POLICIES: Record<string, Policy> = {
  learned: LEARNED,
  /** A process at once for every request that finds none free, without limit. */
  "spawn-at-once": {
    startsWanted: ({ waiting, starting }) => Math.max(0, waiting - starting),
    lookAgainMs: () => undefined,
  },
};

const { config } = await loadConfig({ file: process.argv.at(-1) });
const log = createLog({ ...config.log, write: (line) => process.stderr.write(line), reader: () => "other" });
const policy = POLICIES[process.argv[2] ?? ""];
if (!policy) throw new RangeError(`no policy ${process.argv[2]}`);
process.exit(await runUntilSignalled(() => startDaemon({ config, log, policy }), log));
