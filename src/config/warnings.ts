import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { annotationsOf } from "./keys.ts";
import type { AppTable } from "./schema.ts";
import { serverSchema } from "./server-schema.ts";
import type { Tables } from "./tables.ts";

const WRITABLE_BY_ALL = 0o002;

/** What works but is probably not meant, a line each. Looks at the file system, changes nothing. */
export async function warningsOf(
  tables: Tables,
  files: readonly string[],
  includedCount: number,
): Promise<string[]> {
  const warnings: string[] = [];
  const { include } = tables.server;
  if (
    includedCount === 0 &&
    include !== "" &&
    include !== annotationsOf(serverSchema.properties.include).default
  ) {
    warnings.push(`server.include: no file matches ${include}`);
  }
  for (const file of files) {
    const facts = await stat(file).catch(() => undefined);
    if (facts?.isFile() && (facts.mode & WRITABLE_BY_ALL) !== 0) {
      warnings.push(`${file}: every user of this machine can write it, and so decide what std-fpm runs`);
    }
  }
  warnings.push(...(await appWarnings(tables.app, "app")));
  for (const [index, table] of tables.apps.entries()) {
    warnings.push(...(await appWarnings(table, `apps[${index}]`)));
  }
  return warnings;
}

async function appWarnings(table: Partial<AppTable>, name: string): Promise<string[]> {
  const warnings: string[] = [];
  for (const [index, root] of (table.roots ?? []).entries()) {
    if (!(await isFolder(root))) warnings.push(`${name}.roots[${index}]: there is no folder ${root}`);
  }
  const [interpreter] = table.command ?? [];
  if (interpreter !== undefined && !(await isExecutable(interpreter))) {
    warnings.push(`${name}.command: there is no executable file ${interpreter}`);
  }
  if (table.cwd && !(await isFolder(table.cwd)))
    warnings.push(`${name}.cwd: there is no folder ${table.cwd}`);
  return warnings;
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    (facts) => facts.isDirectory(),
    () => false,
  );
}

async function isExecutable(path: string): Promise<boolean> {
  const isFile = await stat(path).then(
    (facts) => facts.isFile(),
    () => false,
  );
  return (
    isFile &&
    (await access(path, constants.X_OK).then(
      () => true,
      () => false,
    ))
  );
}
