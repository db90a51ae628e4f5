import type { Backend, BackendDeps, BackendOwner } from "../backend/backend.ts";
import { CgiBackend } from "../backend/cgi-backend.ts";
import { type Exit, isBootFailure } from "../backend/exit.ts";
import { FastCgiBackend } from "../backend/fastcgi-backend.ts";
import type { Program } from "../backend/program.ts";
import { explainBootFailure, explainSpawnError } from "../backend/start-failure.ts";
import { FpmError } from "../base/errors.ts";
import { BootRecord } from "./boot-record.ts";

/** Hears of failed starts: the pool. */
export interface StartsOwner extends BackendOwner {
  /** Why a start failed, in words, and how long it is until the next may be tried. */
  onStartFailed(error: FpmError, pauseMs: number): void;
}

/** Starts the processes of one program, and keeps the record of starts that failed. */
export class Starts {
  readonly #owner: StartsOwner;
  readonly #deps: BackendDeps;
  readonly #record = new BootRecord();

  constructor(owner: StartsOwner, deps: BackendDeps) {
    this.#owner = owner;
    this.#deps = deps;
  }

  /** How many failed in a row. */
  get failures(): number {
    return this.#record.failures;
  }

  /** Milliseconds until the next start may be tried; 0 when it may be now. */
  get waitMs(): number {
    return this.#record.waitMs(this.#deps.clock.now());
  }

  /** Whether so many failed in a row that requests are refused until the next try. */
  get isBreakerOpen(): boolean {
    return this.#record.isOpen(this.#deps.clock.now());
  }

  /** What a request is told while the breaker is open. */
  refusal(): FpmError {
    return this.#record.refusal(this.#deps.clock.now());
  }

  /** Starts a process; undefined when that failed: the owner hears why. */
  start(program: Program): Backend | undefined {
    try {
      if (program.app.protocol === "cgi") return new CgiBackend(program, this.#owner, this.#deps);
      const backend = new FastCgiBackend(program, this.#owner, this.#deps);
      this.#deps.log.info("started", { program: program.name, pid: backend.pid });
      return backend;
    } catch (error) {
      if (!(error instanceof FpmError)) throw error;
      this.#onFailure(explainSpawnError(program, error));
      return undefined;
    }
  }

  /** A process has accepted its first connection, or the program is another one now. */
  reset(): void {
    this.#record.reset();
  }

  /** A process has ended, perhaps before it was ready. */
  onExit(backend: Backend, exit: Exit): void {
    if (isBootFailure(exit)) this.#onFailure(explainBootFailure(backend, exit));
  }

  #onFailure(explained: Promise<FpmError>): void {
    const pauseMs = this.#record.fail(this.#deps.clock.now());
    void explained.then((error) => {
      this.#record.explain(error);
      this.#owner.onStartFailed(error, pauseMs);
    });
  }
}
