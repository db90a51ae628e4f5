import { basename } from "node:path";
import { openPlainFileLater } from "../base/open-place.ts";
import { appSchema } from "./app-schema.ts";
import type { AppConfig, Config } from "./config.ts";
import { annotationsOf } from "./keys.ts";
import { matchWarnings, mayHold, placeOf } from "./match-warnings.ts";
import { setElsewhere } from "./overlaps.ts";
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
  const elsewhere = setElsewhere(tables.apps);
  const warnings = await ofSettings(tables.app, config.app, "app", anywhere(tables, config));
  for (const [index, table] of tables.apps.entries()) {
    const name = `apps[${index}]`;
    const place = placeOf(table, index, config, elsewhere);
    const settings = place.lookups[0]?.(place.samples[0] ?? "/") ?? config.app;
    warnings.push(...(await matchWarnings(place, config)));
    const inPlace: Finder = async (...which) => await mayHold(place, ...which);
    if (place.samples.length > 0) warnings.push(...(await ofSettings(table, settings, name, inPlace)));
    if (table.concurrency !== undefined && settings.concurrency > 1)
      warnings.push(...(await ofConcurrency(table.match, settings, name)));
  }
  // With `children` it is theirs.
  if (config.app.concurrency > 1 && config.app.children === 0)
    warnings.push(...(await ofConcurrency("", config.app, "app")));
  return warnings;
}

/** Whether there may be programs with such a setting among those that a table is for. */
type Finder = <Key extends keyof AppTable>(
  isSeen: (settings: AppConfig) => boolean,
  key: Key,
  isSuch: (value: AppTable[Key]) => boolean,
) => Promise<boolean>;

/** `[app]` is for all programs. */
function anywhere({ apps }: Tables, { app }: Config): Finder {
  return async (isSeen, key, isSuch) =>
    isSeen(app) ||
    apps.some((table) => table[key] !== undefined && isSuch(table[key] as AppTable[typeof key]));
}

/** `table` is what is written, `settings` what holds there. */
async function ofSettings(
  table: Partial<AppsTable>,
  settings: AppConfig,
  name: string,
  holds: Finder,
): Promise<string[]> {
  const warnings: string[] = [];
  const speaks = (wanted: AppConfig["protocol"]) =>
    holds(
      ({ protocol }) => protocol === wanted,
      "protocol",
      (protocol) => protocol === wanted,
    );
  const notForCgi = NOT_FOR_CGI.filter((key) => isSet(table, key, name));
  if (notForCgi.length > 0 && !(await speaks("fastcgi")))
    for (const key of notForCgi)
      warnings.push(`${name}.${key}: it means nothing with protocol = "cgi": each request is a process`);
  if (isSet(table, "stderr", name) && !(await speaks("cgi")))
    warnings.push(`${name}.stderr: it is for protocol = "cgi"; of FastCGI programs log_stderr decides`);
  const isOwner = (user: string) => user === "owner";
  if (isSet(table, "lowest_uid", name) && !(await holds(({ user }) => isOwner(user), "user", isOwner)))
    warnings.push(`${name}.lowest_uid: it means nothing without user = "owner"`);
  const [soft, hard] = [settings.maxMemoryBytes, settings.maxMemoryHardBytes];
  if ((table.max_memory ?? table.max_memory_hard) !== undefined && hard > 0 && soft > hard)
    warnings.push(`${name}.max_memory: it is above max_memory_hard, at which a process is killed first`);
  const hasCommand = ({ command }: AppConfig) => command !== undefined;
  if (table.name !== undefined && !(await holds(hasCommand, "command", (words) => words.length > 0)))
    warnings.push(`${name}.name: only the processes of a \`command\` are called by it; others by their path`);
  return warnings;
}

async function ofConcurrency(match: string, settings: AppConfig, name: string): Promise<string[]> {
  const interpreter = settings.command?.[0] ?? (await interpreterOf(match));
  if (settings.protocol === "cgi" || !ONE_AT_A_TIME.test(basename(interpreter))) return [];
  const what = `a process of ${interpreter} serves one request after the other, whatever is sent to it`;
  return [`${name}.concurrency: ${what}: requests would wait behind each other; leave it at 1`];
}

/** What a file's `#!` line names; "" where it has none. */
async function interpreterOf(path: string): Promise<string> {
  const file = await openPlainFileLater(path).catch(() => undefined);
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
