import { open, realpath } from "node:fs/promises";
import { basename } from "node:path";
import { appSchema } from "./app-schema.ts";
import type { AppConfig, Config } from "./config.ts";
import { isFolder } from "./folder-access.ts";
import { annotationsOf } from "./keys.ts";
import { fixedFolderOf, samplesOf } from "./match-samples.ts";
import { isProgramName, isUnder } from "./program-path.ts";
import type { AppsTable, AppTable } from "./schema.ts";
import type { Tables } from "./tables.ts";

/** What means nothing for a program of which each request is a process. */
const NOT_FOR_CGI = [
  "concurrency",
  "keep_connection",
  "log_stderr",
  "max_age",
  "max_requests",
  "min_processes",
  "restart_on_change",
  "start_timeout",
] as const satisfies readonly (keyof AppTable)[];
/** Interpreters whose FastCGI library serves one connection after the other. */
const ONE_AT_A_TIME = /^(?:php[\d.]*-?cgi[\d.]*|perl[\d.]*)$/;
const HEAD_BYTES = 256;

/** Where every request that settings are for will fail, and settings that do nothing, a line each. Looks at the file system. */
export async function settingWarnings(tables: Tables, config: Config): Promise<string[]> {
  const warnings = ofSettings(tables.app, config.app, "app");
  for (const [index, table] of tables.apps.entries()) {
    const name = `apps[${index}]`;
    const samples = samplesOf(table.match);
    const settings = config.appFor(samples[0] ?? "/");
    warnings.push(...(await ofMatch(table.match, samples, config, `${name}.match`)));
    if (samples.length > 0) warnings.push(...ofSettings(table, settings, name));
    if (table.concurrency !== undefined && settings.concurrency > 1)
      warnings.push(...(await ofConcurrency(table.match, settings, name)));
  }
  if (config.app.concurrency > 1) warnings.push(...(await ofConcurrency("", config.app, "app")));
  return warnings;
}

/** `table` is what is written, `settings` what holds there. */
function ofSettings(table: Partial<AppsTable>, settings: AppConfig, name: string): string[] {
  const warnings: string[] = [];
  if (settings.protocol === "cgi") {
    for (const key of NOT_FOR_CGI)
      if (isSet(table, key, name))
        warnings.push(`${name}.${key}: it means nothing with protocol = "cgi": each request is a process`);
  }
  const [soft, hard] = [settings.maxMemoryBytes, settings.maxMemoryHardBytes];
  if ((table.max_memory ?? table.max_memory_hard) !== undefined && hard > 0 && soft > hard)
    warnings.push(`${name}.max_memory: it is above max_memory_hard, at which a process is killed first`);
  if (table.name !== undefined && settings.command === undefined)
    warnings.push(`${name}.name: only the processes of a \`command\` are called by it; others by their path`);
  return warnings;
}

async function ofMatch(
  match: string,
  samples: readonly string[],
  config: Config,
  name: string,
): Promise<string[]> {
  const isPlain = config.literalMatches.includes(match);
  if (/\/(?:\.{0,2}\/|\.{0,2}$)/.test(match) && !isPlain)
    return [
      `${name}: it matches nothing: paths have no empty part, no "." and "..", and no slash at the end`,
    ];
  const servesAnyPath = [config.appFor, config.authorizerFor].some((each) => each(match).anyPath);
  if (isPlain && !servesAnyPath && (await isFolder(match)))
    return [`${name}: ${match} is a folder; for the programs in it write "${match.replace(/\/+$/, "")}/**"`];
  const problems = samples.map((path) => problemOf(path, config.appFor(path)));
  const problem =
    problems.length > 0 && problems.every((each) => each !== undefined) ? problems[0] : undefined;
  if (problem !== undefined) return [`${name}: ${problem}`];
  return await ofRoots(match, samples, config, name);
}

/** Why a file of this name never runs. */
function problemOf(path: string, app: AppConfig): string | undefined {
  if (app.anyPath || isProgramName(path, app)) return undefined;
  const [, ending] = /(\.[^.]+)$/.exec(basename(path)) ?? [];
  // Without an ending a pattern may stand for anything that has one.
  if (ending === undefined) return undefined;
  return `every request is answered with 404: no file that it matches has one of the extensions ${app.extensions.join(", ")}; set extensions = ["${ending}"] there`;
}

async function ofRoots(
  match: string,
  [sample]: readonly string[],
  config: Config,
  name: string,
): Promise<string[]> {
  const fixed = fixedFolderOf(match);
  if (sample === undefined || fixed === "") return [];
  const { roots } = config.appFor(sample);
  const real = await realpath(fixed).catch(() => fixed);
  const isNear = (root: string) =>
    [fixed, real].some((path) => path === root || isUnder(path, root) || isUnder(root, path));
  if (roots.length === 0 || roots.some(isNear)) return [];
  return [
    `${name}: every request is answered with 404: ${fixed} lies under none of the roots ${roots.join(", ")}`,
  ];
}

async function ofConcurrency(match: string, settings: AppConfig, name: string): Promise<string[]> {
  const interpreter = settings.command?.[0] ?? (await interpreterOf(match));
  if (settings.protocol === "cgi" || !ONE_AT_A_TIME.test(basename(interpreter))) return [];
  const what = `a process of ${interpreter} serves one request after the other, whatever is sent to it`;
  return [`${name}.concurrency: ${what}: requests would wait behind each other; leave it at 1`];
}

/** What a file's `#!` line names; "" where it has none. */
async function interpreterOf(path: string): Promise<string> {
  const file = await open(path).catch(() => undefined);
  if (!file) return "";
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return /^#! *(?:\/usr\/bin\/env +)?(\S+)/.exec(buffer.toString("latin1", 0, bytesRead))?.[1] ?? "";
  } catch {
    return "";
  } finally {
    await file.close();
  }
}

/** Whether a table says so itself; of `[app]`, which is complete, whether it differs from the default. */
function isSet(table: Partial<AppsTable>, key: keyof AppTable, name: string): boolean {
  if (name !== "app") return table[key] !== undefined;
  const { default: fallback } = annotationsOf(appSchema.properties[key]);
  return JSON.stringify(table[key]) !== JSON.stringify(fallback);
}
