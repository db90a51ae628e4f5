import { type BigIntStats, chmodSync, chownSync, closeSync, fstatSync } from "node:fs";
import { identityOf } from "../base/file-identity.ts";
import { openPlace, pathOf } from "../base/open-place.ts";

/** Who may connect to a Unix socket. */
export interface SocketPermissions {
  readonly mode: number;
  /** undefined leaves it as it is. */
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

/**
 * Gives the file of a socket that was just bound its owner and mode, and tells its identity. Whoever owns the folder may have put another file in
 * its place by now, such as a link to one of root's. @throws Error that says what is there, or the system's.
 */
export function setPermissions(path: string, permissions: SocketPermissions): string {
  return change(path, permissions, (facts) => {
    const isOurs = facts.uid === BigInt(process.geteuid?.() ?? 0) && facts.nlink === 1n;
    return facts.isSocket() && isOurs;
  });
}

/** The same for a socket that had its permissions before. @throws Error that says what is there, or the system's. */
export function renewPermissions(path: string, identity: string, permissions: SocketPermissions): void {
  change(path, permissions, (facts) => identityOf(facts) === identity);
}

function change(
  path: string,
  { uid, gid, mode }: SocketPermissions,
  isMeant: (facts: BigIntStats) => boolean,
): string {
  const fd = openPlace(path, "not followed");
  try {
    const facts = fstatSync(fd, { bigint: true });
    if (!isMeant(facts))
      throw new Error(
        `somebody has put another file in the place of the socket ${path}; only std-fpm's user and root should be able to change its folder.`,
      );
    chownSync(pathOf(fd), uid ?? -1, gid ?? -1);
    chmodSync(pathOf(fd), mode);
    return identityOf(facts);
  } finally {
    closeSync(fd);
  }
}
