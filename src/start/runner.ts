import { type Account, accountOf, groupId, groupsOf, type Identity, userId } from "../base/accounts.ts";
import { messageOf } from "../base/errors.ts";
import type { AppConfig } from "../config/config.ts";
import { NAME_A_USER } from "../config/root-user.ts";
import { cannotStart, type Program } from "./program.ts";

/** Whom a program's processes run as. */
export interface Runner extends Identity {
  /** Undefined for a number that no user has. */
  readonly account: Account | undefined;
}

/** So long an answer of the user database holds. */
const KNOWN_MS = 1000;

const known = new WeakMap<Program, { readonly runner: Runner | undefined; readonly until: number }>();

/**
 * What `user` and `group` say; undefined: as std-fpm itself, which is not root then. The user database is asked at most once a second for a program.
 * @throws FpmError SPAWN_FAILED.
 */
export function runnerOf(program: Program): Runner | undefined {
  const now = performance.now();
  const before = known.get(program);
  if (before && now < before.until) return before.runner;
  const runner = runnerNow(program);
  known.set(program, { runner, until: now + KNOWN_MS });
  return runner;
}

function runnerNow(program: Program): Runner | undefined {
  try {
    return runnerFor(program.app, program.owner);
  } catch (error) {
    throw cannotStart(program, messageOf(error));
  }
}

/** Whom these settings name; `owner` is who owns the program's file. @throws Error that says why nobody. */
export function runnerFor(
  { user, group }: Pick<AppConfig, "user" | "group">,
  owner: number | undefined,
): Runner | undefined {
  const ownUid = process.geteuid?.() ?? 0;
  if (user === "" && ownUid === 0)
    throw new Error(`std-fpm runs as root, and no setting names a user for it: ${NAME_A_USER}`);
  if (user === "" && group === "") return undefined;
  const account = accountOf(owner ?? (user === "" ? ownUid : user));
  // The number that was checked: never another one, whatever the user database says.
  const uid = owner ?? account?.uid ?? userId(user);
  if (uid === undefined) throw new Error(`there is no user ${JSON.stringify(user)}`);
  const gid = group === "" ? account?.gid : groupId(group);
  if (gid === undefined)
    throw new Error(
      group === "" ? `user ${uid} has no group: set \`group\`` : `there is no group ${JSON.stringify(group)}`,
    );
  const groups = account === undefined ? [gid] : groupsOf(account.name, gid);
  if (ownUid !== 0) {
    if (uid === ownUid && gid === process.getegid?.()) return undefined;
    throw new Error(
      `only a std-fpm that runs as root can run it as user ${account?.name ?? uid} and group ${gid}`,
    );
  }
  return { uid, gid, groups, account };
}
