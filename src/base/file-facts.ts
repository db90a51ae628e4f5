import { constants } from "node:fs";
import { access, realpath, stat } from "node:fs/promises";
import type { Clock } from "./clock.ts";
import { errnoOf } from "./errors.ts";
import { type FileTrail, readTrail } from "./file-trail.ts";
import { isOnNoexec } from "./mounts.ts";

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

/** A known file is looked at again in the background from this age on … */
const REFRESH_AFTER_MS = 500;
/** … and not believed any more from this age on. */
const BELIEVE_MS = 1000;
const MAX_ENTRIES = 4096;
const ANY_EXECUTE = 0o111;

interface Entry<Facts> {
  facts: Facts;
  readAt: number;
}

/**
 * A lookup that never blocks the event loop and asks the disk about a busy file twice a second at most. Unless told
 * otherwise it remembers only files that exist, so a new program is found at once.
 */
export function createFileLookup(clock: Clock, remembers: "existing" | "all" = "existing"): FileLookup {
  return remembering(
    clock,
    readFacts,
    ({ kind }) => remembers === "all" || kind === "file" || kind === "other",
  );
}

/** The same for the ways that lead to files; those that lead nowhere are not remembered. */
export function createTrailLookup(clock: Clock): TrailLookup {
  return remembering(clock, readTrail, (trail) => trail !== undefined);
}

function remembering<Facts>(
  clock: Clock,
  ask: (path: string) => Promise<Facts>,
  isKept: (facts: Facts) => boolean,
): (path: string) => Facts | Promise<Facts> {
  const known = new Map<string, Entry<Facts>>();
  const pending = new Map<string, Promise<Facts>>();

  function read(path: string): Promise<Facts> {
    const running = pending.get(path);
    if (running) return running;
    const reading = ask(path).then((facts) => {
      pending.delete(path);
      known.delete(path);
      if (isKept(facts)) known.set(path, { facts, readAt: clock.now() });
      if (known.size > MAX_ENTRIES) known.delete(known.keys().next().value as string);
      return facts;
    });
    pending.set(path, reading);
    return reading;
  }

  return (path) => {
    const entry = known.get(path);
    if (!entry) return read(path);
    const age = clock.now() - entry.readAt;
    if (age >= BELIEVE_MS) return read(path);
    if (age >= REFRESH_AFTER_MS) void read(path);
    return entry.facts;
  };
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
