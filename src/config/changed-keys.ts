import type { AppsTable } from "./schema.ts";
import { tableNames } from "./table-names.ts";
import type { Tables } from "./tables.ts";

/** How two configurations differ, in names of keys; never values, which may be secret. */
export interface ChangedKeys {
  /** Such as `log.level`, `apps["/srv/*.php"].env`, `apps["/srv/*.php"] (new)`. */
  readonly changed: readonly string[];
  /** Those among them that a running daemon does not take on. */
  readonly needRestart: readonly string[];
}

/** Keys of `[server]` that are used when the daemon starts, and only then; so are those of `[admin]`. */
const AT_START = [
  "listen",
  "listen_mode",
  "listen_owner",
  "listen_group",
  "listen_backlog",
  "runtime_dir",
] as const;

const LOGS = ["log", "access_log", "slow_log"] as const;

/** What has changed from one configuration to another, in the order of the files' tables. */
export function changedKeys(before: Tables, after: Tables): ChangedKeys {
  const server = differing(inOneForm(before.server), inOneForm(after.server));
  const admin = differing(inOneForm(before.admin), inOneForm(after.admin)).map((key) => `admin.${key}`);
  const changed = [
    ...server.map((key) => `server.${key}`),
    ...LOGS.flatMap((table) => differing(before[table], after[table]).map((key) => `${table}.${key}`)),
    ...admin,
    ...differing(before.app, after.app).map((key) => `app.${key}`),
    ...changedApps(before.apps, after.apps),
  ];
  const atStart: readonly string[] = AT_START;
  return {
    changed,
    needRestart: [...server.filter((key) => atStart.includes(key)).map((key) => `server.${key}`), ...admin],
  };
}

/** `after` as far as a daemon that runs with `before` can take it on. */
export function withoutRestart(before: Tables, after: Tables): Tables {
  const kept = Object.fromEntries(AT_START.map((key) => [key, before.server[key]]));
  return { ...after, server: { ...after.server, ...kept }, admin: before.admin };
}

/** `listen` may be a text or a list. */
function inOneForm({ listen, ...table }: Tables["server"] | Tables["admin"]) {
  return { listen: [listen].flat(), ...table };
}

function changedApps(before: readonly AppsTable[], after: readonly AppsTable[]): string[] {
  const [old, now] = [named(before), named(after)];
  const changed: string[] = [];
  for (const [name, table] of now) {
    const known = old.get(name);
    if (known) changed.push(...differing(known, table).map((key) => `${name}.${key}`));
    else changed.push(`${name} (new)`);
  }
  for (const name of old.keys()) if (!now.has(name)) changed.push(`${name} (gone)`);
  // Later tables win, so their order counts.
  const inBoth = (names: Iterable<string>) => [...names].filter((name) => old.has(name) && now.has(name));
  if (!isSame(inBoth(old.keys()), inBoth(now.keys()))) changed.push("apps (their order)");
  return changed;
}

function named(tables: readonly AppsTable[]): Map<string, AppsTable> {
  const names = tableNames(tables);
  return new Map(tables.map((table, index) => [`apps[${JSON.stringify(names[index])}]`, table]));
}

/** The keys whose values differ. */
function differing(before: object, after: object): string[] {
  const [old, now] = [before as Record<string, unknown>, after as Record<string, unknown>];
  return [...new Set([...Object.keys(old), ...Object.keys(now)])].filter(
    (key) => !isSame(old[key], now[key]),
  );
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a, inOrder) === JSON.stringify(b, inOrder);
}

/** For JSON: the keys of a table in one order, whatever the file's. */
function inOrder(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
