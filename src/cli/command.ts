import type { SubCommandsDef } from "citty";
import type { Arguments } from "./arguments.ts";
import type { Terminal } from "./terminal.ts";

/** A command of citty whose `run` resolves to an exit status. */
export type Command = Exclude<Awaited<SubCommandsDef[string]>, (...args: never) => unknown>;

/** What a command's `run` finds in `data`. */
export interface CommandData {
  readonly terminal: Terminal;
  readonly values: Arguments["values"];
}

/** All went well. */
export const EXIT_OK = 0;
/** A wrong configuration, a daemon that cannot start, a request that did not complete. */
export const EXIT_FAILED = 1;
/** The command line makes no sense. */
export const EXIT_USAGE = 2;
/** `request --fail`, and the answer is an error of HTTP: what curl ends with. */
export const EXIT_HTTP = 22;
