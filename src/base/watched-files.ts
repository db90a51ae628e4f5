import type { Dirent } from "node:fs";
import { type Disk, identityOf } from "./disk.ts";
import { errnoOf } from "./errors.ts";
import { wayTo } from "./file-trail.ts";

/** What is on the disk where a path or a pattern says. */
export interface WatchedFiles {
  /** Another text: something has changed. */
  readonly version: string;
  /** Why changes are not noticed there. */
  readonly problem: string | undefined;
}

/** So many files are compared of one pattern or folder … */
const MAX_FILES = 2000;
/** … and so many names looked at in the search for them, in folders as deep as this. */
const MAX_NAMES = 20_000;
const MAX_DEPTH = 16;
/** The folder that a pattern begins with, and the rest of it. */
const PATTERN = /^((?:\/[^/*?[{]*(?=\/))*)\/([^/]*[*?[{].*)$/;

/**
 * Looks at a file, at what is directly in a folder, or at the files that a pattern covers (`*`, `**`, `?`, `[…]`, `{a,b}`); links are followed up to there,
 * but not to folders below it, and names that begin with a dot are passed over. `path` is absolute.
 */
export async function readWatched(path: string, disk: Disk): Promise<WatchedFiles> {
  const [, base, pattern] = PATTERN.exec(path) ?? [];
  try {
    if (pattern !== undefined) return await readPattern(base || "/", pattern, disk);
    const found = await disk.stat(path);
    if (found.isDirectory()) return await readPattern(path, "*", disk);
    if (found.isFile())
      return { version: `${await wayTo(path, disk)} ${identityOf(found)}`, problem: undefined };
    return { version: "no file", problem: "it is neither a file nor a folder" };
  } catch (error) {
    return missing(errnoOf(error));
  }
}

/** What does not exist may come. */
function missing(errno: string): WatchedFiles {
  const isDenied = errno === "EACCES" || errno === "EPERM";
  return {
    version: isDenied ? "denied" : "missing",
    problem: isDenied ? "it may not be looked at" : undefined,
  };
}

async function readPattern(folder: string, pattern: string, disk: Disk): Promise<WatchedFiles> {
  const root = await disk.realpath(folder);
  const search = new Search(root, pattern, disk);
  await search.run();
  if (search.problem !== undefined) return { version: "unknown", problem: search.problem };
  const text = [await wayTo(folder, disk), ...search.found.sort()].join("\n");
  return { version: Bun.hash(text).toString(36), problem: undefined };
}

/** A walk through a folder, breadth first, that ends at its limits. */
class Search {
  readonly found: string[] = [];
  problem: string | undefined;
  readonly #root: string;
  readonly #disk: Disk;
  readonly #glob: Bun.Glob;
  /** How many folders deep its matches may be. */
  readonly #depth: number;
  #names = 0;

  constructor(root: string, pattern: string, disk: Disk) {
    this.#root = root;
    this.#disk = disk;
    this.#glob = new Bun.Glob(pattern);
    this.#depth = /\*\*|\{[^}]*\//.test(pattern) ? MAX_DEPTH : pattern.split("/").length;
  }

  async run(): Promise<void> {
    let level = [""];
    for (let depth = 1; level.length > 0 && this.problem === undefined; depth++) {
      const next: string[] = [];
      for (const folder of level) await this.#look(folder, depth < this.#depth ? next : undefined);
      level = next;
    }
  }

  /** Notes the files of one folder, and its folders for later. */
  async #look(folder: string, folders: string[] | undefined): Promise<void> {
    const entries = await this.#entriesOf(folder);
    this.#names += entries.length;
    if (this.#names > MAX_NAMES) this.problem = `there are more than ${MAX_NAMES} names to look at`;
    const matching: string[] = [];
    for (const entry of entries) {
      if (entry.name.startsWith(".")) continue;
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) folders?.push(path);
      if (this.#glob.match(path)) matching.push(path);
    }
    if (this.found.length + matching.length > MAX_FILES)
      this.problem = `it covers more than ${MAX_FILES} files`;
    if (this.problem === undefined)
      this.found.push(...(await Promise.all(matching.map((path) => this.#fact(path)))));
  }

  async #entriesOf(folder: string): Promise<Dirent[]> {
    try {
      return await this.#disk.readdir(`${this.#root}/${folder}`);
    } catch (error) {
      if (folder === "") throw error;
      return [];
    }
  }

  async #fact(path: string): Promise<string> {
    try {
      return `${path} ${identityOf(await this.#disk.stat(`${this.#root}/${path}`))}`;
    } catch {
      return `${path} gone`;
    }
  }
}
