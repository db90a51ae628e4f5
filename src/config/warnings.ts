import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { groupId, userId } from "../base/accounts.ts";
import { foreignTo } from "../base/open-log.ts";
import { isFolder, openToAll } from "./folder-access.ts";
import { annotationsOf } from "./keys.ts";
import { childHardLimit, descriptorWarnings, limitWarnings, ownHardLimit } from "./limit-warnings.ts";
import { nameWarnings } from "./name-warnings.ts";
import { serverAddresses } from "./resolve.ts";
import type { AppTable, ServerTable } from "./schema.ts";
import { serverSchema } from "./server-schema.ts";
import { rootsSocketWarnings, socketWarnings } from "./socket-warnings.ts";
import { layApp, type Tables } from "./tables.ts";

const WRITABLE_BY_ALL = 0o002;

/** What works but is probably not meant, a line each. Looks at the file system, changes nothing. */
export async function warningsOf(
  tables: Tables,
  files: readonly string[],
  includedCount: number,
): Promise<string[]> {
  const warnings: string[] = [];
  if (includedCount === 0) warnings.push(...(await includeWarnings(tables.server)));
  warnings.push(...serverWarnings(tables.server));
  for (const file of files) {
    const facts = await stat(file).catch(() => undefined);
    if (facts?.isFile() && (facts.mode & WRITABLE_BY_ALL) !== 0) {
      warnings.push(`${file}: every user of this machine can write it, and so decide what std-fpm runs`);
    }
  }
  warnings.push(...(await socketWarnings(tables.server)));
  if (isForRoot(tables)) warnings.push(...(await rootsSocketWarnings(tables)));
  warnings.push(...descriptorWarnings(tables.server, ownHardLimit));
  if (!(await isFolder(tables.server.spool_dir)))
    warnings.push(`server.spool_dir: there is no folder ${tables.server.spool_dir}`);
  const { listen, listen_group } = tables.admin;
  if (listen_group !== "" && [listen].flat().filter((text) => !text.includes(":")).length < 2)
    warnings.push(
      'admin.listen_group: it is for who may look, by a second socket, such as listen = ["admin.sock", "status.sock"]',
    );
  warnings.push(...(await logWarnings(tables)));
  warnings.push(...(await commandWarnings(tables.slow_log.command, "slow_log.command")));
  warnings.push(...(await appWarnings(tables.app, "app")), ...nameWarnings(tables.app, tables.app, "app"));
  for (const [index, table] of tables.apps.entries()) {
    const name = `apps[${index}]`;
    warnings.push(...(await appWarnings(table, name)));
    warnings.push(...nameWarnings(table, layApp(tables.app, table), name));
  }
  return warnings;
}

/** Of an `include` that covers no file. */
async function includeWarnings({ include }: ServerTable): Promise<string[]> {
  if (include === "" || include === annotationsOf(serverSchema.properties.include).default) return [];
  if (!(await isFolder(include))) return [`server.include: no file matches ${include}`];
  const glob = `${include.replace(/\/+$/, "")}/*.toml`;
  return [`server.include: ${include} is a folder; for the files in it write ${JSON.stringify(glob)}`];
}

/** Settings that do nothing beside others. */
function serverWarnings(server: ServerTable): string[] {
  const { ping_path, status_path, allowed_clients, allowed_users } = server;
  const warnings: string[] = [];
  if (status_path !== "" && status_path === ping_path)
    warnings.push("server.status_path: ping_path is the same, and is what answers");
  for (const key of ["status_path", "ping_path"] as const)
    if (server[key].includes("?"))
      warnings.push(
        `server.${key}: SCRIPT_NAME ends before the "?" of a URL: write ${server[key].split("?")[0]}`,
      );
  const kinds = serverAddresses(server).map(({ kind }) => kind);
  if (allowed_clients.length > 0 && !kinds.includes("tcp"))
    warnings.push(
      "server.allowed_clients: it is for addresses with a port, and listen has none; for sockets it is allowed_users",
    );
  if (allowed_users.length > 0 && !kinds.includes("unix"))
    warnings.push(
      "server.allowed_users: it is for Unix sockets, and listen has none; for addresses with a port it is allowed_clients",
    );
  return warnings;
}

async function logWarnings(tables: Tables): Promise<string[]> {
  const warnings: string[] = [];
  for (const name of ["log", "access_log"] as const) {
    const { file } = tables[name];
    if (file === "") continue;
    if (await isFolder(file)) warnings.push(`${name}.file: ${file} is a folder`);
    else if (!(await isFolder(dirname(file))))
      warnings.push(`${name}.file: there is no folder ${dirname(file)}: nothing can be written`);
    else if (isForRoot(tables)) warnings.push(...(await rootsLogWarnings(dirname(file), name)));
  }
  return warnings;
}

/** Only a std-fpm that root runs gives programs users: this one is to be such a std-fpm, where root looks at it. */
function isForRoot({ app, apps }: Tables): boolean {
  return process.geteuid?.() === 0 && [app, ...apps].some(({ user = "" }) => user !== "");
}

async function rootsLogWarnings(folder: string, name: string): Promise<string[]> {
  const who = foreignTo(await stat(folder));
  if (who === undefined) return [];
  const rule = "run by root, std-fpm follows no link there; set a file in a folder that only root may change";
  return [`${name}.file: ${who} may change the folder ${folder}: ${rule}`];
}

async function appWarnings(table: Partial<AppTable>, name: string): Promise<string[]> {
  const warnings: string[] = [];
  for (const [index, root] of (table.roots ?? []).entries()) {
    const why = await whyRootHurts(root);
    if (why !== undefined) warnings.push(`${name}.roots[${index}]: ${why}`);
  }
  for (const key of ["command", "wrapper"] as const)
    warnings.push(...(await commandWarnings(table[key], `${name}.${key}`)));
  if (table.cwd && !(await isFolder(table.cwd)))
    warnings.push(`${name}.cwd: there is no folder ${table.cwd}`);
  if (table.user && table.user !== "owner" && userId(table.user) === undefined)
    warnings.push(`${name}.user: there is no user ${JSON.stringify(table.user)}: programs will not start`);
  if (table.group && groupId(table.group) === undefined)
    warnings.push(`${name}.group: there is no group ${JSON.stringify(table.group)}: programs will not start`);
  warnings.push(...limitWarnings(table, name, childHardLimit));
  return warnings;
}

async function commandWarnings(command: readonly string[] = [], name: string): Promise<string[]> {
  const [executable] = command;
  if (executable === undefined || (await isExecutable(executable))) return [];
  return [`${name}: there is no executable file ${executable}`];
}

async function whyRootHurts(root: string): Promise<string | undefined> {
  if (!(await isFolder(root))) return `there is no folder ${root}`;
  const open = await openToAll(root);
  if (!open) return undefined;
  const where = open.path === root ? root : `${open.path} and exchange what is in it`;
  return `every user of this machine can write in ${where}, and so decide what std-fpm runs`;
}

async function isExecutable(path: string): Promise<boolean> {
  const facts = await stat(path).catch(() => undefined);
  if (!facts?.isFile()) return false;
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
