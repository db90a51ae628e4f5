import { open } from "node:fs/promises";
import { basename } from "node:path";
import type { Subprocess } from "bun";
import { errnoOf, FpmError, messageOf } from "../base/errors.ts";
import { closeFd, limitOpenFiles, openPipe, type Pipe } from "../base/libc.ts";
import type { Program } from "./program.ts";

/** Programs built with an old libfcgi crash on descriptors from 1024 on. */
const SOFT_NOFILE = 1024;
/** In every program's environment: whose child it is, for the next start after a crash of the manager. */
export const INSTANCE_VARIABLE = "STD_FPM_INSTANCE";

export interface Spawned {
  readonly process: Subprocess;
  /** Reading ends of the program's stdout and stderr; the caller closes them. */
  readonly stdoutFd: number;
  readonly stderrFd: number;
}

/**
 * Starts a program with a listening socket as its descriptor 0 (specification §2.2) in a session and process group
 * of its own, with a clean environment.
 * @throws FpmError SPAWN_FAILED, with the system's reason in words.
 */
export function spawnProgram(
  program: Program,
  listenFd: number,
  instance: string,
  onExit: () => void,
): Spawned {
  const pipes: Pipe[] = [];
  try {
    const stdout = addPipe(pipes);
    const stderr = addPipe(pipes);
    const process = Bun.spawn([...program.argv], {
      cwd: program.cwd,
      env: environmentOf(program, instance),
      stdio: [listenFd, stdout.writeFd, stderr.writeFd],
      detached: true,
      onExit,
    });
    limitOpenFiles(process.pid, SOFT_NOFILE);
    return { process, stdoutFd: stdout.readFd, stderrFd: stderr.readFd };
  } catch (error) {
    for (const { readFd } of pipes) closeFd(readFd);
    throw new FpmError("SPAWN_FAILED", "backend", `${program.name} cannot be started: ${messageOf(error)}.`, {
      cause: error,
    });
  } finally {
    for (const { writeFd } of pipes) closeFd(writeFd);
  }
}

/** Says in words why a spawn failed; looks at the file, so only for the log of a failure. */
export async function explainSpawnError(program: Program, error: FpmError): Promise<string> {
  const file = program.argv[0];
  const line = await interpreterLine(file);
  const interpreter = line?.slice(2).trim().split(/\s+/)[0] ?? "";
  switch (errnoOf(error.cause)) {
    case "ENOENT":
      if (line === undefined) return `${file} or its working folder ${program.cwd} is missing`;
      if (line.endsWith("\r")) return `the #! line of ${file} ends in CR LF: save it with Unix line ends`;
      if (interpreter !== "") return `interpreter ${interpreter} of ${file} not found`;
      return `${file}, its loader or its working folder ${program.cwd} is missing`;
    case "EACCES":
      return `no permission to execute ${interpreter && `${interpreter} for `}${file}, or to enter ${program.cwd}`;
    case "ENOEXEC":
      return `${file} is neither an executable nor a script: its first line must be #! and an interpreter`;
    default:
      return messageOf(error.cause ?? error);
  }
}

function addPipe(pipes: Pipe[]): Pipe {
  const pipe = openPipe();
  pipes.push(pipe);
  return pipe;
}

function environmentOf(program: Program, instance: string): Record<string, string> {
  const environment: Record<string, string> = {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    LANG: "C.UTF-8",
  };
  // php-cgi would leave after 500 requests; recycling is the manager's.
  if (basename(program.argv[0]).startsWith("php")) environment["PHP_FCGI_MAX_REQUESTS"] = "0";
  Object.assign(environment, program.app.env);
  environment[INSTANCE_VARIABLE] = instance;
  return environment;
}

/** The `#!` line of a script, undefined when it has none or cannot be read. */
async function interpreterLine(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, "r");
    const { buffer, bytesRead } = await file.read(Buffer.alloc(256), 0, 256, 0);
    const line = buffer.toString("latin1", 0, bytesRead).split("\n")[0] ?? "";
    return line.startsWith("#!") ? line : "";
  } catch {
    return undefined;
  }
}
