import { groupId, userId } from "../base/accounts.ts";
import { openAddresses, takenAddresses } from "./address-checks.ts";
import type { AdminTable, ServerTable } from "./schema.ts";
import { place, type SourceFile } from "./source-file.ts";
import { defaultTables, layApp, layFile, type Tables } from "./tables.ts";

/** What no file can be blamed for before all are known: more processes kept than allowed, paths without files for who needs one. */
export function crossChecks(sources: readonly SourceFile[]): string[] {
  const problems: string[] = [];
  const { app, server, admin } = sources.reduce(
    (base, source) => layFile(base, source.table),
    defaultTables(),
  );
  const check = (source: SourceFile, table: string, merged: typeof app) => {
    const { min_processes: min, max_processes: max } = merged;
    if (max !== 0 && min > max)
      problems.push(place(source, `${table}.min_processes`, `${min} is more than max_processes = ${max}`));
  };
  const hasCommand = sources.some(({ table }) => table.apps?.some(({ command = [] }) => command.length > 0));
  const checkAnyPath = (source: SourceFile, table: string, merged: typeof app) => {
    const why = merged.any_path ? whyNotAnyPath(merged, hasCommand) : undefined;
    if (why !== undefined) problems.push(place(source, `${table}.any_path`, why));
  };
  const lastAnyPath = sources.findLast(({ table }) => table.app?.any_path !== undefined);
  if (lastAnyPath !== undefined) checkAnyPath(lastAnyPath, "app", app);
  const lastChildren = sources.findLast(({ table }) => table.app?.children !== undefined);
  if (lastChildren !== undefined && app.children > 0 && app.command.length === 0)
    problems.push(place(lastChildren, "app.children", "is for a `command`, and [app] has none"));
  const last = sources.findLast(({ table }) => {
    return table.app?.min_processes !== undefined || table.app?.max_processes !== undefined;
  });
  if (last !== undefined) check(last, "app", app);
  problems.push(...takenNames(sources));
  problems.push(
    ...openAddresses(sources, server, app.roots),
    ...takenAddresses(sources, server, admin),
    ...unknownAccounts(sources, server),
    ...unknownAdminGroup(sources, admin),
  );
  if (problems.length > 0) return problems;
  for (const source of sources) {
    for (const [index, table] of (source.table.apps ?? []).entries()) {
      const merged = layApp(app, table as Partial<typeof app>);
      check(source, `apps[${index}]`, merged);
      const why = table.children ? whyNoChildren(merged, hasCommand) : undefined;
      if (why !== undefined) problems.push(place(source, `apps[${index}].children`, why));
      if (table.any_path) checkAnyPath(source, `apps[${index}]`, merged);
    }
  }
  return problems;
}

/** The command may be that of another table for the same paths. */
function whyNotAnyPath(merged: Tables["app"], hasCommand: boolean): string | undefined {
  if (merged.command.length === 0 && !hasCommand) return "is for a `command`, and there is none";
  if (merged.protocol === "cgi") return "a plain CGI program is started for a file; it needs one";
  return merged.user === "owner" ? 'there is no file whose owner `user = "owner"` could be' : undefined;
}

function whyNoChildren(merged: Tables["app"], hasCommand: boolean): string | undefined {
  if (merged.command.length === 0 && !hasCommand) return "is for a `command`, and there is none";
  return merged.protocol === "cgi" ? "a plain CGI program serves one request, and has none" : undefined;
}

/** Two tables of one name would be two programs of one name. */
function takenNames(sources: readonly SourceFile[]): string[] {
  const first = new Map<string, string>();
  return sources.flatMap((source) =>
    (source.table.apps ?? []).flatMap(({ name }, index) => {
      if (name === undefined) return [];
      const key = `apps[${index}].name`;
      const known = first.get(name);
      if (known !== undefined)
        return [place(source, key, `${JSON.stringify(name)} is the name of another table, ${known}`)];
      first.set(name, place(source, key, "").replace(/: [^ ]*: $/, ""));
      return [];
    }),
  );
}

function unknownAdminGroup(sources: readonly SourceFile[], { listen_group }: AdminTable): string[] {
  const source = sources.findLast(({ table }) => table.admin?.listen_group !== undefined);
  if (!source || listen_group === "" || groupId(listen_group) !== undefined) return [];
  return [place(source, "admin.listen_group", `there is no group ${JSON.stringify(listen_group)}`)];
}

/** Names without which the sockets cannot be made. */
function unknownAccounts(sources: readonly SourceFile[], server: ServerTable): string[] {
  const names: [keyof ServerTable, "user" | "group", string][] = [
    ["listen_owner", "user", server.listen_owner],
    ["listen_group", "group", server.listen_group],
    ...server.allowed_users.map((user): (typeof names)[number] => ["allowed_users", "user", user]),
  ];
  return names.flatMap(([key, what, name]) => {
    const source = sources.findLast(({ table }) => table.server?.[key] !== undefined);
    const isKnown = name === "" || (what === "user" ? userId(name) : groupId(name)) !== undefined;
    if (isKnown || !source) return [];
    return [place(source, `server.${key}`, `there is no ${what} ${JSON.stringify(name)}`)];
  });
}
