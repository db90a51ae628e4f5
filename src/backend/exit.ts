import type { FpmError } from "../base/errors.ts";

/** The status of a shell whose last command was ended by SIGPIPE. */
const SHELL_SIGPIPE = 128 + 13;

/** Why a backend was stopped by us. */
export type StopReason =
  | "idle"
  | "surplus"
  | "room for others"
  | "max_requests"
  | "max_age"
  | "max_memory"
  | "max_memory_hard"
  | "new version"
  | "not configured any more"
  | "drained by hand"
  | "killed by hand"
  | "restarted by hand"
  | "shutdown"
  | "start timeout"
  | "request timeout"
  | "abort timeout"
  | "bad answer"
  | "left alone"
  | "unreachable"
  /** It accepts connections on its socket while we take them back, so that we wait there. */
  | "takes connections away";

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | number | null;
  /** It had accepted its first connection before. */
  readonly wasStarted: boolean;
  readonly reason: StopReason | undefined;
  /** How the counter of the kernel's memory killer moved just before; undefined: it did not, or was not looked at. */
  readonly memoryKiller?: string | undefined;
  /** The kernel ends it, too, when it has used the CPU for as long as `limits.cpu` says. */
  readonly hasCpuLimit?: boolean;
  /** What it printed went nowhere, as its client had left, and it has ended by that. */
  readonly isUnheard?: boolean;
  /** No process has begun at all. */
  readonly startError?: FpmError;
}

export type ExitCause = "asked for" | "of its own will" | "crash" | "boot failure";

/** "exited with status 1", "ended by SIGSEGV"; of a SIGKILL that we have not sent also where it may come from. */
export function describeExit(exit: Omit<Exit, "wasStarted">): string {
  const { code, signal, memoryKiller, hasCpuLimit } = exit;
  if (signal === null) return `exited with status ${code}`;
  if (!isKilledByOthers(exit)) return `ended by ${signal}`;
  const limit = hasCpuLimit ? "limits.cpu, " : "";
  const who = memoryKiller
    ? `the kernel's memory killer (${memoryKiller})`
    : `${limit}the kernel's memory killer, or somebody`;
  return `ended by SIGKILL, not by std-fpm: ${who}`;
}

/** Whether somebody else has killed it, or the kernel. */
export function isKilledByOthers({ signal, reason }: Pick<Exit, "signal" | "reason">): boolean {
  return signal === "SIGKILL" && reason === undefined;
}

/** Whether a process has ended before it accepted a connection, and not because we wanted it to. */
export function isBootFailure({ wasStarted, reason }: Exit): boolean {
  return !wasStarted && (reason === undefined || reason === "start timeout");
}

/** What kind of exit it was: every exit is one of these. */
export function causeOf(exit: Exit): ExitCause {
  if (isBootFailure(exit)) return "boot failure";
  if (exit.reason !== undefined) return "asked for";
  return exit.code === 0 || exit.isUnheard === true ? "of its own will" : "crash";
}

/** Whether it has ended by SIGPIPE, or a shell with what that means there. */
export function isOfClosedOutput({ code, signal }: Pick<Exit, "code" | "signal">): boolean {
  return signal === "SIGPIPE" || code === SHELL_SIGPIPE;
}
