import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { Account } from "../base/accounts.ts";
import { SOFT_NOFILE } from "../base/descriptor-limit.ts";
import { messageOf } from "../base/errors.ts";
import { type Resource, resourceLimit } from "../base/rlimits.ts";
import {
  type Confinement,
  chainOf,
  decidesWhatIsLoaded,
  handOver,
  type ToolName,
  type Tools,
  toolsOf,
} from "./chain.ts";
import { readEnvFile } from "./env-file.ts";
import { explainNoFormat } from "./exec-failure.ts";
import { withoutFormat } from "./executable-format.ts";
import { INSTANCE_VARIABLE } from "./instance-variable.ts";
import type { StartOrder } from "./order.ts";
import { checkOwnedFile } from "./owned-file.ts";
import { cannotStart, type Program } from "./program.ts";
import { type Runner, runnerOf } from "./runner.ts";

/** What is executed for an order. */
export interface Launch {
  /** The tools that confine the process, the `wrapper`, the program. */
  readonly argv: readonly [string, ...string[]];
  /** Those of the chain that are among them. */
  readonly tools: readonly ToolName[];
  /** Where the first of them begins: a user's program enters its working folder as that user. */
  readonly cwd: string;
  /** "NAME=value", a character a byte. */
  readonly env: readonly string[];
  /** Whom it runs as. */
  readonly uid: number;
}

/** The part of an environment that is the same for all processes of a program. */
interface Configured {
  readonly account: Account | undefined;
  readonly names: ReadonlySet<string>;
  /** "NAME=value", a character a byte. */
  readonly variables: readonly string[];
}

const known = new WeakMap<Program, Configured>();

/** What holds for everything that a daemon starts. */
export interface Surroundings {
  readonly tools: Tools;
  /** Whether it has capabilities that a program would inherit (capabilities(7)). */
  readonly hasCapabilities: boolean;
  /** Whom it runs as itself; undefined for a number that no user has. May ask the network the first time. */
  ownAccount(): Account | undefined;
}

/**
 * Checks the program's file once more, whoever wants it started, and works out how. Reads the disk and the user database, which may take
 * as long as they like. @throws FpmError SPAWN_FAILED.
 */
export function launchOf({ program, request, instance }: StartOrder, around: Surroundings): Launch {
  const runner = runnerOf(program);
  checkOwnedFile(program);
  const { app } = program;
  const isOther = runner !== undefined && !isOurselves(runner);
  const isConfined = isOther || Object.keys(app.limits).length > 0;
  const confinement: Confinement = {
    runner: isOther ? runner : undefined,
    cwd: program.cwd,
    limits: app.limits,
    softNofile: isConfined || !isAsProgramsHaveIt() ? Math.min(SOFT_NOFILE, hardLimit("nofile")) : undefined,
    raisesNproc: (app.limits.nproc ?? 0) > hardLimit("nproc"),
    nice: app.nice,
    noNewPrivileges: app.noNewPrivileges,
    dropsCapabilities: around.hasCapabilities,
    endsWithUs: app.protocol === "fastcgi",
  };
  const chain = chainOf(confinement, around.tools);
  const [tool] = chain;
  const file = app.wrapper[0] ?? program.argv[0];
  const culprit = tool === undefined ? undefined : withoutFormat(file, tool, program.cwd);
  if (culprit !== undefined) throw cannotStart(program, explainNoFormat(file, culprit));
  const account = runner ? runner.account : around.ownAccount();
  const variables = environmentOf(program, account, request ?? [], instance);
  const isLate = (variable: string) => tool !== undefined && decidesWhatIsLoaded(variable);
  const late = variables.filter(isLate).map(textOf);
  const front = [...chain, ...handOver(confinement, late, file, around.tools)];
  const argv = [...front, ...app.wrapper, ...program.argv] as [string, ...string[]];
  const env = variables.filter((variable) => !isLate(variable));
  const uid = runner?.uid ?? process.geteuid?.() ?? 0;
  return { argv, tools: toolsOf(front), cwd: isOther ? "/" : program.cwd, env, uid };
}

/** Whether this process has capabilities that pass on to what it executes (proc(5), /proc/pid/status). */
export function hasPassedOnCapabilities(): boolean {
  const status = readFileSync("/proc/self/status", "latin1");
  return /^Cap(?:Inh|Amb):\t0*[1-9a-f]/m.test(status);
}

/** Whether a process would be whom it runs as anyway. */
function isOurselves({ uid, gid, groups }: Runner): boolean {
  if (uid !== process.geteuid?.() || gid !== process.getegid?.()) return false;
  const own = new Set([gid, ...(process.getgroups?.() ?? [])]);
  const wanted = new Set([gid, ...groups]);
  return own.size === wanted.size && [...wanted].every((group) => own.has(group));
}

/** Whether a process would have a soft limit of descriptors for programs anyway. */
function isAsProgramsHaveIt(): boolean {
  return (resourceLimit(0, "nofile")?.soft ?? 0) <= SOFT_NOFILE;
}

function hardLimit(resource: Resource): number {
  return resourceLimit(0, resource)?.hard ?? 0;
}

/** What is configured goes before what the request says, and our own mark before both: it is looked for at the beginning. */
function environmentOf(
  program: Program,
  account: Account | undefined,
  request: readonly string[],
  instance: string,
): string[] {
  const { names, variables } = configuredFor(program, account, instance);
  const isFree = (variable: string) => !names.has(variable.slice(0, variable.indexOf("=")));
  return [...variables, ...request.filter(isFree)];
}

/** Worked out once for a program, unless a file is to be read for it. */
function configuredFor(program: Program, account: Account | undefined, instance: string): Configured {
  const before = known.get(program);
  if (before && before.account === account) return before;
  const mark = { [INSTANCE_VARIABLE]: instance };
  const own = { ...mark, ...settingsOf(program, account), ...mark };
  const variables = Object.entries(own).map(([name, value]) => bytesOf(`${name}=${value}`));
  const configured = { account, names: new Set(Object.keys(own)), variables };
  if (program.app.envFile === "") known.set(program, configured);
  return configured;
}

function settingsOf(program: Program, account: Account | undefined): Record<string, string> {
  const own: Record<string, string> = {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    LANG: "C.UTF-8",
  };
  // git, composer and the like look for their settings there.
  if (account) {
    const { name, home, shell } = account;
    Object.assign(own, { USER: name, LOGNAME: name, HOME: home, SHELL: shell });
  }
  // php-cgi would leave after 500 requests; recycling is the manager's.
  if (basename(program.argv[0]).startsWith("php")) own["PHP_FCGI_MAX_REQUESTS"] = "0";
  if (program.app.children > 0) own["PHP_FCGI_CHILDREN"] = String(program.app.children);
  for (const name of program.app.envPass) {
    const value = process.env[name];
    if (value !== undefined) own[name] = value;
  }
  return Object.assign(own, program.app.env, secretsOf(program));
}

function secretsOf(program: Program): Record<string, string> {
  const { envFile } = program.app;
  try {
    return envFile === "" ? {} : readEnvFile(envFile);
  } catch (error) {
    throw cannotStart(program, `env_file: ${messageOf(error)}`);
  }
}

/** What `bytesOf` has made. */
function textOf(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString();
}

/** The text's bytes in UTF-8, a character each. */
function bytesOf(text: string): string {
  return Buffer.from(text).toString("latin1");
}
