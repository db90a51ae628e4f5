import { FpmError, messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { changedKeys, withoutRestart } from "../config/changed-keys.ts";
import type { Config, LogConfig } from "../config/config.ts";
import type { LoadedConfig } from "../config/load.ts";
import { resolveTables } from "../config/resolve.ts";
import type { Tables } from "../config/tables.ts";

/** Where the configuration comes from. */
export interface ConfigSource {
  /** What the daemon was started with. */
  readonly tables: Tables;
  /** Reads the same files again. @throws FpmError CONFIG_INVALID, CONFIG_UNREADABLE, a problem a line. */
  load(): Promise<LoadedConfig>;
  /** Makes the log as `[log]` says. */
  adjustLog(settings: LogConfig): void;
  /** Goes on in a new log file, where the log has one. Gives why there is none yet; undefined: it is open. Never rejects. */
  reopenLog(): Promise<string | undefined>;
}

export interface ReloaderDeps {
  readonly source: ConfigSource;
  readonly log: Log;
  /** Whether another configuration is still of use. */
  isWanted(): boolean;
  /** Takes another configuration on; what needs a restart is as before in it. */
  apply(config: Config): void;
}

/** How a reload came out: what has changed, or why nothing has. */
export interface Reloaded {
  readonly isDone: boolean;
  readonly message: string;
}

/** Reads the configuration again, one time after the other. */
export class Reloader {
  readonly #deps: ReloaderDeps;
  /** In effect. */
  #tables: Tables;
  #isAsked = false;
  #atWork: Promise<void> | undefined;
  #last: Reloaded = { isDone: false, message: "it was not reloaded yet" };

  constructor(deps: ReloaderDeps) {
    this.#deps = deps;
    this.#tables = deps.source.tables;
  }

  /** How the last reload came out. */
  get last(): Reloaded {
    return this.#last;
  }

  /** Reloads now, or once more when the reload that is under way is over; settles after that. Never rejects. */
  async reload(): Promise<void> {
    this.#isAsked = true;
    this.#atWork ??= this.#work();
    await this.#atWork;
  }

  async #work(): Promise<void> {
    while (this.#isAsked) {
      this.#isAsked = false;
      await this.#once();
    }
    this.#atWork = undefined;
  }

  async #once(): Promise<void> {
    const { source, log } = this.#deps;
    try {
      const loaded = await source.load();
      if (this.#deps.isWanted()) this.#takeOn(loaded);
      else this.#last = { isDone: false, message: "std-fpm is stopping" };
    } catch (error) {
      const code = error instanceof FpmError ? error.code : undefined;
      for (const problem of messageOf(error).split("\n")) log.error(problem, { code });
      log.error("the configuration was not reloaded: everything stays as it was");
      this.#last = { isDone: false, message: messageOf(error) };
    }
  }

  #takeOn({ tables, config, warnings }: LoadedConfig): void {
    const { log, source } = this.#deps;
    const { changed, needRestart } = changedKeys(this.#tables, tables);
    const effective = withoutRestart(this.#tables, tables);
    this.#deps.apply(resolveTables(effective, config.files));
    this.#tables = effective;
    source.adjustLog(config.log);
    for (const warning of warnings) log.warn(warning);
    this.#last = { isDone: true, message: sumUp(changed, needRestart) };
    if (changed.length === 0) log.info("configuration reloaded: nothing has changed");
    else if (needRestart.length === 0) log.info("configuration reloaded", { changed: changed.join(", ") });
    else {
      log.warn("configuration reloaded; some of it takes effect with SIGUSR2 or a restart", {
        changed: changed.join(", "),
        needs_restart: needRestart.join(", "),
      });
    }
  }
}

function sumUp(changed: readonly string[], needRestart: readonly string[]): string {
  if (changed.length === 0) return "the configuration was reloaded: nothing has changed";
  const restart =
    needRestart.length === 0 ? "" : `; to take effect with a restart: ${needRestart.join(", ")}`;
  return `the configuration was reloaded; changed: ${changed.join(", ")}${restart}`;
}
