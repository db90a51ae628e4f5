import { closeSync, readSync, realpathSync, statSync } from "node:fs";
import { basename } from "node:path";
import type { Identity } from "../base/accounts.ts";
import { isOnNoexec } from "../base/mounts.ts";
import { openPlainFile } from "../base/open-place.ts";
import { blockedAt, modeText } from "./permission.ts";
import { type Program, userOf } from "./program.ts";
import { runnerOf } from "./runner.ts";

/** So much the kernel reads of a file for its format (BINPRM_BUF_SIZE; execve(2)). */
export const FIRST_BYTES = 256;

/** Says in words why a program could not be executed. Reads its file, which may take as long as the disk likes. */
export function explainExec(program: Program, errno: string): string {
  const file = program.app.wrapper[0] ?? program.argv[0];
  const script = scriptFacts(file);
  const interpreter = script?.interpreter ?? "";
  const group = program.app.cgroup || "std-fpm's control group";
  switch (errno) {
    case "ENOENT":
      if (script === undefined) return `${file} or its working folder ${program.cwd} is missing`;
      if (script.hasCarriageReturn) return carriageReturn(file);
      if (interpreter !== "") return `interpreter ${interpreter} of ${file} not found`;
      return `${file}, its loader or its working folder ${program.cwd} is missing`;
    case "ENOTDIR":
      return `its working folder ${program.cwd} is no folder`;
    case "EACCES":
      if (script?.isUnnamed) return `the #! line of ${file} names no interpreter`;
      return noPermission(program, file, interpreter);
    case "ENOEXEC":
      return explainNoFormat(file);
    case "EAGAIN":
      return `no further process may be: its user's limit (limits.nproc), pids.max of ${group} or the system's limit is reached`;
    case "E2BIG":
      return "its arguments and environment are larger than the system allows";
    case "ETXTBSY":
      return `${file} is open for writing`;
    default:
      return errno === "" ? `${file} cannot be executed` : `${file} cannot be executed: ${errno}`;
  }
}

/** Why the kernel knows no format for a file; `culprit` is the one in its chain of interpreters that has none, if that is known. */
export function explainNoFormat(file: string, culprit = file): string {
  const script = scriptFacts(culprit);
  const whose = culprit === file ? file : `${culprit}, an interpreter of ${file},`;
  if (script?.isUnnamed) return `the #! line of ${whose} names no interpreter`;
  if (script?.isCutOff)
    return `the interpreter in the #! line of ${whose} is not over after ${FIRST_BYTES} bytes, the most that the kernel reads: give it a shorter path`;
  if (culprit !== file) return `the interpreter ${culprit} of ${file} is neither an executable nor a script`;
  if (script?.interpreter)
    return `the interpreter ${script.interpreter} of ${file}, or one of that, is neither an executable nor a script`;
  return `${file} is neither an executable nor a script: its first line must be #! and an interpreter`;
}

function noPermission(program: Program, file: string, interpreter: string): string {
  const executed = [file, interpreter].filter((each) => each !== "");
  const onNoexec = executed.find(liesOnNoexec);
  if (onNoexec !== undefined) return `${onNoexec} lies on a file system that is mounted noexec`;
  const who = program.app.user === "" ? "" : ` for user ${userOf(program)}`;
  const identity = identityOf(program);
  const blocked =
    identity && [...executed, program.cwd].map((path) => blockedAt(path, identity)).find(Boolean);
  if (blocked?.isFolder) return `no permission${who} to enter the folder ${blocked.path}`;
  if (blocked) {
    const whose = blocked.path === file ? "" : `, the interpreter of ${file}`;
    return `no permission${who} to execute ${blocked.path}${whose}: its mode is ${modeText(blocked.mode)}, its owner user ${blocked.uid}`;
  }
  if (interpreter !== "" && statSync(interpreter, { throwIfNoEntry: false })?.isDirectory())
    return `interpreter ${interpreter} of ${file} is a folder`;
  return `no permission${who} to execute ${interpreter && `${interpreter} for `}${file}, or to enter ${program.cwd}`;
}

/** Whom it was to run as; undefined where that cannot be told. */
function identityOf(program: Program): Identity | undefined {
  try {
    const ourselves = {
      uid: process.geteuid?.() ?? 0,
      gid: process.getegid?.() ?? 0,
      groups: process.getgroups?.() ?? [],
    };
    return runnerOf(program) ?? ourselves;
  } catch {
    return undefined;
  }
}

/** Why a program ended with what env(1) ends with when it does not find a command. "" where its first line tells nothing. */
export function explainNotFound(file: string): string {
  const script = scriptFacts(file);
  if (script?.hasCarriageReturn) return carriageReturn(file);
  if (script?.isOneWord)
    return `env takes what follows it in the #! line of ${file} for one command; write #!/usr/bin/env -S, or the interpreter's path`;
  // "#!/usr/bin/env perl6": the interpreter is what env did not find.
  return script?.wanted ? `interpreter ${script.wanted} of ${file} not found` : "a command was not found";
}

function carriageReturn(file: string): string {
  return `the #! line of ${file} ends in CR LF: save it with Unix line ends`;
}

interface ScriptFacts {
  /** What the `#!` line names; "" when there is no such line. */
  readonly interpreter: string;
  /** With env(1) the command that it looks for. */
  readonly wanted: string | undefined;
  /** With env(1) whether there are options behind the command, which the kernel passes on together with it as one word (execve(2)). */
  readonly isOneWord?: boolean;
  readonly hasCarriageReturn: boolean;
  /** There is such a line, and it is empty. */
  readonly isUnnamed?: boolean;
  /** The interpreter's name goes on beyond what is read of the file. */
  readonly isCutOff?: boolean;
}

/** What the `#!` line of a file says, undefined when it is no file, or cannot be read. */
function scriptFacts(path: string): ScriptFacts | undefined {
  const line = firstLineOf(path);
  if (line === undefined) return undefined;
  if (!line.startsWith("#!")) return { interpreter: "", wanted: undefined, hasCarriageReturn: false };
  const words = line.slice(2).trim().split(/\s+/);
  const interpreter = words[0] ?? "";
  const hasCarriageReturn = line.endsWith("\r");
  const isCutOff = line.length === FIRST_BYTES && words.length === 1 && interpreter !== "";
  if (basename(interpreter) !== "env")
    return { interpreter, wanted: undefined, hasCarriageReturn, isUnnamed: interpreter === "", isCutOff };
  const [first = "", ...more] = words.slice(1);
  const isOneWord = !first.startsWith("-") && more.length > 0;
  return {
    interpreter,
    wanted: [first, ...more].find((word) => !word.startsWith("-")),
    isOneWord,
    hasCarriageReturn,
  };
}

function liesOnNoexec(path: string): boolean {
  try {
    return isOnNoexec(realpathSync(path));
  } catch {
    return false;
  }
}

function firstLineOf(path: string): string | undefined {
  return beginningOf(path)?.toString("latin1").split("\n")[0];
}

/** The first bytes of a file; undefined when it is none, or cannot be read. */
export function beginningOf(path: string): Buffer | undefined {
  let fd: number | undefined;
  try {
    fd = openPlainFile(path);
    if (fd === undefined) return undefined;
    const buffer = Buffer.alloc(FIRST_BYTES);
    return buffer.subarray(0, readSync(fd, buffer, 0, FIRST_BYTES, 0));
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
