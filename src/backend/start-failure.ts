import { open } from "node:fs/promises";
import { basename } from "node:path";
import { errnoOf, FpmError, messageOf } from "../base/errors.ts";
import type { Backend } from "./backend.ts";
import { describeExit, type Exit } from "./exit.ts";
import type { Program } from "./program.ts";

/** What a shell and env(1) exit with when a command is missing. */
const STATUS_NOT_FOUND = 127;
/** A program that daemonises itself has ended for whoever started it. */
const FOREGROUND = "it must stay in the foreground, without an option like --daemonize";
/** What a CGI program prints first (RFC 3875 §6.2). */
const CGI_HEADER = /^(?:content-type|status|location):/i;

/** Says in words why a process ended before it accepted a connection; waits for its last words. */
export async function explainBootFailure(backend: Backend, exit: Exit): Promise<FpmError> {
  await backend.finished;
  if (exit.reason === "start timeout") {
    const what = `${backend.label} did not accept a connection within start_timeout`;
    return new FpmError("START_TIMEOUT", "backend", `${what}.${lastWords(backend)}`);
  }
  const what = `${backend.label} ${describeExit(exit)} before it accepted a connection`;
  const why = await bootFailureReason(backend, exit);
  return new FpmError("BOOT_FAILED", "backend", `${what}${why && `: ${why}`}.${lastWords(backend)}`);
}

/** Says in words why a spawn failed. */
export async function explainSpawnError(program: Program, error: FpmError): Promise<FpmError> {
  if (error.cause === undefined) return error;
  const why = await spawnErrorReason(program, error.cause);
  return new FpmError("SPAWN_FAILED", "backend", `${program.name} cannot be started: ${why}.`, {
    cause: error,
  });
}

async function spawnErrorReason(program: Program, cause: unknown): Promise<string> {
  const file = program.app.wrapper[0] ?? program.argv[0];
  const script = await scriptFacts(file);
  const interpreter = script?.interpreter ?? "";
  switch (errnoOf(cause)) {
    case "ENOENT":
      if (script === undefined) return `${file} or its working folder ${program.cwd} is missing`;
      if (script.hasCarriageReturn)
        return `the #! line of ${file} ends in CR LF: save it with Unix line ends`;
      if (interpreter !== "") return `interpreter ${interpreter} of ${file} not found`;
      return `${file}, its loader or its working folder ${program.cwd} is missing`;
    case "EACCES": {
      const who = program.app.user === "" ? "" : ` for user ${program.owner ?? program.app.user}`;
      return `no permission${who} to execute ${interpreter && `${interpreter} for `}${file}, or to enter ${program.cwd}`;
    }
    case "ENOEXEC":
      return `${file} is neither an executable nor a script: its first line must be #! and an interpreter`;
    default:
      return messageOf(cause);
  }
}

/** Of a program that has ended and goes on in the background. */
export function backgroundProblem(pids: readonly number[]): string {
  return `it went on in the background (pid ${pids.join(", ")}, ended): ${FOREGROUND}`;
}

async function bootFailureReason(backend: Backend, exit: Exit): Promise<string> {
  const leftBehind = await backend.leftBehind;
  if (leftBehind.length > 0) return backgroundProblem(leftBehind);
  if (CGI_HEADER.test(backend.firstStdout))
    return 'it spoke CGI on stdout: not a FastCGI program; set `protocol = "cgi"` for it';
  if (exit.code === 0) return `if it goes on in the background: ${FOREGROUND}`;
  if (exit.code !== STATUS_NOT_FOUND) return "";
  const file = backend.program.argv[0];
  const script = await scriptFacts(file);
  if (script?.hasCarriageReturn) return `the #! line of ${file} ends in CR LF: save it with Unix line ends`;
  // "#!/usr/bin/env perl6": the interpreter is what env did not find.
  return script?.wanted ? `interpreter ${script.wanted} of ${file} not found` : "a command was not found";
}

function lastWords({ lastStderr }: Backend): string {
  return lastStderr === "" ? "" : ` Its last line on stderr: ${lastStderr}`;
}

interface ScriptFacts {
  /** What the `#!` line names; "" when there is no such line. */
  readonly interpreter: string;
  /** With env(1) the command that it looks for. */
  readonly wanted: string | undefined;
  readonly hasCarriageReturn: boolean;
}

/** What the `#!` line of a file says, undefined when the file cannot be read. */
async function scriptFacts(path: string): Promise<ScriptFacts | undefined> {
  try {
    await using file = await open(path, "r");
    const { buffer, bytesRead } = await file.read(Buffer.alloc(256), 0, 256, 0);
    const line = buffer.toString("latin1", 0, bytesRead).split("\n")[0] ?? "";
    if (!line.startsWith("#!")) return { interpreter: "", wanted: undefined, hasCarriageReturn: false };
    const words = line.slice(2).trim().split(/\s+/);
    const interpreter = words[0] ?? "";
    const wanted =
      basename(interpreter) === "env" ? words.slice(1).find((word) => !word.startsWith("-")) : undefined;
    return { interpreter, wanted, hasCarriageReturn: line.endsWith("\r") };
  } catch {
    return undefined;
  }
}
