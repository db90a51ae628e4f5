import { writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import { basename, join } from "node:path";
import type { Subprocess } from "bun";
import { runAs } from "../base/accounts.ts";
import { errnoOf, FpmError, messageOf } from "../base/errors.ts";
import { closeFd, openPipe, type Pipe } from "../base/libc.ts";
import { lowerSoftLimit, type Resource, resourceLimit, setResourceLimit } from "../base/rlimits.ts";
import { checkOwnedFile } from "./owned-file.ts";
import type { Program } from "./program.ts";
import { type Runner, runnerOf } from "./runner.ts";

/** Programs built with an old libfcgi crash on descriptors from 1024 on. */
const SOFT_NOFILE = 1024;
/** In every program's environment: whose child it is, for the next start after a crash of the manager. */
export const INSTANCE_VARIABLE = "STD_FPM_INSTANCE";

export type Environment = Readonly<Record<string, string>>;

export interface Spawned {
  readonly process: Subprocess;
  /** Reading ends of the program's stdout and stderr; the caller closes them. */
  readonly stdoutFd: number;
  readonly stderrFd: number;
}

/**
 * Starts a program with a descriptor of ours as its descriptor 0, in a session and process group of its own, with a clean
 * environment: what is configured goes before what the `request` says, and our `own` variables go before both. It runs as the user and with
 * the limits that its settings name.
 * @throws FpmError SPAWN_FAILED, with the system's reason in words.
 */
export function spawnProgram(
  program: Program,
  stdinFd: number,
  { request, own }: Readonly<Record<"request" | "own", Environment>>,
  onExit: () => void,
): Spawned {
  const pipes: Pipe[] = [];
  let isStarted = false;
  try {
    const runner = runnerOf(program);
    checkOwnedFile(program);
    const stdout = addPipe(pipes);
    const stderr = addPipe(pipes);
    const start = () =>
      Bun.spawn([...program.app.wrapper, ...program.argv], {
        cwd: program.cwd,
        env: { ...request, ...environmentOf(program, runner), ...own },
        stdio: [stdinFd, stdout.writeFd, stderr.writeFd],
        detached: true,
        onExit: () => {
          if (isStarted) onExit();
        },
      });
    const child = runner ? runAs(runner, start) : start();
    confine(child, program);
    isStarted = true;
    return { process: child, stdoutFd: stdout.readFd, stderrFd: stderr.readFd };
  } catch (error) {
    for (const { readFd } of pipes) closeFd(readFd);
    if (error instanceof FpmError) throw error;
    throw new FpmError("SPAWN_FAILED", "backend", `${program.name} cannot be started: ${messageOf(error)}.`, {
      cause: error,
    });
  } finally {
    for (const { writeFd } of pipes) closeFd(writeFd);
  }
}

/** Sets what the kernel lets a parent set of its child, which may have ended already. @throws FpmError SPAWN_FAILED. */
function confine({ pid }: Subprocess, program: Program): void {
  const { nice, cgroup, limits } = program.app;
  try {
    if (cgroup !== "") writeFileSync(join(cgroup, "cgroup.procs"), String(pid));
    if (nice !== 0) setPriority(pid, nice);
    for (const [name, value] of Object.entries(limits)) {
      const resource = name as Resource;
      const isRefused = !setResourceLimit(pid, resource, value) && resourceLimit(pid, resource) !== undefined;
      if (isRefused) throw new Error(`limits.${name} is above the hard limit, which only root may raise`);
    }
    if (limits.nofile === undefined) lowerSoftLimit(pid, "nofile", SOFT_NOFILE);
  } catch (error) {
    if (errnoOf(error) === "ESRCH") return;
    process.kill(pid, "SIGKILL");
    const what = `${program.name} cannot be started: its cgroup, nice or limits cannot be set: ${messageOf(error)}.`;
    throw new FpmError("SPAWN_FAILED", "backend", what);
  }
}

function addPipe(pipes: Pipe[]): Pipe {
  const pipe = openPipe();
  pipes.push(pipe);
  return pipe;
}

function environmentOf(program: Program, runner: Runner | undefined): Record<string, string> {
  const environment: Record<string, string> = {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    LANG: "C.UTF-8",
  };
  if (runner?.account) {
    environment["USER"] = runner.account.name;
    environment["HOME"] = runner.account.home;
  }
  // php-cgi would leave after 500 requests; recycling is the manager's.
  if (basename(program.argv[0]).startsWith("php")) environment["PHP_FCGI_MAX_REQUESTS"] = "0";
  for (const name of program.app.envPass) {
    const value = process.env[name];
    if (value !== undefined) environment[name] = value;
  }
  return Object.assign(environment, program.app.env);
}
