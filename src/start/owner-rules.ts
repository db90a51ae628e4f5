import type { FileTrail, TrailLink, TrailPart } from "../base/file-trail.ts";

const WRITABLE_BY_OTHERS = 0o022;
const SET_ID = 0o6000;
/** In such a folder only the owner of a file may rename or remove it. */
const STICKY = 0o1000;
const ROOT = 0;

/**
 * Why a program may not run as the user who owns it (`user = "owner"`); undefined: it may. The rules are those of suEXEC, of Apache's
 * SymLinksIfOwnerMatch, and one more: whoever could write the file or a folder above it, or exchange a link to it, would decide what runs
 * as that user. What root has made is trusted.
 */
export function ownerProblem({ parts, links }: FileTrail, lowestUid: number): string | undefined {
  const file = parts.at(-1);
  const folder = parts.at(-2);
  if (!file || !folder || file.kind !== "file") return "it is no regular file";
  const foreign = links.find(({ uid, targetUid }) => uid !== ROOT && uid !== targetUid);
  return (
    (foreign && linkProblem(foreign)) ?? fileProblem(file, folder, lowestUid) ?? aboveProblem(parts, file)
  );
}

function linkProblem({ path, uid, targetUid }: TrailLink): string {
  return `the link ${path} belongs to user ${uid}, but what it leads to, to user ${targetUid}`;
}

function fileProblem(file: TrailPart, folder: TrailPart, lowestUid: number): string | undefined {
  if (file.uid < lowestUid) return `its owner, user ${file.uid}, is below lowest_uid (${lowestUid})`;
  if ((file.mode & SET_ID) !== 0) return "it is set-user-id or set-group-id (chmod ug-s)";
  if ((file.mode & WRITABLE_BY_OTHERS) !== 0) return "others than its owner may write it (chmod go-w)";
  if (folder.uid !== file.uid) return `it belongs to user ${file.uid}, but its folder to user ${folder.uid}`;
  if ((folder.mode & WRITABLE_BY_OTHERS) !== 0)
    return "others than its owner may write its folder (chmod go-w)";
  return undefined;
}

function aboveProblem(parts: readonly TrailPart[], { uid: owner }: TrailPart): string | undefined {
  for (const { path, uid, mode } of parts.slice(0, -2)) {
    if (uid !== ROOT && uid !== owner)
      return `the folder ${path} belongs to user ${uid}, who could exchange what is in it`;
    if ((mode & WRITABLE_BY_OTHERS) !== 0 && (mode & STICKY) === 0)
      return `others than its owner may write the folder ${path} (chmod go-w)`;
  }
  return undefined;
}
