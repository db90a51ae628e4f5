import { realpathSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Identity } from "../base/accounts.ts";

const OWNERS = 0o100;
const GROUPS = 0o010;
const OTHERS = 0o001;
const ANY = OWNERS | GROUPS | OTHERS;
const PERMISSIONS = 0o7777;
const ROOT = 0;

/** What somebody may not execute, or enter. */
export interface Blocked {
  readonly path: string;
  readonly isFolder: boolean;
  readonly mode: number;
  /** Its owner. */
  readonly uid: number;
}

/**
 * What keeps somebody from executing a file, or entering a folder: the first folder on the way to it, links resolved, or it itself, by owner and mode
 * (path_resolution(7)). Undefined where nothing is found: access lists (acl(5)) and security modules are not looked at.
 */
export function blockedAt(path: string, identity: Identity): Blocked | undefined {
  try {
    return firstBlocked(realpathSync(path), identity);
  } catch {
    // It has gone, or is not for us to see.
    return undefined;
  }
}

function firstBlocked(realPath: string, identity: Identity): Blocked | undefined {
  const above = realPath === "/" ? undefined : firstBlocked(dirname(realPath), identity);
  if (above) return above;
  const facts = statSync(realPath);
  if (mayExecute(facts, identity)) return undefined;
  return { path: realPath, isFolder: facts.isDirectory(), mode: facts.mode & PERMISSIONS, uid: facts.uid };
}

function mayExecute(facts: Stats, { uid, gid, groups }: Identity): boolean {
  const { mode } = facts;
  if (uid === ROOT) return facts.isDirectory() || (mode & ANY) !== 0;
  if (facts.uid === uid) return (mode & OWNERS) !== 0;
  if (facts.gid === gid || groups.includes(facts.gid)) return (mode & GROUPS) !== 0;
  return (mode & OTHERS) !== 0;
}

/** As chmod(1) takes it. */
export function modeText(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}
