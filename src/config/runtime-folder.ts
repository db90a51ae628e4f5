import { lstatSync, realpathSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { errnoOf } from "../base/errors.ts";
import { plainTrail } from "../base/file-trail.ts";

/** What std-fpm itself has in its runtime folder. */
export const RUNTIME_NAMES = { pidFile: "std-fpm.pid", instance: "instance", backends: "backends" } as const;

const OTHERS_WRITE = 0o002;
const GROUP_WRITE = 0o020;
/** In such a folder only the owner of a file may rename or remove it. */
const STICKY = 0o1000;

/**
 * Why std-fpm, run by user `uid`, may not use a runtime folder; undefined: it may. Whoever can write it, or exchange it, could put a link
 * in the place of the pid file, and programs of their own behind the sockets of others. One that is missing is made.
 */
export function runtimeFolderProblem(path: string, uid: number): string | undefined {
  const own = lookAt(path);
  if (own && !own.isDirectory()) return "it is a link, or no folder";
  const problem = own && ownFolderProblem(own, uid);
  if (problem !== undefined) return problem;
  for (const folder of foldersAbove(path)) {
    if (!isOurs(folder.uid, uid)) return `the folder ${folder.path} above it belongs to user ${folder.uid}`;
    if ((folder.mode & forbiddenFor(uid)) !== 0 && (folder.mode & STICKY) === 0)
      return `others than its owner may write the folder ${folder.path} above it (chmod go-w)`;
  }
  return undefined;
}

/** The same of the folder itself. */
export function ownFolderProblem(own: Pick<Stats, "uid" | "mode">, uid: number): string | undefined {
  if (!isOurs(own.uid, uid)) return `it belongs to user ${own.uid}`;
  if ((own.mode & forbiddenFor(uid)) !== 0) return "others than its owner may write it (chmod go-w)";
  return undefined;
}

function isOurs(owner: number, uid: number): boolean {
  return owner === 0 || owner === uid;
}

function forbiddenFor(uid: number): number {
  return uid === 0 ? OTHERS_WRITE | GROUP_WRITE : OTHERS_WRITE;
}

function lookAt(path: string) {
  try {
    return lstatSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Those that are there. */
function foldersAbove(path: string) {
  for (let at = dirname(path); ; at = dirname(at)) {
    const real = realPathIfThere(at);
    if (real !== undefined) return plainTrail(real)?.parts ?? [];
    if (at === dirname(at)) return [];
  }
}

function realPathIfThere(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
