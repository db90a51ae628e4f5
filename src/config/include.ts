import { errnoOf } from "../base/errors.ts";

/** The files that an `include` glob covers, sorted by name; none when the folder is missing or the glob is "". */
export async function findIncluded(glob: string): Promise<string[]> {
  if (glob === "") return [];
  const fixed = /^(?:[^*?[\]{}\\]*\/)/.exec(glob)?.[0] ?? "/";
  const found: string[] = [];
  try {
    const files = new Bun.Glob(glob.slice(fixed.length)).scan({
      cwd: fixed,
      absolute: true,
      followSymlinks: true,
    });
    for await (const path of files) found.push(path);
  } catch (thrown) {
    if (errnoOf(thrown) !== "ENOENT" && errnoOf(thrown) !== "ENOTDIR") throw thrown;
  }
  return found.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}
