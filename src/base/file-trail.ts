import { lstatSync, type Stats } from "node:fs";
import type { Disk } from "./disk.ts";

/** A folder or a file on the way to a file. */
export interface TrailPart {
  readonly path: string;
  readonly kind: "folder" | "file" | "other";
  readonly uid: number;
  /** Permission bits. */
  readonly mode: number;
}

/** A symbolic link on that way. */
export interface TrailLink {
  readonly path: string;
  readonly uid: number;
  /** Whose that is what it leads to. */
  readonly targetUid: number;
}

/** How a path leads to a file, one step after the other. */
export interface FileTrail {
  /** The path with every link resolved. */
  readonly realPath: string;
  /** From the root folder to the file itself. */
  readonly parts: readonly TrailPart[];
  readonly links: readonly TrailLink[];
}

/** What the kernel follows at most (path_resolution(7)). */
const MAX_LINKS = 40;

/** Goes an absolute path step by step; undefined where it leads nowhere, or may not be looked at. */
export async function readTrail(path: string, disk: Disk): Promise<FileTrail | undefined> {
  try {
    return await follow(path, disk);
  } catch {
    return undefined;
  }
}

/**
 * The links on the way to a path and what it leads to, as a text; the path alone where that cannot be told. A release is often a link that is
 * switched: what it leads to may be the same file, hard-linked or shared, and another program all the same.
 */
export async function wayTo(path: string, disk: Disk): Promise<string> {
  const trail = await readTrail(path, disk);
  return trail ? [...trail.links.map((link) => link.path), trail.realPath].join(" ") : path;
}

/** The same at once, of a path that must have no links any more; undefined when it has one. */
export function plainTrail(path: string): FileTrail | undefined {
  try {
    const facts = pathsTo(path).map((each) => [each, lstatSync(each)] as const);
    if (facts.some(([, found]) => found.isSymbolicLink())) return undefined;
    return { realPath: path, parts: facts.map(([each, found]) => partOf(each, found)), links: [] };
  } catch {
    return undefined;
  }
}

async function follow(path: string, disk: Disk): Promise<FileTrail> {
  const links: TrailLink[] = [];
  const names = path.split("/");
  let at = "";
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === "" || name === ".") continue;
    if (name === "..") at = at.slice(0, Math.max(0, at.lastIndexOf("/")));
    else {
      const next = `${at}/${name}`;
      const found = await disk.lstat(next);
      if (!found.isSymbolicLink()) at = next;
      else if (links.length === MAX_LINKS) throw new RangeError("too many links");
      else {
        const target = await disk.readlink(next);
        links.push({ path: next, uid: found.uid, targetUid: Number((await disk.stat(next)).uid) });
        names.unshift(...target.split("/"));
        if (target.startsWith("/")) at = "";
      }
    }
  }
  const parts: TrailPart[] = [];
  for (const each of pathsTo(at)) parts.push(partOf(each, await disk.lstat(each)));
  return { realPath: at, parts, links };
}

/** "/", "/a", "/a/b" of "/a/b". */
function pathsTo(path: string): string[] {
  const names = path.split("/").slice(1);
  return ["/", ...names.map((_, index) => `/${names.slice(0, index + 1).join("/")}`)];
}

function partOf(path: string, found: Stats): TrailPart {
  const kind = found.isFile() ? "file" : found.isDirectory() ? "folder" : "other";
  return { path, kind, uid: found.uid, mode: found.mode & 0o7777 };
}
