import { plainTrail } from "../base/file-trail.ts";
import { ownerProblem } from "./owner-rules.ts";
import { cannotStart, type Program } from "./program.ts";

/**
 * Looks at the file that is to run as its owner, right before each start, whoever wants it: what was checked for a request may be another
 * file by now. After it only that owner, or root, can change what runs. @throws FpmError SPAWN_FAILED.
 */
export function checkOwnedFile(program: Program): void {
  const { ownedFile, owner, app } = program;
  if (ownedFile === undefined) return;
  const trail = plainTrail(ownedFile);
  const uid = trail?.parts.at(-1)?.uid;
  const problem = !trail
    ? "it is missing, or has become a link"
    : uid === owner
      ? ownerProblem(trail, app.lowestUid)
      : `it belongs to user ${uid} now`;
  if (problem !== undefined) throw cannotStart(program, `${ownedFile}: ${problem}`);
}
