import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { messageOf } from "../base/errors.ts";
import { reservedProblem, VARIABLE_NAME } from "../base/variable-names.ts";

const LOOK = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
const ROOT = 0;
/** Nobody but its owner. */
const OTHERS = 0o077;
const MAX_BYTES = 1024 * 1024;
const LINE = new RegExp(`^(${VARIABLE_NAME})=([^\\0]*)$`);
const QUOTED = /^(["'])(.*)\1$/s;

/**
 * The variables of a file with a `NAME=value` a line; a value may stand in quotes, lines that begin with # and empty ones say nothing. Whoever could
 * write it would decide how programs are loaded, so it must belong to root or to this process's user, be no link, and be nobody else's to read.
 * @throws Error that says what is wrong with it.
 */
export function readEnvFile(path: string): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [index, line] of textOf(path).split(/\r?\n/).entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [, name, value = ""] = LINE.exec(line) ?? [];
    if (name === undefined) throw new Error(`${path}:${index + 1}: expected NAME=value`);
    const problem = reservedProblem([name]);
    if (problem !== undefined) throw new Error(`${path}:${index + 1}: ${problem}`);
    variables[name] = QUOTED.exec(value)?.[2] ?? value;
  }
  return variables;
}

function textOf(path: string): string {
  let fd: number;
  try {
    fd = openSync(path, LOOK);
  } catch (error) {
    throw new Error(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  try {
    const facts = fstatSync(fd);
    if (!facts.isFile() || facts.size > MAX_BYTES) throw new Error(`${path} is no file of at most 1 MiB`);
    if (facts.uid !== ROOT && facts.uid !== process.geteuid?.())
      throw new Error(`${path} belongs to user ${facts.uid}: it must be root's, or of the user of std-fpm`);
    if ((facts.mode & OTHERS) !== 0) throw new Error(`others may read ${path}: chmod 600`);
    return readFileSync(fd, "utf8");
  } finally {
    closeSync(fd);
  }
}
