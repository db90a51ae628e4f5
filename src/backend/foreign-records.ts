import type { Log } from "../base/log.ts";
import type { Backend } from "./backend.ts";
import type { BackendOwner } from "./lent-backend.ts";

/** Records on a process's connections that are of no request at work there, or call it by another id: learned from, and told once a program. */
export class ForeignRecords {
  readonly #backend: Backend;
  readonly #owner: BackendOwner;
  readonly #log: Log;

  constructor(backend: Backend, owner: BackendOwner, log: Log) {
    this.#backend = backend;
    this.#owner = owner;
    this.#log = log;
  }

  onEcho(): void {
    if (this.#backend.conduct.onEcho()) this.#tellOfFork();
  }

  onStaleRecord(): void {
    this.#owner.onStaleRecord();
    if (this.#backend.conduct.onStaleRecord()) this.#tellOfFork();
  }

  onMixedRecords(): void {
    this.#owner.onStaleRecord();
    if (this.#backend.conduct.onMixedRecords())
      this.#tellOfFork(
        "what came on a connection that had served other requests was no answer: a child may have written into it",
      );
  }

  onIgnoredId(): void {
    if (!this.#backend.conduct.onIgnoredId()) return;
    const what =
      "it answers under another request id than it is given: its connections are not kept any more";
    this.#warn(`${what} (FastCGI specification §3.3)`);
  }

  #tellOfFork(
    what = "a child that it forked during a request wrote into its connection: what it wrote was dropped",
  ): void {
    const remedy =
      "its connections are not kept any more; have such a child end with _exit, or close the request's handles in it";
    this.#warn(`${what}; ${remedy}`);
  }

  #warn(what: string): void {
    const { program, pid } = this.#backend;
    this.#log.warn(what, { program: program.name, pid });
  }
}
