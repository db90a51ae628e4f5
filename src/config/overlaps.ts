import { realpath } from "node:fs/promises";
import { alternativesOf } from "../base/path-pattern.ts";
import { layingOrder } from "./app-for.ts";
import { absoluteGlob, fixedFolderOf } from "./match-samples.ts";
import type { AppsRole, AppsTable, AppTable } from "./schema.ts";

/** What makes a path a glob (Bun.Glob). */
export const GLOB = /[*?[\]{}!\\]/;

/** What other tables set where this one holds, too, and may go before it: a value from each. */
export type SetElsewhere = <Key extends keyof AppTable>(index: number, key: Key) => Promise<AppTable[Key][]>;

/**
 * Looks up, for a table given by its index, the values of a setting that may hold for some of its paths because another table covers them, too: a
 * later one, or any where it says nothing itself. In doubt tables overlap. Looks at the disk for where folders really are.
 */
export function setElsewhere(apps: readonly AppsTable[]): SetElsewhere {
  const forms = new Map<string, Promise<string[]>>();
  const formsOf = (match: string) => {
    const known = forms.get(match) ?? globsOf(match);
    forms.set(match, known);
    return known;
  };
  const places = new Map(layingOrder(apps).map((index, place) => [index, place]));
  const isUnder = (index: number, other: number) => (places.get(index) ?? 0) < (places.get(other) ?? 0);
  return async (index, key) => {
    const own = apps[index];
    const values: AppTable[typeof key][] = [];
    if (!own) return values;
    for (const [at, other] of apps.entries()) {
      const value = other[key] as AppTable[typeof key] | undefined;
      if (value === undefined || at === index || !shareRole(own.role, other.role)) continue;
      if (own[key] !== undefined && isUnder(at, index)) continue;
      const [ownForms, otherForms] = [await formsOf(own.match), await formsOf(other.match)];
      if (ownForms.some((glob) => otherForms.some((each) => mayOverlap(glob, each)))) values.push(value);
    }
    return values;
  };
}

/** Whether there may be a path that both globs match. */
export function mayOverlap(one: string, other: string): boolean {
  if (!GLOB.test(one)) return GLOB.test(other) ? new Bun.Glob(other).match(one) : one === other;
  if (!GLOB.test(other)) return new Bun.Glob(one).match(other);
  const [start, otherStart] = [startOf(one), startOf(other)];
  const [end, otherEnd] = [endOf(one), endOf(other)];
  return (
    (start.startsWith(otherStart) || otherStart.startsWith(start)) &&
    (end.endsWith(otherEnd) || otherEnd.endsWith(end))
  );
}

/** What every path begins with that a glob matches. */
function startOf(glob: string): string {
  return /^[^*?[\]{}!\\]*/.exec(glob)?.[0] ?? "";
}

/** What the last part of each of them ends with. */
function endOf(glob: string): string {
  return /[^*?[\]{}!\\/]*$/.exec(glob)?.[0] ?? "";
}

/** A `match` without its lists, as it is written and with the folder that its links lead to. */
async function globsOf(match: string): Promise<string[]> {
  const glob = absoluteGlob(match);
  const fixed = fixedFolderOf(glob);
  const real = fixed === "" ? fixed : await realpath(fixed).catch(() => fixed);
  const written = alternativesOf(glob);
  // Too many to look at: it may be any.
  if (written.length === 0) return ["/**"];
  return real === fixed ? written : [...written, ...written.map((each) => real + each.slice(fixed.length))];
}

function shareRole(one: AppsRole = "any", other: AppsRole = "any"): boolean {
  return one === "any" || other === "any" || one === other;
}
