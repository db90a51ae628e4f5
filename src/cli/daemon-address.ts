import { resolve } from "node:path";
import { FpmError } from "../base/errors.ts";
import { escapeControls } from "../base/escape-controls.ts";
import type { ListenAddress } from "../config/config.ts";
import { DEFAULT_CONFIG_FILE } from "../config/load.ts";
import { adminAddresses, serverAddresses } from "../config/resolve.ts";
import { type AddressTables, readLeniently } from "./lenient-config.ts";
import { loadForCommand } from "./load-for-command.ts";
import { runningDaemons } from "./running-daemons.ts";

/** Which of its addresses is looked for: where it is asked, or where web servers connect. */
export type Purpose = "admin" | "listen";

/**
 * Where the daemon of a configuration file (what `--config` names) is found; undefined: nowhere. A file with a mistake does not hide a daemon
 * that runs well: it is told to `warn` in a line, and the address is what can still be read.
 * @throws FpmError CONFIG_INVALID, CONFIG_UNREADABLE where nothing tells which daemon is meant.
 */
export async function configuredAddress(
  purpose: Purpose,
  configFile: string | undefined,
  warn: (line: string) => void,
): Promise<ListenAddress | undefined> {
  try {
    const { tables } = await loadForCommand(configFile);
    return addressIn(tables, purpose);
  } catch (thrown) {
    if (!(thrown instanceof FpmError)) throw thrown;
    const file = absolute(configFile);
    const { tables, namesAdmin, namesListen } = await readLeniently(file);
    const isNamed = purpose === "admin" ? namesAdmin : namesListen;
    const asked = addressIn(tables, "admin");
    if (!isNamed && !(await isOfFile(asked, file))) throw await unknownDaemon(thrown, file);
    warn(mistakeLine(thrown.message));
    return addressIn(tables, purpose);
  }
}

/** What it may be, and what to do, where nobody answers at the address of a configuration file. */
export async function otherAddressHint(configFile: string | undefined): Promise<string> {
  return (
    (await startedElsewhere(absolute(configFile))) ??
    "std-fpm does not run, or was started with another `runtime_dir` or `[admin] listen`: then give its address with --socket"
  );
}

/** Where the daemon is that was started with this file; undefined where none is known. */
async function startedElsewhere(file: string): Promise<string | undefined> {
  const daemon = (await runningDaemons()).find(({ configFile }) => configFile === file);
  if (daemon === undefined) return undefined;
  const { pid, socket, foreignUser } = daemon;
  const whose = foreignUser === undefined ? "" : `, which user ${foreignUser} answers for`;
  return `the std-fpm with this configuration (pid ${pid}${whose}) was started with another address: give --socket ${escapeControls(socket)}`;
}

function addressIn(tables: AddressTables, purpose: Purpose): ListenAddress | undefined {
  if (purpose === "listen") return serverAddresses(tables.server)[0];
  const all = adminAddresses(tables.admin, tables.server);
  return all.find(({ kind }) => kind === "unix") ?? all[0];
}

/**
 * Whether the address, which is a default, may be taken for that of this file's daemon. The default file has no other; of a file that was
 * named the address may be in what cannot be read, and at the default one may be somebody else's daemon, which nobody wants to stop.
 */
async function isOfFile(address: ListenAddress | undefined, file: string): Promise<boolean> {
  if (file === DEFAULT_CONFIG_FILE) return true;
  if (address?.kind !== "unix") return false;
  return (await runningDaemons()).some((each) => each.socket === address.path && each.configFile === file);
}

async function unknownDaemon({ code, message, cause }: FpmError, file: string): Promise<FpmError> {
  const what = `which daemon is meant cannot be told from ${file}`;
  const hint =
    (await startedElsewhere(file)) ?? "none that runs is known to have it: give its address with --socket";
  return new FpmError(code, "daemon", `${message}\n${what}; ${hint}`, { cause });
}

/** The first of the mistakes, and how many more there are. */
function mistakeLine(mistakes: string): string {
  const [first = "", ...more] = mistakes.split("\n");
  const others = more.length === 0 ? "" : ` (${more.length} more: std-fpm check)`;
  return `warning: the configuration on disk cannot be taken as it is; the std-fpm that runs keeps its own: ${first}${others}\n`;
}

function absolute(configFile: string | undefined): string {
  return configFile === undefined ? DEFAULT_CONFIG_FILE : resolve(configFile);
}
