import { realpath, stat } from "node:fs/promises";
import { errnoOf } from "../base/errors.ts";

/** What an `include` glob covers. */
export interface Included {
  /** The files, sorted by name. */
  readonly files: readonly string[];
  /** Why something that it covers cannot be read, a line each with its path. */
  readonly problems: readonly string[];
}

const NOTHING: Included = { files: [], problems: [] };

/**
 * Looks for the files of an `include` glob; none when the folder is missing or the glob is "". Folders that it matches are passed over. Of several
 * names of one file, by links, the one in the fewest folders counts, and of these the first; `main` is the file that includes, which is read already.
 */
export async function findIncluded(glob: string, main?: string): Promise<Included> {
  if (glob === "") return NOTHING;
  const fixed = /^(?:[^*?[\]{}\\]*\/)/.exec(glob)?.[0] ?? "/";
  const found: string[] = [];
  try {
    // A link that leads nowhere is only seen where not just files are asked for.
    const options = { cwd: fixed, absolute: true, followSymlinks: true, onlyFiles: false };
    for await (const path of new Bun.Glob(glob.slice(fixed.length)).scan(options)) found.push(path);
  } catch (thrown) {
    const errno = errnoOf(thrown);
    if (errno === "ENOENT" || errno === "ENOTDIR") return NOTHING;
    const where = (thrown as { path?: string }).path ?? fixed;
    return { files: [], problems: [`${where}: ${whyNotListed(errno)}`] };
  }
  found.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const files: string[] = [];
  const problems: string[] = [];
  for (const path of found) {
    const looked = await lookAt(path);
    if (looked === "a file") files.push(path);
    else if (looked !== "a folder") problems.push(`${path}: ${looked}`);
  }
  return { files: await withoutSecondNames(files, main), problems };
}

async function withoutSecondNames(files: readonly string[], main: string | undefined): Promise<string[]> {
  const names = new Map<string, string>();
  const depthOf = (path: string) => path.split("/").length;
  for (const path of files) {
    const real = await realPathOf(path);
    const known = names.get(real);
    if (known === undefined || depthOf(path) < depthOf(known)) names.set(real, path);
  }
  if (main !== undefined) names.delete(await realPathOf(main));
  const kept = new Set(names.values());
  return files.filter((path) => kept.has(path));
}

async function realPathOf(path: string): Promise<string> {
  return await realpath(path).catch(() => path);
}

async function lookAt(path: string): Promise<string> {
  try {
    return (await stat(path)).isDirectory() ? "a folder" : "a file";
  } catch (thrown) {
    const errno = errnoOf(thrown);
    if (errno === "ENOENT") return "the link leads nowhere; remove it, or put back the file that it names";
    if (errno === "ELOOP") return "the link leads in a circle; remove it";
    if (errno === "EACCES")
      return "what it leads to may not be looked at by the user of std-fpm; give that user the right to search the folder, or remove it";
    return `cannot be looked at (${errno})`;
  }
}

function whyNotListed(errno: string): string {
  if (errno === "EACCES")
    return 'the folder of `include` may not be read by the user of std-fpm; give that user the right to read and search it (chmod 755), or set `include` to ""';
  return `the folder of \`include\` cannot be read (${errno})`;
}
