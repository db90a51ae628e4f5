import type { FileFacts } from "../base/file-facts.ts";

type OwnedFile = FileFacts & { readonly kind: "file" };

const WRITABLE_BY_OTHERS = 0o022;
const SET_ID = 0o6000;

/**
 * Why a program may not run as the user who owns it (`user = "owner"`); undefined: it may. The rules are those of suEXEC: whoever
 * can write the file or its folder could run anything as that user.
 */
export function ownerProblem(file: OwnedFile, folder: FileFacts, lowestUid: number): string | undefined {
  if (file.uid < lowestUid) return `its owner, user ${file.uid}, is below lowest_uid (${lowestUid})`;
  if ((file.mode & SET_ID) !== 0) return "it is set-user-id or set-group-id (chmod ug-s)";
  if ((file.mode & WRITABLE_BY_OTHERS) !== 0) return "others than its owner may write it (chmod go-w)";
  if (folder.kind !== "other") return "its folder cannot be looked at";
  if (folder.uid !== file.uid) return `it belongs to user ${file.uid}, but its folder to user ${folder.uid}`;
  if ((folder.mode & WRITABLE_BY_OTHERS) !== 0)
    return "others than its owner may write its folder (chmod go-w)";
  return undefined;
}
