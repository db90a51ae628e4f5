import { normalize } from "node:path";
import type { ListenAddress } from "./config.ts";
import { formatListenAddress, isLocal, parseListenAddress } from "./listen-address.ts";
import { adminAddresses, serverAddresses } from "./resolve.ts";
import { RUNTIME_NAMES } from "./runtime-folder.ts";
import type { AdminTable, ServerTable } from "./schema.ts";
import { place, type SourceFile } from "./source-file.ts";

/** Whoever reaches an address over the network could run any program of the machine. */
export function openAddresses(
  sources: readonly SourceFile[],
  server: ServerTable,
  roots: readonly string[],
): string[] {
  const source = sources.findLast(({ table }) => table.server?.listen !== undefined);
  const open = [server.listen].flat().filter((text) => {
    const address = parseListenAddress(text);
    return address !== undefined && !isLocal(address);
  });
  if (source === undefined || open.length === 0) return [];
  const missing = [
    ...(server.allowed_clients.length === 0 ? ["server.allowed_clients"] : []),
    ...(roots.length === 0 ? ["app.roots"] : []),
  ];
  if (missing.length === 0) return [];
  const why = `other machines reach ${open.join(" and ")} and could run any program here; set ${missing.join(" and ")}`;
  return [place(source, "server.listen", why)];
}

/** Of two sockets at one address the second cannot be made, and none where std-fpm has something else. */
export function takenAddresses(
  sources: readonly SourceFile[],
  server: ServerTable,
  admin: AdminTable,
): string[] {
  const source = sources.findLast(({ table }) => table.server?.listen !== undefined || table.admin?.listen);
  if (source === undefined) return [];
  const addresses = [
    ...serverAddresses(server).map((address) => ["server.listen", inOneForm(address)] as const),
    ...adminAddresses(admin, server).map((address) => ["admin.listen", inOneForm(address)] as const),
  ];
  const own = Object.values(RUNTIME_NAMES).map((name) => normalize(`${server.runtime_dir}/${name}`));
  return addresses.flatMap(([key, address], index) => {
    if (own.some((each) => address === each || address.startsWith(`${each}/`))) {
      const by = sources.findLast(({ table }) => table[key === "server.listen" ? "server" : "admin"]?.listen);
      return [place(by ?? source, key, `${address} is std-fpm's own, in runtime_dir; take another name`)];
    }
    const before = addresses.slice(0, index).find(([, other]) => other === address);
    if (!before) return [];
    const [at, other] = source.table.admin?.listen === undefined ? [before[0], key] : [key, before[0]];
    return [place(source, at, `${address} is listened on already, by ${other}`)];
  });
}

function inOneForm(address: ListenAddress): string {
  return address.kind === "unix" ? normalize(address.path) : formatListenAddress(address);
}
