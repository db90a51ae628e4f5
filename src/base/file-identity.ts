import { type BigIntStats, lstatSync } from "node:fs";

/** Device and inode: the same for all names of a file, and for no other file as long as it is there. */
export function identityOf({ dev, ino }: Pick<BigIntStats, "dev" | "ino">): string {
  return `${dev}:${ino}`;
}

/** That of what is at a path, links not followed; undefined when nothing is there, or nobody can tell. */
export function fileIdentity(path: string): string | undefined {
  try {
    return identityOf(lstatSync(path, { bigint: true }));
  } catch {
    return undefined;
  }
}
