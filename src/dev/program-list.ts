import { constants, type Dirent } from "node:fs";
import { access, readdir, realpath } from "node:fs/promises";
import { join, relative } from "node:path";
import { isUnder } from "../config/program-path.ts";

/** A program that the development front can run. */
export interface FoundProgram {
  /** Its path below the served folder, percent-encoded, with a leading slash. */
  readonly url: string;
  readonly isExecutable: boolean;
}

const MAX_DEPTH = 8;
const MAX_ENTRIES = 10_000;
const MAX_PROGRAMS = 500;

/**
 * The programs below `folder`, which lies in `root`: breadth first and sorted, without hidden files and links that lead out of the root.
 * `isCut` tells that a limit ended the search.
 */
export async function listPrograms(
  root: string,
  folder: string,
  isProgram: (path: string) => boolean,
): Promise<{ programs: FoundProgram[]; isCut: boolean }> {
  const programs: FoundProgram[] = [];
  let level = [folder];
  let entries = 0;
  for (let depth = 0; level.length > 0; depth++) {
    if (depth === MAX_DEPTH) return { programs, isCut: true };
    const next: string[] = [];
    for (const path of level) {
      for (const entry of await visibleEntries(path)) {
        if (++entries > MAX_ENTRIES || programs.length >= MAX_PROGRAMS) return { programs, isCut: true };
        const child = join(path, entry.name);
        if (entry.isDirectory()) next.push(child);
        else if (isProgram(child) && (await staysInside(root, child))) {
          programs.push({ url: urlOf(root, child), isExecutable: await isExecutable(child) });
        }
      }
    }
    level = next;
  }
  return { programs, isCut: false };
}

/** The URL's path of a file below the root. */
export function urlOf(root: string, path: string): string {
  return `/${relative(root, path).split("/").map(encodeURIComponent).join("/")}`;
}

async function visibleEntries(folder: string): Promise<Dirent[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const visible = entries.filter((entry) => !entry.name.startsWith("."));
  return visible.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function staysInside(root: string, path: string): Promise<boolean> {
  return await realpath(path).then(
    (real) => isUnder(real, root),
    () => false,
  );
}

async function isExecutable(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
