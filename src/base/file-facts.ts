import { constants } from "node:fs";
import type { Clock } from "./clock.ts";
import { type Disk, identityOf } from "./disk.ts";
import { errnoOf } from "./errors.ts";
import { type FileTrail, wayTo } from "./file-trail.ts";
import { isOnNoexec } from "./mounts.ts";
import { type Remembered, remember, remembering } from "./remembering.ts";
import type { WatchedFiles } from "./watched-files.ts";

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
export type FileLookup = Remembered<FileFacts>;

/** The way to a file; undefined where a path leads to none. */
export type TrailLookup = Remembered<FileTrail | undefined>;

/** In the mode of a file: somebody may execute it. */
export const ANY_EXECUTE = 0o111;
/** What says that there is nothing at a path. */
const NOT_THERE = ["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EINVAL"];
/** A look at many files, or at a disk that hardly answers, takes no more than a twentieth of the time. */
const PAUSES_BETWEEN_LOOKS = 20;
/** Of so many the version of before is known. */
const MAX_EXECUTABLES = 1024;

/**
 * A lookup that never blocks the event loop and asks the disk about a busy file twice a second at most. It remembers only files
 * that exist, so a new program is found at once.
 */
export function createFileLookup(clock: Clock, ask: (path: string) => Promise<FileFacts>): FileLookup {
  return remembering(clock, ask, ({ kind }) => kind === "file" || kind === "other");
}

/** The version of what a path or a pattern covers; a promise only where it is not known already. */
export type VersionLookup = Remembered<string>;

/**
 * The versions of files that need not exist. A look at many takes its time: it comes again the later, the longer it took. `onProblem` hears of
 * what cannot be watched, once.
 */
export function createVersionLookup(
  clock: Clock,
  ask: (path: string) => Promise<WatchedFiles>,
  onProblem: (path: string, problem: string) => void,
): VersionLookup {
  const problems = new Map<string, string>();
  const read = async (path: string) => {
    const { version, problem } = await ask(path);
    if (problem === undefined) problems.delete(path);
    else if (problems.get(path) !== problem) {
      problems.set(path, problem);
      onProblem(path, problem);
    }
    return version;
  };
  return remembering(clock, read, () => true, PAUSES_BETWEEN_LOOKS);
}

/**
 * The versions of executables. One that is missing, as for a moment while a package is replaced, has the version of before: there is nothing to
 * start in the place of what runs. So has one on a disk that stands: what runs needs no disk, and is kept waiting for it seldom.
 */
export function createExecutableLookup(
  clock: Clock,
  ask: (path: string) => Promise<FileFacts>,
): VersionLookup {
  const last = new Map<string, string>();
  const read = async (path: string) => {
    const before = last.get(path);
    const facts = await ask(path).catch((error) => {
      if (before === undefined) throw error;
    });
    if (facts?.kind === "file") return remember(last, path, facts.identity, MAX_EXECUTABLES);
    return before ?? "missing";
  };
  return remembering(clock, read, () => true, PAUSES_BETWEEN_LOOKS);
}

/** Lookups of the ways that lead to files; those that lead nowhere are not remembered. */
export function createTrailLookup(
  clock: Clock,
  ask: (path: string) => Promise<FileTrail | undefined>,
): TrailLookup {
  return remembering(clock, ask, (trail) => trail !== undefined);
}

/** Asks a disk for the facts of a path. What says nothing of the file, such as EMFILE and EIO, is thrown. */
export async function readFacts(path: string, disk: Disk): Promise<FileFacts> {
  try {
    const realPath = await disk.realpath(path);
    const found = await disk.stat(realPath);
    const owned = { realPath, uid: Number(found.uid), mode: Number(found.mode) & 0o7777 };
    if (!found.isFile()) return { kind: "other", ...owned };
    const readable = await may(realPath, constants.R_OK, disk);
    const executable = await may(realPath, constants.X_OK, disk);
    const isOnNoexecMount = !executable && (owned.mode & ANY_EXECUTE) !== 0 && isOnNoexec(realPath);
    const way = realPath === path ? realPath : await wayTo(path, disk);
    const identity = `${identityOf(found)} ${way}`;
    return { kind: "file", ...owned, identity, readable, executable, isOnNoexec: isOnNoexecMount };
  } catch (error) {
    const errno = errnoOf(error);
    if (NOT_THERE.includes(errno)) return { kind: "missing" };
    if (errno === "EACCES" || errno === "EPERM") return { kind: "denied" };
    throw error;
  }
}

async function may(path: string, mode: number, disk: Disk): Promise<boolean> {
  try {
    await disk.access(path, mode);
    return true;
  } catch {
    return false;
  }
}
