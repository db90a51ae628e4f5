import { closeSync, existsSync, fchownSync, fstatSync, openSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, FpmError, messageOf } from "../base/errors.ts";
import { isShortage, noDescriptors } from "../base/shortage.ts";
import { utf8 } from "../base/utf8.ts";
import { folderProblem } from "./chain.ts";
import { explainExec } from "./exec-failure.ts";
import type { Launch } from "./launch.ts";
import type { Ending, StartOrder } from "./order.ts";
import { canSpawnIntoGroup, posixSpawn } from "./posix-spawn.ts";
import { cannotStart, type Program } from "./program.ts";

/** MAX_ARG_STRLEN, with the NUL at its end. */
const LONGEST_VARIABLE = 131_072;

export interface Spawned {
  readonly pid: number;
  /** Whether Bun waits for its end, and tells it. */
  readonly isBuns: boolean;
}

/**
 * Executes what was worked out: a FastCGI program by `Bun.spawn`, a CGI program by posix_spawn(3), as its environment may hold any bytes. Where that
 * is text, and a control group is named, it is `Bun.spawn`, too, as posix_spawn(3) knows these from glibc 2.39 on only, and of version 2.
 * The calling thread may stand until execve(2) returns. @throws FpmError SPAWN_FAILED, ENVIRONMENT_TOO_LARGE, ENVIRONMENT_NOT_TEXT, NO_DESCRIPTORS.
 */
export function spawn(launch: Launch, order: StartOrder, onExit: (ending: Ending) => void): Spawned {
  const { program } = order;
  const { cgroup, protocol } = program.app;
  const groupProblem = controlGroupProblem(cgroup);
  if (groupProblem !== undefined) throw cannotStart(program, `cgroup: ${groupProblem}`);
  try {
    if (launch.uid !== process.geteuid?.()) for (const fd of order.stdio) giveTo(launch.uid, fd);
    // Either has the kernel put it into its control group when it is born.
    const isBuns = protocol === "fastcgi" || (cgroup !== "" && isText(launch.env));
    const pid = isBuns ? spawnByBun(launch, order, onExit) : spawnInBytes(launch, order);
    return { pid, isBuns };
  } catch (error) {
    if (error instanceof FpmError) throw error;
    throw spawnError(launch, order, error);
  }
}

/** Whoever a pipe belongs to may open it anew, as /dev/stderr does. Others' files and sockets stay what they are. */
function giveTo(uid: number, fd: number): void {
  try {
    if (fstatSync(fd).isFIFO()) fchownSync(fd, uid, -1);
  } catch (error) {
    // Root without that capability, as in some containers: all but that works.
    if (errnoOf(error) !== "EPERM") throw error;
  }
}

/** Why no process can be started in a control group, "" for std-fpm's own; undefined: one can. */
export function controlGroupProblem(folder: string): string | undefined {
  if (folder === "" || existsSync(join(folder, "cgroup.procs"))) return undefined;
  return `there is no control group ${folder}`;
}

function spawnByBun({ argv, cwd, env }: Launch, order: StartOrder, onExit: (ending: Ending) => void): number {
  const { app } = order.program;
  const variables = env.map((each) => {
    const text = Buffer.from(each, "latin1").toString();
    const at = text.indexOf("=");
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });
  const process = Bun.spawn([...argv], {
    cwd,
    env: Object.fromEntries(variables),
    stdio: [...order.stdio],
    detached: true,
    ...(app.cgroup === "" ? {} : { cgroup: app.cgroup }),
    onExit: (_process, code, signal) =>
      onExit({ code: signal === null ? code : null, signal: nameOf(signal) }),
  });
  return process.pid;
}

/** Whether `Bun.spawn` passes it on as it is. */
function isText(env: readonly string[]): boolean {
  return env.every((each) => utf8(each) !== undefined);
}

function nameOf(signal: number | string | null | undefined): string | null {
  return signal === null || signal === undefined ? null : String(signal);
}

function spawnInBytes({ argv, cwd, env }: Launch, { program, stdio }: StartOrder): number {
  const { app } = program;
  if (app.cgroup === "") return posixSpawn({ argv, env, cwd, stdio });
  // Put there afterwards it would have begun outside: the kernel takes longer for that than a program does.
  if (!canSpawnIntoGroup(app.cgroup)) throw environmentNotText();
  const cgroup = openSync(app.cgroup, "r");
  try {
    return posixSpawn({ argv, env, cwd, stdio, cgroup });
  } finally {
    closeSync(cgroup);
  }
}

function spawnError({ tools, env }: Launch, { program, request }: StartOrder, error: unknown): FpmError {
  if (isShortage(error)) return noDescriptors(`${program.name} cannot be started`);
  const errno = errnoOf(error);
  if (errno === "E2BIG" && request !== undefined) return environmentTooLarge(env);
  if (errno === "" || errno === "ENOMEM") return cannotStart(program, messageOf(error));
  // A tool of the chain is there: it is the folder that is not, or there may be no process.
  if (tools.length > 0 && errno !== "EAGAIN")
    return cannotStart(program, folderOrGroupProblem(program, errno));
  return cannotStart(program, explainExec(program, errno));
}

function folderOrGroupProblem({ cwd, app }: Program, errno: string): string {
  const orGroup = app.cgroup === "" || errno === "ENOTDIR" ? "" : ` or its control group ${app.cgroup}`;
  return folderProblem(`${cwd}${orGroup}`, errno);
}

/** The kernel passes on no more than a quarter of the stack's limit, and no variable above 128 KiB (execve(2)). */
function environmentTooLarge(env: readonly string[]): FpmError {
  const largest = env.reduce((most, variable) => (variable.length > most.length ? variable : most), "");
  const total = env.reduce((sum, { length }) => sum + length + 1, 0);
  const what =
    largest.length >= LONGEST_VARIABLE
      ? `${largest.slice(0, largest.indexOf("="))} has ${largest.length} bytes with its name, and no variable may have ${LONGEST_VARIABLE}`
      : `they have ${total} bytes together`;
  const message = `The system does not take the request's parameters as the environment of a CGI program: ${what}.`;
  return new FpmError("ENVIRONMENT_TOO_LARGE", "client", message);
}

function environmentNotText(): FpmError {
  const message =
    "The request's parameters hold bytes that are not UTF-8, and with these a process cannot be started in its control group here: that takes glibc 2.39 and a group of version 2.";
  return new FpmError("ENVIRONMENT_NOT_TEXT", "client", message);
}
