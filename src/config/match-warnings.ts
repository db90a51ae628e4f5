import { realpath, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { errnoOf } from "../base/errors.ts";
import { alternativesOf } from "../base/path-pattern.ts";
import { appSchema } from "./app-schema.ts";
import type { AppConfig, AppFor, Config } from "./config.ts";
import { isFolder } from "./folder-access.ts";
import { annotationsOf } from "./keys.ts";
import { absoluteGlob, fixedFolderOf, samplesOf } from "./match-samples.ts";
import type { SetElsewhere } from "./overlaps.ts";
import { hasExtension, isUnder, type ProgramNames } from "./program-path.ts";
import type { AppsTable, AppTable } from "./schema.ts";

const ENDING = /\.[^.]+$/;

/** An `[[apps]]` table, and what holds where it does. */
export interface Place {
  readonly table: AppsTable;
  readonly index: number;
  /** Paths that it covers (`match-samples`). */
  readonly samples: readonly string[];
  /** Of the roles that it is for. */
  readonly lookups: readonly AppFor[];
  readonly elsewhere: SetElsewhere;
}

/** The place of a table among all. */
export function placeOf(table: AppsTable, index: number, config: Config, elsewhere: SetElsewhere): Place {
  const { role = "any" } = table;
  const lookups = [
    ...(role === "authorizer" ? [] : [config.appFor]),
    ...(role === "responder" ? [] : [config.authorizerFor]),
  ];
  return { table, index, samples: samplesOf(table.match), lookups, elsewhere };
}

/** Whether there may be a path of a table with such a setting: as its samples have it, or as another table there says. */
export async function mayHold<Key extends keyof AppTable>(
  { samples, lookups, elsewhere, index }: Place,
  isSeen: (settings: AppConfig) => boolean,
  key: Key,
  isSuch: (value: AppTable[Key]) => boolean,
): Promise<boolean> {
  if (samples.some((path) => lookups.some((lookup) => isSeen(lookup(path))))) return true;
  return (await elsewhere(index, key)).some(isSuch);
}

/** Where every request that a table is for will fail, or gets a file to an interpreter that is not for it. Looks at the file system. */
export async function matchWarnings(place: Place, config: Config): Promise<string[]> {
  const { match } = place.table;
  const name = `apps[${place.index}]`;
  const isPlain = config.literalMatches.includes(match);
  if (/\/(?:\.{0,2}\/|\.{0,2}$)/.test(match) && !isPlain)
    return [
      `${name}.match: it matches nothing: paths have no empty part, no "." and "..", and no slash at the end`,
    ];
  const problem =
    (isPlain ? await plainProblem(place) : undefined) ??
    (await endingProblem(place)) ??
    (await rootsProblem(place));
  if (problem !== undefined) return [`${name}.match: ${problem}`];
  const inherited = isPlain ? undefined : await inheritedEndings(place);
  return inherited === undefined ? [] : [`${name}.command: ${inherited}`];
}

async function plainProblem(place: Place): Promise<string | undefined> {
  const { match } = place.table;
  if (place.lookups.some((lookup) => lookup(match).anyPath)) return undefined;
  if (await isFolder(match))
    return `${match} is a folder; for the programs in it write "${match.replace(/\/+$/, "")}/**"`;
  return (await isMissing(match)) ? `there is no file ${match}` : undefined;
}

async function isMissing(path: string): Promise<boolean> {
  return await stat(path).then(
    () => false,
    (thrown) => ["ENOENT", "ENOTDIR"].includes(errnoOf(thrown)),
  );
}

/** Why no file of such a name ever runs. */
async function endingProblem(place: Place): Promise<string | undefined> {
  const { table, samples, lookups, elsewhere, index } = place;
  const missing = lookups.map((lookup) =>
    samples.map((path) => missingEnding(path, table.match, lookup(path))),
  );
  const [ending] = missing.flat();
  if (ending === undefined || missing.flat().includes(undefined)) return undefined;
  if ((await elsewhere(index, "any_path")).includes(true)) return undefined;
  const extensions = lookups[0]?.(samples[0] ?? "").extensions ?? [];
  const lists: (readonly string[])[] = await elsewhere(index, "extensions");
  if ((await elsewhere(index, "extensions_ignore_case")).includes(true)) lists.push(extensions);
  const isCovered = (path: string) =>
    lists.some((each) => covers(table.match, path, { extensions: each, extensionsIgnoreCase: true }));
  if (samples.some(isCovered)) return undefined;
  return `every request is answered with 404: no file that it matches has one of the extensions ${listed(extensions)}; ${adviceFor(table.match, ending)}`;
}

/** The ending that keeps files like this one from running. */
function missingEnding(path: string, match: string, app: AppConfig): string | undefined {
  if (app.anyPath || app.namesPath || covers(match, path, app)) return undefined;
  // Without an ending a pattern may stand for anything that has one.
  return ENDING.exec(basename(path))?.[0];
}

/** Whether a `match` covers this path, or another one in its folder, with such an extension. */
function covers(match: string, path: string, names: Omit<ProgramNames, "namesPath">): boolean {
  if (hasExtension(path, names)) return true;
  const glob = new Bun.Glob(absoluteGlob(match));
  const [folder, stem] = [dirname(path), basename(path).replace(ENDING, "")];
  return names.extensions.some((each) =>
    glob.match(`${folder}/${each.startsWith(".") ? `${stem}${each}` : each}`),
  );
}

function adviceFor(match: string, ending: string): string {
  // In other globs alternatives stand in parentheses.
  const inBraces = match.replace(
    /[@?*+]?\(([^()]*)\)/g,
    (_, list: string) => `{${list.replaceAll("|", ",")}}`,
  );
  if (/[(|]/.test(ending)) return `alternatives are written in braces: ${JSON.stringify(inBraces)}`;
  const isWritten = alternativesOf(match.replace(/\[(.)\]/g, "$1")).some((each) => each.endsWith(ending));
  return isWritten
    ? `set extensions = [${JSON.stringify(ending)}] there`
    : "set `extensions` there to the endings of these files";
}

async function rootsProblem(place: Place): Promise<string | undefined> {
  const { table, samples, lookups } = place;
  const fixed = fixedFolderOf(table.match);
  const [sample] = samples;
  if (sample === undefined || fixed === "") return undefined;
  const real = await realpath(fixed).catch(() => fixed);
  const isNear = (root: string) =>
    [fixed, real].some((path) => path === root || isUnder(path, root) || isUnder(root, path));
  const allows = (roots: readonly string[]) => roots.length === 0 || roots.some(isNear);
  if (await mayHold(place, (settings) => allows(settings.roots), "roots", allows)) return undefined;
  const roots = lookups[0]?.(sample).roots ?? [];
  return `every request is answered with 404: ${fixed} lies under none of the roots ${roots.join(", ")}`;
}

/** A `command` that gets files because of endings that nobody has chosen for it. */
async function inheritedEndings(place: Place): Promise<string | undefined> {
  const { table, samples } = place;
  const [interpreter] = table.command ?? [];
  if (interpreter === undefined || table.extensions || samples.length === 0 || fixesEnding(table.match))
    return undefined;
  const isChosen = ({ extensions }: AppConfig) => !isDefaultList(extensions);
  const hasChosen = await mayHold(place, isChosen, "extensions", () => true);
  const isFree = ({ anyPath }: AppConfig) => anyPath;
  if (hasChosen || (await mayHold(place, isFree, "any_path", (anyPath) => anyPath))) return undefined;
  return endingsToChoose(interpreter);
}

/** What is said of an interpreter for which nobody has set `extensions`. */
export function endingsToChoose(interpreter: string): string {
  const endings = listed(annotationsOf(appSchema.properties.extensions).default as string[]);
  const advice = basename(interpreter).startsWith("php")
    ? 'set extensions = [".php"] there'
    : "set `extensions` there to the endings of its files, or any_path = true where it needs none";
  return `with the default extensions ${interpreter} gets the files that end in ${endings}, and may show what they hold; all others are answered with 404: ${advice}`;
}

/** Whether these are the endings that hold where nothing is set. */
export function isDefaultList(extensions: readonly string[]): boolean {
  return (
    JSON.stringify(extensions) === JSON.stringify(annotationsOf(appSchema.properties.extensions).default)
  );
}

function fixesEnding(match: string): boolean {
  const all = alternativesOf(match);
  return all.length > 0 && all.every((each) => /\.[^./*?[\]]+$/.test(each));
}

function listed(extensions: readonly string[]): string {
  return extensions.map((each) => (each === "" ? '""' : each)).join(", ");
}
