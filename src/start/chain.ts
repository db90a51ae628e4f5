import { basename } from "node:path";
import type { ResourceLimits } from "../config/config.ts";
import type { Runner } from "./runner.ts";

/** Where the tools of the chain are; see `findTools`. */
export type Tools = Readonly<Record<ToolName, string>>;
export type ToolName = (typeof TOOL_NAMES)[number];
export const TOOL_NAMES = ["prlimit", "nice", "setpriv", "env"] as const;

/** What is set of a process before the first instruction of its program. */
export interface Confinement {
  /** Undefined: whoever std-fpm runs as. */
  readonly runner: Runner | undefined;
  /** The working folder, which whom it runs as must be allowed to enter. */
  readonly cwd: string;
  readonly limits: ResourceLimits;
  /** The soft limit of descriptors where `limits` has none; undefined leaves it as it is. */
  readonly softNofile: number | undefined;
  /** Whether `nproc` is above the hard limit that std-fpm has itself. */
  readonly raisesNproc: boolean;
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
 * nice(1) and env(1) call themselves as they were called, which is by their paths here and seldom so elsewhere. env(1) enters the working folder and
 * executes the program by its path; of a command that a `#!` line names it says the same without one.
 */
const COMPLAINT =
  /^(?:(prlimit|setpriv)|\/(?:usr\/)?s?bin\/(nice|env(?=: (?:cannot change directory to )?[^\w/]?\/))): (.+)$/;
const OF_FOLDER = /^cannot change directory to .?(\/.*?).?: [^:]+$/;
/** The categories of a locale, in which the tools would speak, and which may be a path (setlocale(3), gettext(3)). */
const CATEGORIES =
  "ALL|ADDRESS|COLLATE|CTYPE|IDENTIFICATION|MEASUREMENT|MESSAGES|MONETARY|NAME|NUMERIC|PAPER|TELEPHONE|TIME";
/** What the dynamic linkers of glibc and musl go by (ld.so(8)). */
const OF_LINKERS =
  "AOUT_LIBRARY_PATH|AOUT_PRELOAD|ASSUME_KERNEL|AUDIT|BIND_NOT|BIND_NOW|DEBUG|DEBUG_OUTPUT|DYNAMIC_WEAK|ELF_HINTS_PATH|HWCAP_MASK|KEEPDIR|LIBRARY_PATH|NOWARN|ORIGIN_PATH|POINTER_GUARD|PREFER_MAP_32BIT_EXEC|PRELOAD|PROFILE|PROFILE_OUTPUT|SHOW_AUXV|TRACE_LOADED_OBJECTS|TRACE_PRELINKING|USE_LOAD_BIAS|VERBOSE|WARN";
/**
 * Variables by which one decides what a process loads before its first instruction, or while it prints a message, and in which language (ld.so(8),
 * setlocale(3), iconv(1), catopen(3)). No others: these stand on a command line for a moment, which everybody may read, and `env_file` has secrets under any name.
 */
const LOADS = new RegExp(
  `^(?:(?:LD_(?:${OF_LINKERS})|GLIBC_TUNABLES|GCONV_PATH|GETCONF_DIR|LOCPATH|MUSL_LOCPATH|NLSPATH)=|OUTPUT_CHARSET=[^=]*/|(?:LANG|LANGUAGE|LC_(?:${CATEGORIES}))=(?!(?:C|C\\.UTF-8|POSIX)?$))`,
);
/** A capability that whoever makes processes another user's has. A process that holds it can't be traced by that user, who could have limits left out (ptrace(2)). */
const SHIELD = "setuid";

/**
 * The tools that are put in front of a program, each of which executes the next. What is set is set by root, whom the user can't trace: limits, nice(1).
 * Then setpriv(1), which makes the process the user's. Of `nproc` a process must be the user's already: as the limit of one that becomes so it would
 * hinder the start while the user has others (setrlimit(2)); until it is set the process keeps a capability. Empty where nothing is to be set.
 */
export function chainOf(confinement: Confinement, tools: Tools): string[] {
  const { runner, nice, raisesNproc } = confinement;
  const chain: string[] = [];
  const limits = limitOptions(confinement);
  const late = runner ? limits.filter((option) => option.startsWith("--nproc=")) : [];
  const early = raisesNproc ? limits : limits.filter((option) => !late.includes(option));
  if (early.length > 0) chain.push(tools.prlimit, ...early, "--");
  if (nice !== 0) chain.push(tools.nice, "-n", String(nice), "--");
  if (runner && late.length > 0) {
    const shield = [`--inh-caps=-all,+${SHIELD}`, `--ambient-caps=-all,+${SHIELD}`];
    chain.push(tools.setpriv, ...identityOptions(runner), ...shield, "--", tools.prlimit, ...late, "--");
  }
  const options = privilegeOptions(confinement, late.length > 0);
  if (options.length > 0) chain.push(tools.setpriv, ...options, "--");
  return chain;
}

/** Whether a variable, as "NAME=value", is not for the tools of the chain: they are still root's where the program is not. */
export function decidesWhatIsLoaded(variable: string): boolean {
  return LOADS.test(variable);
}

/**
 * The end of a chain, from which on the process is the program's: it gives it, and nobody before it, these variables, and where it is another user's
 * enters its working folder, as it is the user who must be allowed to, and to execute it (setpriv(1) keeps root's rights until it executes something).
 */
export function handOver(
  { runner, cwd }: Confinement,
  variables: readonly string[],
  file: string,
  tools: Tools,
): string[] {
  if (!runner && variables.length === 0) return [];
  const folder = runner ? ["-C", cwd] : [];
  // env(1) takes whatever has a "=" for a variable.
  const byName = file.includes("=") ? [tools.nice, "-n", "0", "--"] : [];
  return [tools.env, ...folder, "--", ...variables, ...byName];
}

function limitOptions({ limits, softNofile }: Confinement): string[] {
  const options = LIMITS.flatMap((name) => {
    const value = limits[name];
    return value === undefined ? [] : [`--${name}=${value}:${value}`];
  });
  if (limits.nofile === undefined && softNofile !== undefined) options.push(`--nofile=${softNofile}:`);
  return options;
}

function identityOptions({ uid, gid, groups }: Runner): string[] {
  return [
    `--reuid=${uid}`,
    `--regid=${gid}`,
    groups.length > 0 ? `--groups=${groups.join(",")}` : "--clear-groups",
  ];
}

function privilegeOptions(confinement: Confinement, isUsers: boolean): string[] {
  const { runner, noNewPrivileges, dropsCapabilities, endsWithUs } = confinement;
  const options = runner && !isUsers ? identityOptions(runner) : [];
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

/** The tools that these words of a command line call. */
export function toolsOf(words: readonly string[]): ToolName[] {
  return TOOL_NAMES.filter((name) => words.some((word) => basename(word) === name));
}

/** Whether a line is the complaint of one of these tools, and no program's. */
export function isComplaint(line: string, tools: readonly ToolName[]): boolean {
  const complaint = readComplaint(line);
  return tools.some((name) => name === complaint?.tool);
}

function readComplaint(line: string): { readonly tool: string; readonly words: string } | undefined {
  const [, ofLinux, ofCore = "", words] = COMPLAINT.exec(line) ?? [];
  return words === undefined ? undefined : { tool: ofLinux ?? ofCore, words };
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
  const { tool, words } = readComplaint(complaint) ?? {};
  if (tool === undefined || words === undefined || !TOOL_STATUSES.includes(status)) return undefined;
  const reason = words.slice(words.lastIndexOf(": ") + 2);
  const errno = REASONS[reason] ?? "";
  const [, folder] = OF_FOLDER.exec(words) ?? [];
  if (folder !== undefined) return { errno, problem: folderProblem(folder, errno) };
  const isOfProgram = tool === "env" || (tool === "nice" && !words.startsWith("cannot set"));
  if (isOfProgram || /^failed to execute /.test(words)) return { errno, problem: undefined };
  return { errno, problem: problemOf(tool, words, reason) };
}

const FOLDER_PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: "is missing",
  ENOTDIR: "is no folder",
  EACCES: "may not be entered",
};

/** What is wrong with a working folder. */
export function folderProblem(folder: string, errno: string): string {
  return `its working folder ${folder} ${FOLDER_PROBLEMS[errno] ?? `cannot be entered: ${errno}`}`;
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
