import { dirname } from "node:path";
import { pooledDisk } from "../base/disk.ts";
import { readWatched } from "../base/watched-files.ts";
import { isFolder } from "./folder-access.ts";
import { layApp, type Tables } from "./tables.ts";

/** What `restart_on_change` names and nobody could notice a change of, a line each. Looks at the disk. */
export async function watchProblems({ app, apps }: Tables): Promise<string[]> {
  const problems = await problemsOf("app", app.restart_on_change, app);
  for (const [index, table] of apps.entries()) {
    const watched = table.restart_on_change ?? (table.cwd === undefined ? [] : app.restart_on_change);
    problems.push(...(await problemsOf(`apps[${index}]`, watched, layApp(app, table))));
  }
  return problems;
}

async function problemsOf(
  table: string,
  watched: readonly string[],
  merged: Tables["app"],
): Promise<string[]> {
  const problems: string[] = [];
  for (const [index, file] of watched.entries()) {
    const path = absolute(file, merged);
    const why = path === undefined ? undefined : await whyUnwatched(path);
    if (why !== undefined) problems.push(`${table}.restart_on_change[${index}]: ${why}`);
  }
  return problems;
}

/** Undefined where it depends on the program: relative to the folder that it is in. */
function absolute(file: string, { cwd, command, protocol }: Tables["app"]): string | undefined {
  if (file.startsWith("/")) return file;
  const folder = cwd || (command.length > 0 && protocol === "fastcgi" ? "/" : "");
  return folder === "" ? undefined : `${folder}/${file}`;
}

async function whyUnwatched(path: string): Promise<string | undefined> {
  const { version, problem } = await readWatched(path, pooledDisk);
  if (problem !== undefined) return `a change of ${path} could not be noticed: ${problem}`;
  if (version !== "missing") return undefined;
  // A file may be touched later, like Passenger's restart.txt; a folder is there, or is misspelt.
  const folder = dirname(path.replace(/\/[^/]*[*?[{].*$/, "/x"));
  return (await isFolder(folder)) ? undefined : `there is no folder ${folder}`;
}
