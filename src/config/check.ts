import type { TObject, TSchema } from "@sinclair/typebox";
import { Errors, type ValueError, ValueErrorType } from "@sinclair/typebox/errors";
import { adminSchema } from "./admin-schema.ts";
import { appSchema } from "./app-schema.ts";
import { annotationsOf } from "./keys.ts";
import { nearest } from "./nearest.ts";
import { accessLogSchema, appsSchema, configFileSchema, logSchema, slowLogSchema } from "./schema.ts";
import { serverSchema } from "./server-schema.ts";

/** What is wrong at one key of a file; `path` is "" for the file as a whole. */
export interface Problem {
  readonly path: string;
  readonly reason: string;
}

const TABLES: Readonly<Record<string, TObject>> = {
  server: serverSchema,
  log: logSchema,
  access_log: accessLogSchema,
  admin: adminSchema,
  app: appSchema,
  slow_log: slowLogSchema,
};
const TABLE_KEYS = [...Object.keys(TABLES), "apps"];
const LONGEST_FOUND = 80;

/** Everything that is wrong with the data of one file, in the order of the schema; empty for a good one. */
export function checkFile(parsed: unknown): Problem[] {
  const table = withoutDates(parsed);
  const problems = new Map<string, Problem>();
  const add = (path: string, reason: string) => {
    if (!problems.has(path)) problems.set(path, { path, reason });
  };
  for (const error of Errors(configFileSchema, table)) add(dotted(error.path), reasonOf(error));
  verifyTables(table as Record<string, unknown>, add);
  return [...problems.values()];
}

/** Dates and times are objects, which a schema takes for tables: a symbol with the text is none, and nothing else. */
function withoutDates(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutDates);
  if (!isTable(value)) return Symbol(String(value));
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withoutDates(each)]));
}

function isTable(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** "/apps/0/match" as people write it: "apps[0].match". */
function dotted(pointer: string): string {
  return pointer
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((path, part) => {
      if (/^[0-9]+$/.test(part)) return `${path}[${part}]`;
      return path === "" ? part : `${path}.${part}`;
    }, "");
}

function reasonOf(error: ValueError): string {
  const table = error.path.slice(1);
  if (Array.isArray(error.value) && Object.hasOwn(TABLES, table)) return inDoubleBrackets(table);
  if (error.type === ValueErrorType.ObjectAdditionalProperties) return unknownKey(error);
  const { expected } = annotationsOf(error.schema);
  if (error.type === ValueErrorType.ObjectRequiredProperty) return `is missing: expected ${expected}`;
  return `expected ${expected}, found ${found(error.value)}`;
}

function inDoubleBrackets(table: string): string {
  return table === "app"
    ? "write [app] for all programs, or [[apps]] with a `match` for some"
    : `write [${table}], in single brackets`;
}

function unknownKey(error: ValueError): string {
  const parts = error.path.slice(1).split("/");
  const key = parts.at(-1) ?? "";
  if (parts.length === 1) {
    const home = tableWith(key);
    if (home !== undefined) return `unknown key at the top of the file; it belongs below ${home}`;
    const table = nearest(key, TABLE_KEYS);
    return `unknown table${suggestion(table === "apps" ? "[[apps]]" : table && `[${table}]`)}`;
  }
  const home = tableWith(key);
  if (home !== undefined) return `unknown key here; it belongs below ${home}`;
  const sibling = nearest(key, siblingsOf(parts));
  return `unknown key${suggestion(sibling && `"${sibling}"`)}`;
}

/** The keys that may stand where the last of these parts of a path does. */
function siblingsOf(parts: readonly string[]): string[] {
  if (parts.at(-2) === "limits") return Object.keys(appSchema.properties.limits.properties);
  const table = parts[0] === "apps" ? appsSchema : TABLES[parts[0] ?? ""];
  return Object.keys(table?.properties ?? {});
}

/** The table, in its brackets, that has this very key, when it was written into another one. */
function tableWith(key: string): string | undefined {
  const home = Object.keys(TABLES).find((table) => Object.hasOwn(TABLES[table]?.properties ?? {}, key));
  if (home !== undefined) return `[${home}]`;
  return Object.hasOwn(appsSchema.properties, key) ? "[[apps]]" : undefined;
}

function suggestion(candidate: string | undefined): string {
  return candidate === undefined || candidate === "" ? "" : `; did you mean ${candidate}?`;
}

function found(value: unknown): string {
  if (Array.isArray(value))
    return value.length === 0 ? "an empty list" : cut(JSON.stringify(value, dateText));
  if (typeof value === "object" && value !== null) return "a table";
  if (typeof value === "symbol") return `the date ${value.description}`;
  return cut(typeof value === "string" ? JSON.stringify(value) : String(value));
}

function dateText(_key: string, value: unknown): unknown {
  return typeof value === "symbol" ? value.description : value;
}

function cut(text: string): string {
  return text.length <= LONGEST_FOUND ? text : `${text.slice(0, LONGEST_FOUND)}…`;
}

type Add = (path: string, reason: string) => void;

/** What only code can tell of values whose shape is right. A value with a problem of its shape keeps that one. */
function verifyTables(file: Record<string, unknown>, add: Add): void {
  for (const name in TABLES) verifyTable(file[name], TABLES[name]?.properties ?? {}, name, add);
  const { apps } = file;
  if (!Array.isArray(apps)) return;
  for (const [index, table] of apps.entries()) {
    verifyTable(table, appsSchema.properties, `apps[${index}]`, add);
  }
}

function verifyTable(table: unknown, properties: Record<string, TSchema>, name: string, add: Add): void {
  if (typeof table !== "object" || table === null) return;
  for (const [key, value] of Object.entries(table)) {
    const schema = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (schema === undefined || Errors(schema, value).First() !== undefined) continue;
    const reason = annotationsOf(schema).verify?.(value as never);
    if (reason !== undefined) add(`${name}.${key}`, reason);
  }
}
