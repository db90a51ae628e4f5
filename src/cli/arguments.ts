import type { ArgDef, ArgsDef } from "citty";
import { nearest } from "../config/nearest.ts";

/** What was written behind a command, sorted out; citty's own parser takes `words` without surprises. */
export interface Arguments {
  /** `--name=value`, `--name` for booleans, then `--` and the positional arguments. */
  readonly words: readonly string[];
  /** Every value of every flag, in order; citty keeps only the last. */
  readonly values: ReadonlyMap<string, readonly string[]>;
}

/** A command line that makes no sense: exit status 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Flags that are often written, in one letter. */
const SHORT: Readonly<Record<string, string>> = { "-c": "config" };
/** Flags whose value may be "". */
const MAY_BE_EMPTY: readonly string[] = ["query", "param"];
/** Names of flags that may be given more than once. */
const REPEATABLE: readonly string[] = ["param"];

/** Checks the arguments against what the command takes. Throws UsageError with the word that is wrong, and what it may have meant. */
export function readArguments(command: string, raw: readonly string[], defs: ArgsDef): Arguments {
  const values = new Map<string, string[]>();
  const flags: string[] = [];
  const positional: string[] = [];
  for (let at = 0; at < raw.length; at++) {
    const word = raw[at] ?? "";
    if (word === "--") {
      positional.push(...raw.slice(at + 1));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      positional.push(word);
      continue;
    }
    const { flag, name, inline } = flagOf(word);
    const isBoolean = definitionOf(command, flag, name, defs).type === "boolean";
    if (isBoolean && inline !== undefined) throw new UsageError(`${command}: --${name} takes no value`);
    const value = isBoolean ? undefined : (inline ?? raw[++at]);
    if (!isBoolean && (value === undefined || (value === "" && !MAY_BE_EMPTY.includes(name))))
      throw new UsageError(`${command}: --${name} needs a value`);
    const given = values.get(name) ?? [];
    if (given.length > 0 && !REPEATABLE.includes(name))
      throw new UsageError(`${command}: --${name} is given twice`);
    values.set(name, [...given, value ?? ""]);
    flags.push(value === undefined ? `--${name}` : `--${name}=${value}`);
  }
  checkCount(command, positional, defs);
  return { words: [...flags, "--", ...positional], values };
}

/** `-c` as what it stands for; the value behind `=`. */
function flagOf(word: string): { flag: string; name: string; inline: string | undefined } {
  const long = SHORT[word];
  if (long !== undefined) return { flag: `--${long}`, name: long, inline: undefined };
  const [, name = "", inline] = /^--?([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
  return { flag: word, name, inline };
}

function definitionOf(command: string, word: string, name: string, defs: ArgsDef): ArgDef {
  const known = Object.keys(defs).filter((key) => defs[key]?.type !== "positional");
  const definition = known.includes(name) && word.startsWith("--") ? defs[name] : undefined;
  if (definition !== undefined) return definition;
  const flag = word.replace(/=.*$/s, "");
  if (flag === "--help") throw new UsageError(`${command}: --help takes no value`);
  const meant = nearest(name, [...known, "help"]);
  throw new UsageError(
    `${command}: unknown flag ${flag}${meant === undefined ? "" : `; did you mean --${meant}?`}`,
  );
}

function checkCount(command: string, positional: readonly string[], defs: ArgsDef): void {
  const taken = Object.values(defs).filter((definition) => definition.type === "positional");
  const required = taken.filter((definition) => definition.required !== false);
  if (positional.length < required.length) {
    const missing = Object.keys(defs).filter((key) => defs[key]?.type === "positional")[positional.length];
    throw new UsageError(`${command}: ${(missing ?? "").toUpperCase()} is missing`);
  }
  const surplus = positional[taken.length];
  if (surplus !== undefined)
    throw new UsageError(`${command}: ${JSON.stringify(surplus)} is one argument too many`);
}
