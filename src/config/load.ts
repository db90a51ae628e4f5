import { readFile, stat } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { errnoOf, FpmError, messageOf } from "../base/errors.ts";
import { settingWarnings } from "./app-warnings.ts";
import { checkFile } from "./check.ts";
import type { Config } from "./config.ts";
import { crossChecks } from "./cross-checks.ts";
import { findIncluded } from "./include.ts";
import { findKeyLines } from "./key-lines.ts";
import { parseToml } from "./parse-toml.ts";
import { resolveTables } from "./resolve.ts";
import type { ConfigFile } from "./schema.ts";
import { place, type SourceFile } from "./source-file.ts";
import { defaultTables, layFile, type Tables } from "./tables.ts";
import { warningsOf } from "./warnings.ts";

/** Where the configuration is looked for when no file is named. */
export const DEFAULT_CONFIG_FILE = "/etc/std-fpm/std-fpm.toml";

/** What a full disk leaves, and an editor in the middle of its work: settings that keep others out must not be lost by that. */
const EMPTY = "the file is empty; where nothing is to be set, remove it or write a comment";
const VANISHED =
  "the file has vanished since it was read; to go on without it leave one with a comment in its place, or restart std-fpm";

export interface LoadedConfig {
  readonly config: Config;
  /** The same as files write it. */
  readonly tables: Tables;
  /** What works but is probably not meant, a line each. */
  readonly warnings: readonly string[];
}

export interface LoadOptions {
  /** An absolute path that must exist; without it `defaultFile` is read if it exists. */
  readonly file?: string | undefined;
  readonly defaultFile?: string;
  /** At a reload: the files that hold. One that has vanished since is a problem. */
  readonly known?: readonly string[];
}

interface Report {
  readonly problems: string[];
  unreadable: number;
}

/**
 * Reads the configuration file and what it includes. Throws CONFIG_UNREADABLE or CONFIG_INVALID with every problem of every file on a
 * line of its own. Takes nothing from the environment or the working folder.
 */
export async function loadConfig(options: LoadOptions = {}): Promise<LoadedConfig> {
  const report: Report = { problems: [], unreadable: 0 };
  const main = await readMain(options, report);
  const include = main === undefined ? "" : (main.table.server?.include ?? defaultInclude(main, options));
  const { files: included, problems } = await findIncluded(include, main?.path);
  report.problems.push(...problems);
  report.unreadable += problems.length;
  const sources = main === undefined || main.path === "" ? [] : [main];
  for (const path of included) {
    const source = await readSource(path, report);
    if (source === undefined) continue;
    if (source.table.server?.include !== undefined) {
      report.problems.push(place(source, "server.include", "only the main file can include others"));
    }
    sources.push(source);
  }
  report.problems.push(...(await vanishedFiles(options.known)));
  if (report.problems.length === 0) report.problems.push(...crossChecks(sources));
  if (report.problems.length > 0) {
    const code = report.unreadable > 0 ? "CONFIG_UNREADABLE" : "CONFIG_INVALID";
    throw new FpmError(code, "daemon", report.problems.join("\n"));
  }
  const read = sources.reduce((base, source) => layFile(base, source.table), defaultTables());
  const tables = { ...read, server: { ...read.server, include } };
  const files = sources.map((source) => source.path);
  const config = resolveTables(tables, files);
  const warnings = await warningsOf(tables, files, included.length);
  warnings.push(...(await settingWarnings(tables, config)));
  return { config, tables, warnings };
}

/** The folder of the default file is that file's alone: an instance has what its own file says, and nothing else. */
function defaultInclude({ path }: SourceFile, { defaultFile = DEFAULT_CONFIG_FILE }: LoadOptions): string {
  return path === "" || path === defaultFile ? defaultTables().server.include : "";
}

async function readMain(options: LoadOptions, report: Report): Promise<SourceFile | undefined> {
  const { file, defaultFile = DEFAULT_CONFIG_FILE } = options;
  if (file !== undefined) return await readSource(file, report);
  return (await isThere(defaultFile))
    ? await readSource(defaultFile, report)
    : { path: "", table: {}, lines: new Map() };
}

/** Whoever takes a file away on purpose says so; without its settings programs could be reached, or run, as was never meant. */
async function vanishedFiles(known: readonly string[] = []): Promise<string[]> {
  const found = await Promise.all(known.map(isThere));
  const vanished = known.filter((_, index) => !found[index]);
  return vanished.map((path) => `${path}: ${VANISHED}`);
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    (thrown) => errnoOf(thrown) !== "ENOENT",
  );
}

/** A file's data when it is good; else its problems are in the report. */
async function readSource(path: string, report: Report): Promise<SourceFile | undefined> {
  if (!isAbsolute(path))
    throw new FpmError("CONFIG_UNREADABLE", "daemon", `${path}: expected an absolute path`);
  const bytes = await readFile(path).catch((thrown: unknown) => {
    report.unreadable++;
    report.problems.push(`${path}: cannot be read: ${readingFailed(thrown)}`);
    return undefined;
  });
  if (bytes === undefined) return undefined;
  if (bytes.length === 0 && (await isRegularFile(path))) {
    report.problems.push(`${path}: ${EMPTY}`);
    return undefined;
  }
  const parsed = await parseToml(bytes);
  if ("reason" in parsed) {
    report.problems.push(`${path}${parsed.line === undefined ? "" : `:${parsed.line}`}: ${parsed.reason}`);
    return undefined;
  }
  const source = { path, table: parsed.table as ConfigFile, lines: findKeyLines(bytes.toString()) };
  const problems = checkFile(parsed.table);
  for (const problem of problems) report.problems.push(place(source, problem.path, problem.reason));
  return problems.length === 0 ? source : undefined;
}

/** Nobody names a device such as /dev/null by accident. */
async function isRegularFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? true;
}

function readingFailed(thrown: unknown): string {
  const errno = errnoOf(thrown);
  if (errno === "ENOENT") return "there is no such file";
  if (errno === "EACCES")
    return "permission denied; the user of std-fpm must be able to read it, and to search the folders above";
  if (errno === "EISDIR") return "it is a folder";
  return messageOf(thrown);
}
