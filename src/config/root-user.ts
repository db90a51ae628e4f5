import { accountOf, groupId, userId } from "../base/accounts.ts";
import type { AppTable } from "./schema.ts";
import { layApp, type Tables } from "./tables.ts";

/** How programs of a std-fpm that runs as root get a user. */
export const NAME_A_USER = 'set `user`, e.g. user = "www-data", or user = "root" if they are to run as root';

/** What root must be told before it runs std-fpm with these settings. */
export interface RootProblem {
  /** No program at all can be started. */
  readonly isTotal: boolean;
  readonly message: string;
}

/** Nobody's program becomes root's because a line is missing: a std-fpm that runs as root starts none without a `user`. */
export function rootProblem({ app, apps }: Tables): RootProblem | undefined {
  if (app.user !== "") return undefined;
  const isTotal = apps.every(({ user = "" }) => user === "");
  const which = isTotal ? "no program" : "no program that only [[apps]] tables without `user` cover";
  return { isTotal, message: `app.user: run by root, std-fpm starts ${which}: ${NAME_A_USER}` };
}

const ONLY_ROOT = "only a std-fpm that root runs can run programs";

/** What a std-fpm that root does not run cannot do: the tables that want another user or group than its own, a line each. */
export function otherUserProblems({ app, apps }: Tables): string[] {
  const problems = [problemOf(app, app, "app")];
  for (const [index, table] of apps.entries()) {
    if ((table.user ?? table.group) === undefined) continue;
    problems.push(problemOf(table, layApp(app, table), `apps[${index}]`));
  }
  return problems.filter((each) => each !== undefined);
}

/** Of a table as it is written, and as it holds with what it is laid over. What does not exist is told elsewhere. */
function problemOf(
  { user: written }: Partial<AppTable>,
  { user, group }: AppTable,
  name: string,
): string | undefined {
  if (user === "" && group === "") return undefined;
  const [ownUid, ownGid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  const [byUser, byGroup] = [`${name}.user: ${ONLY_ROOT}`, `${name}.group: ${ONLY_ROOT}`];
  if (user === "owner") return `${written ? byUser : byGroup} as owners other than its own user`;
  const uid = user === "" ? ownUid : userId(user);
  const gid = group === "" ? accountOf(user)?.gid : groupId(group);
  if (uid !== undefined && uid !== ownUid) return `${written ? byUser : byGroup} as ${JSON.stringify(user)}`;
  if (gid === undefined || gid === ownGid) return undefined;
  return `${group === "" ? byUser : byGroup} with the group ${JSON.stringify(group || String(gid))}`;
}
