import type { Stats } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";

/** A folder and its permissions. */
export interface Folder {
  readonly path: string;
  readonly facts: Stats;
}

const ROOT = 0;
const OTHERS_WRITE = 0o002;
const GROUP_WRITE = 0o020;
/** In such a folder only the owner of a file may rename or remove it (sticky bit, unlink(2)). */
const STICKY = 0o1000;

/** Whether there is a folder. */
export async function isFolder(path: string): Promise<boolean> {
  return (await factsOf(path))?.isDirectory() === true;
}

/** The folder that a path names, or the file's, and all above it. Those that are not there are left out. */
export async function foldersAbove(path: string): Promise<Folder[]> {
  const folders: Folder[] = [];
  for (let at = path; ; at = dirname(at)) {
    const facts = await factsOf(at);
    if (facts?.isDirectory()) folders.push({ path: at, facts });
    if (at === dirname(at)) return folders;
  }
}

/** The folder in which every user may put another file in the place of this one; undefined when there is none. */
export async function openToAll(path: string): Promise<Folder | undefined> {
  const [own, ...above] = await foldersAbove(path);
  if (own && (own.facts.mode & OTHERS_WRITE) !== 0) return own;
  return above.find(({ facts }) => (facts.mode & (OTHERS_WRITE | STICKY)) === OTHERS_WRITE);
}

/** Who else than root may put another file in the place of one in this folder, and the folder; undefined: nobody. */
export async function changeableAbove(folder: string): Promise<{ who: string; path: string } | undefined> {
  for (const { path, facts } of await foldersAbove(folder)) {
    const who = exchangerIn(facts);
    if (who !== undefined) return { who, path };
  }
  return undefined;
}

function exchangerIn({ uid, gid, mode }: Stats): string | undefined {
  if (uid !== ROOT) return `user ${uid}`;
  if ((mode & STICKY) !== 0) return undefined;
  if ((mode & OTHERS_WRITE) !== 0) return "every user";
  return (mode & GROUP_WRITE) !== 0 && gid !== ROOT ? `the group ${gid}` : undefined;
}

async function factsOf(path: string): Promise<Stats | undefined> {
  return await stat(path).catch(() => undefined);
}
