import type { Dirent } from "node:fs";
import { type Disk, identityOf } from "./disk.ts";
import { errnoOf } from "./errors.ts";
import { wayTo } from "./file-trail.ts";
import { alternativesOf } from "./path-pattern.ts";

/** What is on the disk where a path or a pattern says. */
export interface WatchedFiles {
  /** Another text: something has changed. */
  readonly version: string;
  /** Why changes are not noticed there. */
  readonly problem: string | undefined;
}

/** So many files are compared of one pattern or folder … */
const MAX_FILES = 2000;
/** … and so many names looked at in the search for them, with `**` in folders as deep as this. */
const MAX_NAMES = 20_000;
const MAX_DEPTH = 16;
/** The folder that a pattern begins with, and the rest of it. */
const PATTERN = /^((?:\/[^/*?[{]*(?=\/))*)\/([^/]*[*?[{].*)$/;
/** All that is directly in a folder. */
const EVERYTHING = "{*,.*}";

/**
 * Looks at a file, at what is directly in a folder, or at the files that a pattern covers (`*`, `**`, `?`, `[…]`, `{a,b}`). Links are followed where a
 * part of the path names them, not by `**`; a name that begins with a dot is covered where the part of the pattern begins with one. `path` is
 * absolute.
 */
export async function readWatched(path: string, disk: Disk): Promise<WatchedFiles> {
  const [, base, pattern] = PATTERN.exec(path) ?? [];
  try {
    if (pattern !== undefined) return await readPattern(base || "/", pattern, disk);
    const found = await disk.stat(path);
    if (found.isDirectory()) return await readPattern(path, EVERYTHING, disk);
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
  const search = new Search(await disk.realpath(folder), disk);
  await search.run(pattern);
  if (search.problem !== undefined) return { version: "unknown", problem: search.problem };
  const text = [await wayTo(folder, disk), ...[...search.found].sort()].join("\n");
  return { version: Bun.hash(text).toString(36), problem: undefined };
}

/** A walk through a folder, from part to part of a pattern, that ends at its limits. Paths are relative to the folder; its own is "". */
class Search {
  /** A line for each file, and for each link on the way to one. */
  readonly found = new Set<string>();
  problem: string | undefined;
  readonly #root: string;
  readonly #disk: Disk;
  readonly #globs = new Map<string, Bun.Glob>();
  readonly #entries = new Map<string, readonly Dirent[]>();
  #files = 0;
  #names = 0;

  constructor(root: string, disk: Disk) {
    this.#root = root;
    this.#disk = disk;
  }

  async run(pattern: string): Promise<void> {
    const alternatives = alternativesOf(pattern);
    if (alternatives.length === 0) this.problem = "it has too many alternatives in {…}";
    for (const each of alternatives) await this.#walk(partsOf(each));
  }

  async #walk(parts: readonly string[]): Promise<void> {
    let at = [""];
    for (const [index, part] of parts.entries()) {
      const isLast = index === parts.length - 1;
      const next: string[] = [];
      for (const folder of at) {
        if (this.problem !== undefined) return;
        next.push(...(await this.#step(folder, part, isLast)));
      }
      at = next;
    }
    this.#files += at.length;
    if (this.#files > MAX_FILES) this.problem = `it covers more than ${MAX_FILES} files`;
    if (this.problem !== undefined) return;
    for (const fact of await Promise.all(at.map((path) => this.#fact(path)))) this.found.add(fact);
  }

  /** What one part of a pattern leads to from a folder: of the last part files and folders, of others folders, or what may be one. */
  async #step(folder: string, part: string, isLast: boolean): Promise<string[]> {
    if (part === "**") return await this.#foldersBelow(folder);
    if (!/[*?[\\]/.test(part)) return await this.#named(below(folder, part), isLast);
    const glob = this.#globOf(part);
    const isHidden = part.startsWith(".");
    const paths: string[] = [];
    for (const entry of await this.#entriesOf(folder)) {
      if (entry.name.startsWith(".") !== isHidden || !glob.match(`/${entry.name}`)) continue;
      if (!isLast && entry.isFile()) continue;
      const path = below(folder, entry.name);
      if (!isLast && entry.isSymbolicLink()) await this.#noteWay(path);
      paths.push(path);
    }
    return paths;
  }

  #globOf(part: string): Bun.Glob {
    // With a slash in front, as a "!" there would mean all others.
    const glob = this.#globs.get(part) ?? new Bun.Glob(`/${part}`);
    this.#globs.set(part, glob);
    return glob;
  }

  async #named(path: string, isLast: boolean): Promise<string[]> {
    this.#count(1);
    if (!isLast) await this.#noteWay(path);
    else if (!(await this.#isThere(path))) return [];
    return [path];
  }

  /** A folder and those below it, without links and hidden ones. */
  async #foldersBelow(folder: string): Promise<string[]> {
    const all = [folder];
    let level = all;
    for (let depth = 1; depth < MAX_DEPTH && level.length > 0 && this.problem === undefined; depth++) {
      const next: string[] = [];
      for (const each of level)
        for (const entry of await this.#entriesOf(each))
          if (entry.isDirectory() && !entry.name.startsWith(".")) next.push(below(each, entry.name));
      all.push(...next);
      level = next;
    }
    return all;
  }

  /** Where a link on the way leads: behind another one the same files may lie, hard-linked. */
  async #noteWay(path: string): Promise<void> {
    try {
      this.found.add(`${path} > ${await this.#disk.realpath(`${this.#root}/${path}`)}`);
    } catch {
      // It may come.
    }
  }

  async #entriesOf(folder: string): Promise<readonly Dirent[]> {
    const known = this.#entries.get(folder);
    if (known || this.problem !== undefined) return known ?? [];
    try {
      const entries = await this.#disk.readdir(`${this.#root}/${folder}`);
      this.#count(entries.length);
      this.#entries.set(folder, entries);
      return entries;
    } catch (error) {
      if (folder === "") throw error;
      this.#entries.set(folder, []);
      return [];
    }
  }

  #count(names: number): void {
    this.#names += names;
    if (this.#names > MAX_NAMES) this.problem = `there are more than ${MAX_NAMES} names to look at`;
  }

  async #isThere(path: string): Promise<boolean> {
    try {
      await this.#disk.lstat(`${this.#root}/${path}`);
      return true;
    } catch {
      return false;
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

/** The parts of a pattern without lists; `**` at its end is all that is below. */
function partsOf(pattern: string): string[] {
  const parts = pattern.split("/").filter((part) => part !== "");
  return parts.at(-1) === "**" ? [...parts, "*"] : parts;
}

function below(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}
