import { dirname, relative } from "node:path";
import { groupId } from "../base/accounts.ts";
import { changeableAbove, foldersAbove, isFolder } from "./folder-access.ts";
import { parseListenAddress } from "./listen-address.ts";
import { adminAddresses, serverAddresses } from "./resolve.ts";
import type { ServerTable } from "./schema.ts";
import type { Tables } from "./tables.ts";

const GROUP_WRITE = 0o020;
const OTHERS_WRITE = 0o002;
const GROUP_SEARCH = 0o010;
const OTHERS_SEARCH = 0o001;

/** Unix sockets that nobody else can connect to: what the mode allows is of no use below a folder that may not be searched. */
export async function socketWarnings(server: ServerTable): Promise<string[]> {
  const warnings: string[] = [];
  for (const text of [server.listen].flat()) {
    const address = parseListenAddress(text);
    if (address?.kind !== "unix") continue;
    const why = await whyUnreachable(address.path, server);
    if (why !== undefined) warnings.push(`server.listen: ${why}`);
  }
  return warnings;
}

/** Of a std-fpm that root runs: sockets in whose place somebody else may put another one. */
export async function rootsSocketWarnings({ server, admin }: Tables): Promise<string[]> {
  const warnings: string[] = [];
  const all = { "server.listen": serverAddresses(server), "admin.listen": adminAddresses(admin, server) };
  for (const [key, addresses] of Object.entries(all)) {
    for (const address of addresses) {
      // std-fpm sees to its own folder itself.
      if (address.kind !== "unix" || relative(server.runtime_dir, dirname(address.path)) === "") continue;
      const open = await changeableAbove(dirname(address.path));
      if (open)
        warnings.push(
          `${key}: ${open.who} may change the folder ${open.path}, and so put another socket in the place of ${address.path}; set a path in a folder that only root may change`,
        );
    }
  }
  return warnings;
}

async function whyUnreachable(path: string, server: ServerTable): Promise<string | undefined> {
  const { listen_mode, listen_owner, listen_group, runtime_dir } = server;
  const mode = Number.parseInt(listen_mode, 8);
  const folder = dirname(path);
  // std-fpm makes its own folder.
  if (relative(runtime_dir, folder) !== "" && !(await isFolder(folder)))
    return `there is no folder ${folder} for the socket`;
  const admitsAll = (mode & OTHERS_WRITE) !== 0;
  if (!admitsAll && (mode & GROUP_WRITE) === 0)
    return listen_owner === ""
      ? `only std-fpm's own user and root can connect to ${path}, with listen_mode = "${listen_mode}"`
      : undefined;
  if (!admitsAll && listen_group === "") return undefined;
  const gid = admitsAll ? undefined : groupId(listen_group);
  const closed = (await foldersAbove(folder)).find(({ facts }) => {
    if ((facts.mode & OTHERS_SEARCH) !== 0) return false;
    return gid === undefined || facts.gid !== gid || (facts.mode & GROUP_SEARCH) === 0;
  });
  if (!closed) return undefined;
  const who = admitsAll ? "other users" : `the group ${listen_group}`;
  const shown = `0${(closed.facts.mode & 0o7777).toString(8)}`;
  return `${who} cannot get to ${path}: they may not search the folder ${closed.path} (mode ${shown})`;
}
