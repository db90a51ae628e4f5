import { FpmError } from "../base/errors.ts";
import type { Role } from "../config/app-for.ts";
import type { AppConfig } from "../config/config.ts";

/** What is started for a request: one pool serves all requests with the same `key`. */
export interface Program {
  readonly key: string;
  /** Shown in logs and status: the script, or the interpreter that serves many. */
  readonly name: string;
  /** The script that was asked for; of an interpreter the first one. */
  readonly script: string;
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  /** Who owns the script: its processes run as that user. Undefined where the settings name the user. */
  readonly owner: number | undefined;
  /** The file of that owner that every process runs, without links; undefined where it runs an interpreter for many. */
  readonly ownedFile: string | undefined;
  /** The version of its files on disk. */
  readonly version: string;
  /** Another generation is another version, or the same one with other settings: its processes replace the old ones. */
  readonly generation: string;
  /** In which role it is asked: as an authorizer it has processes of its own. */
  readonly role: Role;
  readonly app: AppConfig;
}

/** Whom its processes run as: the number or the name of a user, "" for std-fpm's own. */
export function userOf({ owner, app }: Pick<Program, "owner" | "app">): string {
  return String(owner ?? app.user);
}

/** The settings that only a new process takes on. Equal texts are equal settings. */
export function launchSettingsOf(app: AppConfig): string {
  const { protocol, command, cwd, env, envPass, wrapper, user, group, nice, cgroup, limits, concurrency } =
    app;
  const { umask, noNewPrivileges, envFile, children } = app;
  return JSON.stringify([
    protocol,
    command,
    cwd,
    env,
    envPass,
    wrapper,
    user,
    group,
    nice,
    cgroup,
    limits,
    envFile,
    umask,
    noNewPrivileges,
    concurrency,
    children,
  ]);
}

/** Why a process of it does not begin. */
export function cannotStart({ name }: Pick<Program, "name">, why: string): FpmError {
  return new FpmError("SPAWN_FAILED", "backend", `${name} cannot be started: ${why}.`);
}
