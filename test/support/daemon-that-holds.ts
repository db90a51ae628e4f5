// The daemon, whose look at what an earlier one has left takes until the file `go` is there, beside its configuration.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { createLog } from "../../src/base/log.ts";
import { loadConfig } from "../../src/config/load.ts";
import { runUntilSignalled } from "../../src/daemon/lifecycle.ts";
import { MarkReader } from "../../src/daemon/mark-reader.ts";
import type { Operator } from "../../src/daemon/operator.ts";
import { ServiceManager } from "../../src/daemon/service-manager.ts";
import { startDaemon } from "../../src/daemon/start-daemon.ts";
import { waitUntil } from "./wait-until.ts";

const file = process.argv.at(-1) as string;
MarkReader.prototype.isMarked = async () => {
  await waitUntil("it may go on", () => existsSync(join(dirname(file), "go")));
  return false;
};

const load = () => loadConfig({ file });
const { config, tables } = await load();
const log = createLog({ ...config.log, write: (line) => process.stderr.write(line), reader: () => "other" });
const source = { tables, load, adjustLog() {}, reopenLog: async () => undefined };
const start = (operator: Operator) => startDaemon({ config, log, source, operator });
const manager = new ServiceManager(process.env, process.pid);
process.exit(await runUntilSignalled(start, log, { manager }));
