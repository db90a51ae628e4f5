import { constants, type Stats } from "node:fs";
import { type FileHandle, lstat, open, readlink } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, messageOf } from "./errors.ts";

const { O_APPEND, O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
const FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
/** A FIFO, or a file with a lease, would keep us waiting. */
const PLAIN_FILE = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
const MODE = 0o640;
const ROOT = 0;
const GROUP_WRITE = 0o020;
const OTHERS_WRITE = 0o002;
/** What the kernel follows at most (path_resolution(7)). */
const MAX_LINKS = 40;
/** A descriptor of a process, such as that of /dev/stdout: a link that leads to no path, to what somebody has opened already. */
const DESCRIPTOR = /^\/proc\/\d+\/(?:task\/\d+\/)?fd\/\d+$/;

/** Where the way to a log leaves what only root may change. */
interface ForeignFolder {
  /** No part of it is a link. */
  readonly path: string;
  /** Who else may change it. */
  readonly who: string;
  /** What leads on from there; the last one is that of the log. */
  readonly names: readonly string[];
}

/**
 * Opens a log for appending, and makes it where there is none. Root follows links in folders that only root may change. In others, and below
 * them, the log is a plain file with one name and no folder is a link: whoever may change them could have root write into any file, such as
 * /etc/passwd, what clients say of themselves. @throws The system's error, or one that names what is in the way.
 */
export async function openLog(path: string): Promise<FileHandle> {
  const foreign = process.geteuid?.() === ROOT ? await foreignFolder(path) : undefined;
  if (!foreign) return await open(path, "a", MODE);
  return await openIn(await open(foreign.path, FOLDER), foreign.path, foreign.names, foreign);
}

/** Who else than root may change a folder; undefined: nobody. In one that is sticky others cannot take a file's name, but be first to have it. */
export function foreignTo({ uid, gid, mode }: Pick<Stats, "uid" | "gid" | "mode">): string | undefined {
  if (uid !== ROOT) return `user ${uid}`;
  if ((mode & OTHERS_WRITE) !== 0) return "every user";
  return (mode & GROUP_WRITE) === 0 ? undefined : `the group ${gid}`;
}

/** The first folder on the way to a log that others than root may change; undefined: there is none, or the way ends before. */
async function foreignFolder(path: string): Promise<ForeignFolder | undefined> {
  const names = path.split("/");
  let [at, links] = ["/", 0];
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === "" || name === ".") continue;
    const who = foreignTo(await lstat(at));
    if (who !== undefined) return { path: at, who, names: [name, ...names].filter(leadsOn) };
    const next = join(at, name);
    const facts = await lookAt(next);
    if (!facts) return undefined;
    if (!facts.isSymbolicLink() || DESCRIPTOR.test(next)) at = next;
    else if (links === MAX_LINKS) return undefined;
    else {
      links++;
      const target = await readlink(next);
      names.unshift(...target.split("/"));
      if (target.startsWith("/")) at = "/";
    }
  }
  return undefined;
}

function leadsOn(name: string): boolean {
  return name !== "" && name !== ".";
}

async function lookAt(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Goes on name by name in a folder that is open, and closed at the end: nobody can exchange what was passed already. */
async function openIn(
  folder: FileHandle,
  path: string,
  [name = "", ...names]: readonly string[],
  foreign: ForeignFolder,
): Promise<FileHandle> {
  const shown = join(path, name);
  const isLog = names.length === 0;
  try {
    const handle = await openPart(`/proc/self/fd/${folder.fd}/${name}`, isLog, shown, foreign);
    return isLog ? handle : await openIn(handle, shown, names, foreign);
  } finally {
    await folder.close();
  }
}

async function openPart(
  at: string,
  isLog: boolean,
  shown: string,
  foreign: ForeignFolder,
): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    handle = await open(at, isLog ? PLAIN_FILE : FOLDER, MODE);
  } catch (error) {
    const facts = await lookAt(at).catch(() => undefined);
    const problem = facts && problemOf(facts, isLog);
    if (problem !== undefined) throw new Error(refusal(shown, problem, foreign), { cause: error });
    throw new Error(messageOf(error).replace(at, shown), { cause: error });
  }
  const problem = problemOf(await handle.stat(), isLog);
  if (problem === undefined) return handle;
  await handle.close();
  throw new Error(refusal(shown, problem, foreign));
}

function problemOf(facts: Stats, isLog: boolean): string | undefined {
  if (facts.isSymbolicLink()) return "is a symbolic link";
  if (!isLog) return facts.isDirectory() ? undefined : "is no folder";
  if (!facts.isFile()) return "is no plain file";
  return facts.nlink > 1 ? "has more names than this one (hard links)" : undefined;
}

function refusal(shown: string, problem: string, { path, who }: ForeignFolder): string {
  const rule = "run by root, std-fpm writes logs there into plain files alone";
  return `${shown} ${problem}, and ${who} may change the folder ${path}: ${rule}. Remove it, or set a \`file\` in a folder that only root may change`;
}
