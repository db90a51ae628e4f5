import type { Backend } from "../backend/backend.ts";
import { CgiBackend } from "../backend/cgi-backend.ts";
import { causeOf, describeExit, type Exit, isBootFailure, isKilledByOthers } from "../backend/exit.ts";
import { FastCgiBackend } from "../backend/fastcgi-backend.ts";
import type { BackendDeps, BackendOwner } from "../backend/lent-backend.ts";
import { OutputLimit } from "../backend/output-limit.ts";
import { explainBootFailure } from "../backend/start-failure.ts";
import { FpmError } from "../base/errors.ts";
import { RareLine } from "../base/rare-line.ts";
import { isShortage, SHORTAGE_MS } from "../base/shortage.ts";
import type { Program } from "../start/program.ts";
import { BREAKER_FAILURES, backoffMs } from "./policy.ts";

/** One that has been ready for longer ends for another reason, such as a time limit of its own. */
const AT_ONCE_MS = 1000;

/** Hears of failed starts: the pool. */
export interface StartsOwner extends BackendOwner {
  /** Why a start failed, in words, and how long it is until the next may be tried; `isOthers`: somebody has killed it, which says nothing of the program. */
  onStartFailed(error: FpmError, pauseMs: number, isOthers: boolean): void;
}

/** Makes a process of a program, or a place for CGI processes. @throws FpmError when it cannot be started. */
export type MakeBackend = (program: Program, owner: BackendOwner, deps: BackendDeps) => Backend;

/** What its processes need of their surroundings, but for what they share among themselves. */
export interface StartsDeps extends Omit<BackendDeps, "outputLimit"> {
  /** By the program's protocol where nothing else is given. */
  readonly makeBackend?: MakeBackend;
}

/** Starts the processes of one program and tells of their exits; pauses after each start that failed, and opens a breaker when several in a row did. */
export class Starts {
  readonly #owner: StartsOwner;
  readonly #deps: BackendDeps;
  readonly #makeBackend: MakeBackend;
  #failures = 0;
  /** No start before this time. */
  #retryAt = 0;
  /** How many in a row have ended by themselves before anybody had a request for them. */
  #endedUnused = 0;
  /** None that no request waits for is started before this time. */
  #stockAt = 0;
  #lastError: FpmError | undefined;
  readonly #shortage: RareLine;

  constructor(owner: StartsOwner, deps: StartsDeps) {
    const { clock, log, makeBackend = ofItsProtocol } = deps;
    this.#owner = owner;
    this.#makeBackend = makeBackend;
    this.#shortage = new RareLine(clock);
    this.#deps = { ...deps, outputLimit: new OutputLimit(clock, log) };
  }

