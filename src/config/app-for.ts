import { FpmError } from "../base/errors.ts";
import { remember } from "../base/remembering.ts";
import type { AppConfig, AppFor } from "./config.ts";
import { absoluteGlob } from "./match-samples.ts";
import type { AppsRole } from "./schema.ts";

/** Paths whose answer is remembered; the oldest makes room. */
const MAX_CACHED_PATHS = 4096;
/** Longer paths are matched anew each time, so that the cache's bytes are bounded too. */
const LONGEST_CACHED_PATH = 512;

/** What of an `[[apps]]` table decides whether it holds for a path, and for whom. */
export interface AppRule {
  readonly match: string;
  readonly user?: string | undefined;
  /** The one role that it is for, if it is not for any. */
  readonly role?: AppsRole | undefined;
  readonly any_path?: boolean | undefined;
}

/** In which role a program is asked. */
export type Role = Exclude<AppsRole, "any">;

const ANY = "any";

/** The indexes of tables in the order they are laid over each other: what is for one role goes over what is for any. */
export function layingOrder(rules: readonly Pick<AppRule, "role">[]): number[] {
  const isForOne = (index: number) => Number((rules[index]?.role ?? ANY) !== ANY);
  return [...rules.keys()].sort((a, b) => isForOne(a) - isForOne(b));
}

/**
 * Which settings hold for a path. `rules` are the tables in order; `merge` builds the settings of the tables that match,
 * given by their indexes in the order they are laid, and is called once for every such set. Tables for another role are left out.
 */
export function createAppFor(
  app: AppConfig,
  rules: readonly AppRule[],
  merge: (matched: readonly number[]) => AppConfig,
  role: Role = "responder",
): AppFor {
  const order = layingOrder(rules).filter((index) => [ANY, role].includes(rules[index]?.role ?? ANY));
  const servesAnyPath = app.anyPath || rules.some(({ any_path: says }) => says);
  if (order.length === 0) return Object.assign(() => app, { servesAnyPath });
  const compiled = rules.map(({ match }) => new Bun.Glob(absoluteGlob(match)));
  const bySet = new Map<string, AppConfig>([["", app]]);
  const byPath = new Map<string, AppConfig>();

  const matching = (path: string) => order.filter((index) => compiled[index]?.match(path));
  const userAt = (matched: readonly number[]) =>
    matched.map((index) => rules[index]?.user).findLast((user) => user !== undefined);

  function matchedBy(path: string, realPath: string): number[] {
    const asked = matching(path);
    if (path === realPath) return asked;
    const real = matching(realPath);
    const [user, realUser] = [userAt(asked), userAt(real)];
    if (user !== undefined && realUser !== undefined && user !== realUser) {
      const what = `[[apps]] names user ${JSON.stringify(user)} for this path, but ${JSON.stringify(realUser)} for ${realPath}, to which it leads`;
      throw new FpmError("SCRIPT_FORBIDDEN", "client", `${path}: ${what}.`);
    }
    return order.filter((index) => asked.includes(index) || real.includes(index));
  }

  const appFor = (path: string, realPath = path) => {
    const names = path === realPath ? path : `${path}\0${realPath}`;
    const known = byPath.get(names);
    if (known !== undefined) return known;
    const matched = matchedBy(path, realPath);
    const set = matched.join("+");
    const settings = bySet.get(set) ?? merge(matched);
    bySet.set(set, settings);
    if (names.length <= LONGEST_CACHED_PATH) remember(byPath, names, settings, MAX_CACHED_PATHS);
    return settings;
  };
  return Object.assign(appFor, { servesAnyPath });
}
