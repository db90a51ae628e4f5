import type { ResourceLimits } from "../config/config.ts";
import type { Runner } from "./runner.ts";

/** Where the tools of the chain are; see `findTools`. */
export type Tools = Readonly<Record<ToolName, string>>;
export type ToolName = "prlimit" | "nice" | "setpriv" | "env";

/** What is set of a process before the first instruction of its program. */
export interface Confinement {
  /** Undefined: whoever std-fpm runs as. */
  readonly runner: Runner | undefined;
  readonly limits: ResourceLimits;
  /** The soft limit of descriptors where `limits` has none; undefined leaves it as it is. */
  readonly softNofile: number | undefined;
  /** Whether a limit is above the hard one that std-fpm has itself. */
  readonly raisesLimits: boolean;
  /** 0 leaves it as it is. */
  readonly nice: number;
  readonly noNewPrivileges: boolean;
  /** Whether std-fpm itself has capabilities that a program would inherit. */
  readonly dropsCapabilities: boolean;
  /** Whether it is to end with std-fpm. */
  readonly endsWithUs: boolean;
}

/** What prlimit(1) calls them, too. */
const LIMITS = ["nofile", "nproc", "core", "as", "cpu"] as const;
/** What env(1), nice(1), prlimit(1) and setpriv(1) end with when they fail themselves, or cannot execute what follows. */
const TOOL_STATUSES: readonly (number | null)[] = [1, 125, 126, 127];
/**
 * nice(1) and env(1) call themselves as they were called, which is by their paths here and seldom so elsewhere. env(1) executes the program by its path;
 * of a command that a `#!` line names it says the same without one.
 */
const COMPLAINT = /^(?:(prlimit|setpriv)|\/(?:usr\/)?s?bin\/(nice|env(?=: [^\w/]?\/))): (.+)$/;
/** Variables by which one decides what a process loads before its first instruction, or while it prints a message (ld.so(8), setlocale(3), iconv(1), catopen(3)). */
const LOADS =
  /^(?:(?:LD_\w+|GLIBC_TUNABLES|GCONV_PATH|GETCONF_DIR|LOCPATH|MUSL_LOCPATH|NLSPATH)=|(?:LANG|LANGUAGE|LC_\w+|OUTPUT_CHARSET)=[^=]*\/)/;

/**
 * The tools that are put in front of a program, each of which executes the next. What root may only do comes first: prlimit(1) where a hard
 * limit rises, nice(1). Then setpriv(1), which makes the process the user's; it keeps its capabilities until it executes something, so then
 * comes prlimit(1) again: it is the user who must be allowed to execute the program. Empty where nothing is to be set.
 */
export function chainOf(confinement: Confinement, tools: Tools): string[] {
  const { nice, raisesLimits } = confinement;
  const chain: string[] = [];
  const limits = limitOptions(confinement);
  if (raisesLimits) chain.push(tools.prlimit, ...limits, "--");
  if (nice !== 0) chain.push(tools.nice, "-n", String(nice), "--");
  const options = privilegeOptions(confinement);
  if (options.length > 0) chain.push(tools.setpriv, ...options, "--");
  if (limits.length > 0) chain.push(tools.prlimit, ...limits, "--");
  return chain;
}

/** Whether a variable, as "NAME=value", is not for the tools of the chain: they are still root's where the program is not. */
export function decidesWhatIsLoaded(variable: string): boolean {
  return LOADS.test(variable);
}

/** The end of a chain that gives its program, and nobody before it, these variables. It comes last: from then on the process is the program's. */
export function handOver(variables: readonly string[], file: string, tools: Tools): string[] {
  if (variables.length === 0) return [];
  // env(1) takes whatever has a "=" for a variable.
  const byName = file.includes("=") ? [tools.nice, "-n", "0", "--"] : [];
  return [tools.env, "--", ...variables, ...byName];
}

function limitOptions({ limits, softNofile }: Confinement): string[] {
  const options = LIMITS.flatMap((name) => {
    const value = limits[name];
    return value === undefined ? [] : [`--${name}=${value}:${value}`];
  });
  if (limits.nofile === undefined && softNofile !== undefined) options.push(`--nofile=${softNofile}:`);
  return options;
}

function privilegeOptions(confinement: Confinement): string[] {
  const { runner, noNewPrivileges, dropsCapabilities, endsWithUs } = confinement;
  const options: string[] = [];
  if (runner) {
    options.push(`--reuid=${runner.uid}`, `--regid=${runner.gid}`);
    options.push(runner.groups.length > 0 ? `--groups=${runner.groups.join(",")}` : "--clear-groups");
  }
  if (runner || dropsCapabilities) options.push("--inh-caps=-all", "--ambient-caps=-all");
  if (noNewPrivileges) options.push("--no-new-privs");
  if (endsWithUs) options.push("--pdeathsig=KILL");
  return options;
}

/** Why a process ended before its program began, in the words of the chain. */
export interface ChainFailure {
  /** The errno that the words stand for; "" for others. */
  readonly errno: string;
  /** What could not be set; undefined where it is the program that could not be executed. */
  readonly problem: string | undefined;
}

/** Whether a line is the complaint of a tool of the chain, and no program's. */
export function isComplaint(line: string): boolean {
  return COMPLAINT.test(line);
}

const REASONS: Readonly<Record<string, string>> = {
  "No such file or directory": "ENOENT",
  "Not a directory": "ENOTDIR",
  "Permission denied": "EACCES",
  "Exec format error": "ENOEXEC",
  "Argument list too long": "E2BIG",
  "Text file busy": "ETXTBSY",
  "Resource temporarily unavailable": "EAGAIN",
  "Cannot allocate memory": "ENOMEM",
  "Too many levels of symbolic links": "ELOOP",
  "Operation not permitted": "EPERM",
};

/** What a tool's last words and its exit status say; undefined: that was the program itself. */
export function chainFailure(complaint: string, status: number | null): ChainFailure | undefined {
  const [, ofLinux, ofCore, words = ""] = COMPLAINT.exec(complaint) ?? [];
  const tool = ofLinux ?? ofCore ?? "";
  if (tool === "" || !TOOL_STATUSES.includes(status)) return undefined;
  const reason = words.slice(words.lastIndexOf(": ") + 2);
  const errno = REASONS[reason] ?? "";
  const isOfProgram = tool === "env" || (tool === "nice" && !words.startsWith("cannot set"));
  if (isOfProgram || /^failed to execute /.test(words)) return { errno, problem: undefined };
  return { errno, problem: problemOf(tool, words, reason) };
}

function problemOf(tool: string, words: string, reason: string): string {
  const limit = /the (\w+) resource limit/.exec(words)?.[1]?.toLowerCase();
  if (limit !== undefined) {
    const remedy = "only root with CAP_SYS_RESOURCE, which containers lack, may raise a hard limit";
    return `limits.${limit} cannot be set: ${reason}; ${remedy}`;
  }
  if (tool === "nice") return `nice cannot be set: ${reason}`;
  return `its user, groups or capabilities cannot be set: ${words}`;
}