  /** How many failed in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Milliseconds until the next start may be tried; 0 when it may be now. */
  get waitMs(): number {
    return Math.max(0, this.#retryAt - this.#deps.clock.now());
  }

  /** Milliseconds until one may be started that no request waits for; 0 when it may be now. */
  get stockWaitMs(): number {
    return Math.max(0, this.#stockAt - this.#deps.clock.now());
  }

  /** Whether so many failed in a row that requests are refused until the next try. */
  get isBreakerOpen(): boolean {
    return this.#failures >= BREAKER_FAILURES && this.waitMs > 0;
  }

  /** What a request is told while the breaker is open. */
  refusal(): FpmError {
    const retryAfterMs = this.waitMs;
    const what = `${this.#lastError?.message ?? ""} Next try in ${Math.ceil(retryAfterMs / 1000)} s.`;
    return new FpmError("BREAKER_OPEN", "backend", what, { retryAfterMs });
  }

  /** Starts a process; undefined when that failed: the owner hears why. */
  start(program: Program): Backend | undefined {
    try {
      return this.#makeBackend(program, this.#owner, this.#deps);
    } catch (error) {
      if (!(error instanceof FpmError)) throw error;
      this.#onNotStarted(error);
      return undefined;
    }
  }

  /** A process has accepted its first connection, or the program is another one now: a pause that runs ends too. */
  reset(): void {
    this.#failures = 0;
    this.#retryAt = 0;
  }

  /** A tree that was to take another's place has left most requests unanswered. */
  onTrialFailed({ label }: Backend): void {
    const what = `${label} left requests unanswered when it was new.`;
    this.#onFailure(Promise.resolve(new FpmError("BACKEND_BROKEN", "backend", what)));
  }

  /** A process has ended, perhaps before it was ready; `wasOnTrial`: before it had taken the place of another tree. */
  onExit(backend: Backend, exit: Exit, wasOnTrial = false): void {
    if (exit.wasStarted && exit.reason === undefined) {
      this.#noteUnused(backend, exit);
      if (wasOnTrial) this.onTrialFailed(backend);
    }
    if (exit.startError && isBootFailure(exit)) this.#onNotStarted(exit.startError);
    else if (isBootFailure(exit))
      this.#onFailure(explainBootFailure(backend, exit, this.#deps.starter), isKilledByOthers(exit));
    // A place for CGI processes has told of each of them; and one that never began, of its failure.
    if (backend.pid !== 0) void this.#logExit(backend, exit, this.#deps.clock.now() - backend.startedAt);
  }

  /**
   * One that ends as soon as it is ready would be started again and again to be at hand; and for a request that waits, of which each of them may have
   * seen nothing: after some of them in a row that is a failure.
   */
  #noteUnused(backend: Backend, exit: Exit): void {
    const { wasUsed, idleSince, label } = backend;
    const now = this.#deps.clock.now();
    this.#endedUnused = wasUsed ? 0 : this.#endedUnused + 1;
    this.#stockAt = wasUsed ? 0 : now + backoffMs(this.#endedUnused);
    if (this.#endedUnused < BREAKER_FAILURES || now - idleSince >= AT_ONCE_MS) return;
    const what = `${label} ${describeExit(exit)} as soon as it had accepted a connection, like those before it.`;
    this.#onFailure(Promise.resolve(new FpmError("BOOT_FAILED", "backend", what)), false, this.#endedUnused);
  }

  /** The one line about an exit, once the program's last words have been read. */
  async #logExit(backend: Backend, exit: Exit, ageMs: number): Promise<void> {
    await backend.finished;
    const cause = causeOf(exit);
    const isFailure = cause === "crash" || cause === "boot failure";
    this.#deps.log[isFailure ? "error" : "info"](describeExit(exit), {
      program: backend.program.name,
      pid: backend.pid,
      cause,
      reason: exit.reason,
      age: `${Math.round(ageMs / 100) / 10}s`,
      served: backend.served,
      stderr: backend.lastStderr || undefined,
    });
  }

  /** No process has begun. Where no descriptors are left that says nothing of the program: who waits for it goes on waiting. */
  #onNotStarted(error: FpmError): void {
    if (!isShortage(error)) {
      this.#onFailure(Promise.resolve(error));
      return;
    }
    const { clock, log } = this.#deps;
    this.#retryAt = Math.max(this.#retryAt, clock.now() + SHORTAGE_MS);
    this.#shortage.add((times) => log.warn(error.message, { code: error.code, times }));
  }

  /** `isOthers`: somebody else has killed it. `inARow`: how many failed in this way. */
  #onFailure(explained: Promise<FpmError>, isOthers = false, inARow = this.#failures + 1): void {
    this.#failures++;
    const pauseMs = backoffMs(inARow);
    this.#retryAt = this.#deps.clock.now() + pauseMs;
    void explained.then((error) => {
      this.#lastError = error;
      this.#owner.onStartFailed(error, pauseMs, isOthers);
    });
  }
}

function ofItsProtocol(program: Program, owner: BackendOwner, deps: BackendDeps): Backend {
  return program.app.protocol === "cgi"
    ? new CgiBackend(program, owner, deps)
    : new FastCgiBackend(program, owner, deps);
}
