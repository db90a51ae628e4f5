import { constants } from "node:fs";
import { access, realpath, stat } from "node:fs/promises";
import type { Clock } from "./clock.ts";
import { errnoOf } from "./errors.ts";
import { type FileTrail, readTrail } from "./file-trail.ts";
import { isOnNoexec } from "./mounts.ts";
import { remembering } from "./remembering.ts";
import { readWatched } from "./watched-files.ts";

/** What the disk says of a path, links followed. */
export type FileFacts =
  | { readonly kind: "missing" }
  | { readonly kind: "denied" }
  /** A folder, a socket, … */
  | { readonly kind: "other"; readonly realPath: string; readonly uid: number; readonly mode: number }
  | {
      readonly kind: "file";
      /** The path with every link resolved. */
      readonly realPath: string;
      /** Device, inode, time and size, and the links on the way to it: another value is another file, or the same one elsewhere. */
      readonly identity: string;
      readonly readable: boolean;
      readonly executable: boolean;
      /** Where it is not executable: whether nothing is on its file system. */
      readonly isOnNoexec: boolean;
      /** Its owner. */
      readonly uid: number;
      /** Permission bits. */
      readonly mode: number;
    };

/** Looks a path up; a promise only where the answer is not known already. */
export type FileLookup = (path: string) => FileFacts | Promise<FileFacts>;

/** The way to a file; undefined where a path leads to none. */
export type TrailLookup = (path: string) => FileTrail | undefined | Promise<FileTrail | undefined>;

const ANY_EXECUTE = 0o111;
/** A look at many files takes no more than a twentieth of the time. */
const PAUSES_BETWEEN_LOOKS = 20;

/**
 * A lookup that never blocks the event loop and asks the disk about a busy file twice a second at most. It remembers only files
 * that exist, so a new program is found at once.
 */
export function createFileLookup(clock: Clock): FileLookup {
  return remembering(clock, readFacts, ({ kind }) => kind === "file" || kind === "other");
}

/** The version of what a path or a pattern covers; a promise only where it is not known already. */
export type VersionLookup = (path: string) => string | Promise<string>;

/**
 * The versions of files that need not exist. A look at many takes its time: it comes again the later, the longer it took. `onProblem` hears of
 * what cannot be watched, once.
 */
export function createVersionLookup(
  clock: Clock,
  onProblem: (path: string, problem: string) => void,
): VersionLookup {
  const problems = new Map<string, string>();
  const read = async (path: string) => {
    const { version, problem } = await readWatched(path);
    if (problem === undefined) problems.delete(path);
    else if (problems.get(path) !== problem) {
      problems.set(path, problem);
      onProblem(path, problem);
    }
    return version;
  };
  return remembering(clock, read, () => true, PAUSES_BETWEEN_LOOKS);
}

/** The same for the ways that lead to files; those that lead nowhere are not remembered. */
export function createTrailLookup(clock: Clock): TrailLookup {
  return remembering(clock, readTrail, (trail) => trail !== undefined);
}

/** Asks the disk. */
async function readFacts(path: string): Promise<FileFacts> {
  try {
    const realPath = await realpath(path);
    const found = await stat(realPath, { bigint: true });
    const owned = { realPath, uid: Number(found.uid), mode: Number(found.mode) & 0o7777 };
    if (!found.isFile()) return { kind: "other", ...owned };
    const [readable, executable] = await Promise.all([
      may(realPath, constants.R_OK),
      may(realPath, constants.X_OK),
    ]);
    const isOnNoexecMount = !executable && (owned.mode & ANY_EXECUTE) !== 0 && (await isOnNoexec(realPath));
    const way = realPath === path ? realPath : await wayTo(path);
    const identity = `${found.dev}:${found.ino}:${found.mtimeNs}:${found.size} ${way}`;
    return { kind: "file", ...owned, identity, readable, executable, isOnNoexec: isOnNoexecMount };
  } catch (error) {
    const code = errnoOf(error);
    return { kind: code === "EACCES" || code === "EPERM" ? "denied" : "missing" };
  }
}

/** A release is often a link that is switched: what it leads to may be the same file, hard-linked or shared, and another program all the same. */
async function wayTo(path: string): Promise<string> {
  const trail = await readTrail(path);
  return trail ? [...trail.links.map((link) => link.path), trail.realPath].join(" ") : "";
}

async function may(path: string, mode: number): Promise<boolean> {
  try {
    await access(path, mode);
    return true;
  } catch {
    return false;
  }
}
