import { readFile } from "node:fs/promises";
import { checkFile } from "../config/check.ts";
import { findIncluded } from "../config/include.ts";
import { DEFAULT_CONFIG_FILE } from "../config/load.ts";
import { defaultTables, type Tables } from "../config/tables.ts";

/** What tells where a daemon is found. */
export type AddressTables = Pick<Tables, "server" | "admin">;

/** The same as far as files that have a mistake tell. */
export interface LenientlyRead {
  readonly tables: AddressTables;
  /** Whether they say where one asks, and where web servers connect: else that is the default, or was in what could not be read. */
  readonly namesAdmin: boolean;
  readonly namesListen: boolean;
}

type Found = Record<string, Record<string, unknown>>;

const WANTED: Readonly<Record<string, readonly string[]>> = {
  server: ["runtime_dir", "listen", "include"],
  admin: ["listen"],
};
const WANTED_LINE = /^[ \t]*(?:\w+[ \t]*\.[ \t]*)?(?:runtime_dir|listen|include)[ \t]*=/;
const TABLE_LINE = /^[ \t]*\[+[ \t]*(\w+)/;

/** Reads from a file (an absolute path) and what it includes only where the daemon is found, whatever else is wrong with them. */
export async function readLeniently(file: string): Promise<LenientlyRead> {
  const main = await foundIn(file);
  const base = defaultTables();
  const include = main["server"]?.["include"] ?? (file === DEFAULT_CONFIG_FILE ? base.server.include : "");
  const { files } = await findIncluded(String(include));
  const all = [main, ...(await Promise.all(files.map(foundIn)))];
  const server: Record<string, unknown> = Object.assign({}, ...all.map(({ server }) => server));
  const admin: Record<string, unknown> = Object.assign({}, ...all.map(({ admin }) => admin));
  const names = [admin["listen"] ?? []].flat();
  return {
    tables: { server: { ...base.server, ...server }, admin: { ...base.admin, ...admin } },
    namesAdmin: "runtime_dir" in server || names.some((name) => /^$|[/:]/.test(String(name))),
    namesListen: "listen" in server,
  };
}

/** The wanted settings of one file that are right in themselves. */
async function foundIn(path: string): Promise<Found> {
  const bytes = await readFile(path).catch(() => new Uint8Array());
  const text = new TextDecoder().decode(bytes);
  return wantedOf(parsed(text) ?? lineByLine(text));
}

/** Of a text that is no TOML, for example because a quote is missing: the lines that are, each by itself below the table where it stands. */
function lineByLine(text: string): Found {
  let table = "";
  const found: Found = {};
  for (const line of text.split("\n")) {
    table = TABLE_LINE.exec(line)?.[1] ?? table;
    if (!WANTED_LINE.test(line)) continue;
    const read = parsed(table === "" ? line : `[${table}]\n${line}`) ?? {};
    for (const [name, settings] of Object.entries(read)) found[name] = { ...found[name], ...settings };
  }
  return found;
}

function parsed(text: string): Found | undefined {
  try {
    return Bun.TOML.parse(text) as Found;
  } catch {
    return undefined;
  }
}

function wantedOf(tables: Found): Found {
  const entries = Object.entries(WANTED).map(([table, keys]) => {
    const settings = keys.flatMap((key) => {
      const value = tables[table]?.[key];
      const isRight = value !== undefined && checkFile({ [table]: { [key]: value } }).length === 0;
      return isRight ? [[key, value]] : [];
    });
    return [table, Object.fromEntries(settings)];
  });
  return Object.fromEntries(entries);
}
