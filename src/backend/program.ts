import type { AppConfig } from "../config/config.ts";

/** What is started for a request: one pool serves all requests with the same `key`. */
export interface Program {
  readonly key: string;
  /** Shown in logs and status: the script, or the interpreter that serves many. */
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  /** Another generation is another version of the program on disk. */
  readonly generation: string;
  readonly app: AppConfig;
}
