import type { Tables } from "./tables.ts";

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
