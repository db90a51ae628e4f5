import { FpmError } from "../base/errors.ts";
import { closeFd, openPipe, type Pipe } from "../base/libc.ts";
import type { ParamChanges } from "../fcgi/head.ts";
import { FCGI_AUTHORIZER } from "../fcgi/protocol.ts";
import { cgiVariables } from "../start/cgi-environment.ts";
import type { Ending as Exited } from "../start/order.ts";
import type { Program } from "../start/program.ts";
import type { Ending, Lease, Opening } from "./backend.ts";
import { type CgiExit, CgiLink, type CgiPipes } from "./cgi-link.ts";
import { causeOf, describeExit, isOfClosedOutput } from "./exit.ts";
import type { BackendDeps, BackendOwner } from "./lent-backend.ts";
import { LentBackend } from "./lent-backend.ts";
import type { Link } from "./link.ts";
import { ProgramProcess } from "./program-process.ts";
import { explainChainFailure, STATUS_NOT_FOUND } from "./start-failure.ts";
import { NOTHING_USED, type Usage, withUsage } from "./usage.ts";

/** One process of so many is looked at for how long it has waited for a CPU, which costs as much as the rest of its end; the others wait alike. */
const WAIT_LOOK_EVERY = 8;
/** How long something else may hold the output of a process that has ended, and print nothing. */
const OUTPUT_GRACE_MS = 1000;
const OUTPUT_LOOK_MS = 100;

/** A place in which one process of a plain CGI program (RFC 3875) runs after the other, one for each request. */
export class CgiBackend extends LentBackend {
  readonly socketPath = undefined;
  readonly firstStdout = "";
  protected readonly capacity = 1;
  readonly #finished = Promise.withResolvers<void>();
  #process: ProgramProcess | undefined;
  /** Of the request at work. */
  #link: CgiLink | undefined;
  #lastStderr = "";
  #death: string | undefined;
  /** What the processes before this one used. */
  #usedBefore: Usage = NOTHING_USED;
  #used: Usage = NOTHING_USED;
  /** How many have ended. */
  #ends = 0;
  /** How long the last one that was looked at has waited for a CPU, to the time that it was on one. */
  #waitShare = 0;

  constructor(program: Program, owner: BackendOwner, deps: BackendDeps) {
    super(program, owner, deps);
    deps.clock.after(0, () => {
      if (this.state === "starting") this.onBack();
    });
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get label(): string {
    return this.pid === 0 ? this.program.name : `${this.program.name} (pid ${this.pid})`;
  }

  get isDead(): boolean {
    return this.#process === undefined;
  }

  get death(): string | undefined {
    return this.#death;
  }

  get usage(): Usage {
    this.#look();
    return withUsage(this.#usedBefore, this.#used);
  }

  get lastStderr(): string {
    return this.#process?.lastStderr ?? this.#lastStderr;
  }

  get complaint(): string {
    return "";
  }

  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  /** Starts the process of this request. */
  open(lease: Lease, { head: came, body }: Opening, changes: ParamChanges): Link | FpmError {
    const head = came.changed(changes);
    let stdin: Pipe | undefined;
    try {
      stdin = openPipe();
      const { readFd, writeFd } = stdin;
      const begun = Promise.withResolvers<void>();
      const exited = Promise.withResolvers<Exited>();
      const process = new ProgramProcess(this.program, this.deps, {
        stdinFd: readFd,
        answersOnStdout: true,
        requestInFlight: () => this.requests.only(this.leases),
        request: cgiVariables(head.pairs()),
        onStarted: () => {
          for (const lease of this.leases) lease.pid = process.pid;
          begun.resolve();
          this.owner.onProcessStarted();
        },
        onStartFailed: (error) => {
          this.#onStartFailed(process, error);
          begun.resolve();
        },
        onExit: (ending) => {
          this.#onExit(process, link, ending);
          exited.resolve(ending);
          link.onProcessEnded();
          this.#onOver(process);
        },
        onStderr: (line) => this.#printError(link, line),
        wake() {},
      });
      this.#process = process;
      this.#death = undefined;
      const link = new CgiLink(head.requestId, {
        ...this.#pipesOf(process, writeFd),
        begun: begun.promise,
        ending: async (hasOutput) => this.#endingOf(process, await exited.promise, hasOutput),
      });
      this.#link = link;
      // Both ends have their owners now.
      stdin = undefined;
      body.visit((piece, start, end) => link.write(piece, start, end));
      if (head.role === FCGI_AUTHORIZER) link.endInput();
      link.share();
      process.start();
      lease.bytesIn += head.bytes + body.bytes;
      return link;
    } catch (error) {
      if (stdin) closeFd(stdin.writeFd);
      if (stdin) closeFd(stdin.readFd);
      if (error instanceof FpmError) return error;
      throw error;
    }
  }

  #pipesOf(process: ProgramProcess, stdinFd: number): Omit<CgiPipes, "begun" | "ending"> {
    const { clock, log, buffers, pipes: calls } = this.deps;
    return {
      stdinFd,
      stdoutFd: process.stdoutFd as number,
      holder: process.holder,
      isEnding: () => process.isEnding,
      conduct: this.conduct,
      ...{ calls, clock, log, buffers },
    };
  }

  isUnaccepted(): boolean {
    return false;
  }

  isBeingTaken(): boolean {
    return false;
  }

  isUnread(): boolean {
    return false;
  }

  takeBack(): void {}

  onUnread(): void {}

  /** It was stderr, and is in the log already where it is wanted there. */
  onErrorOutput(): void {}

  onEcho(): void {}

  onStaleRecord(): void {}

  onMixedRecords(): void {}

  onIgnoredId(): void {}

  /** A process that goes on has the place for itself: it may still do what it was asked for. */
  protected closeLink({ link }: Lease, _how: Ending): boolean {
    link?.close();
    this.#link = undefined;
    return this.#process !== undefined;
  }

  /** Its exit is its return. */
  protected awaitReturn(): void {}

  protected endProcess(stopTimeoutMs: number): void {
    if (!this.#process) this.#leave();
    else if (stopTimeoutMs === 0) this.#process.kill();
    else this.#process.end(stopTimeoutMs);
  }

  #look(): void {
    this.#used = this.#process?.usage ?? this.#used;
  }

  #onStartFailed(process: ProgramProcess, error: FpmError): void {
    this.#process = undefined;
    this.#lastStderr = error.message;
    // A request that hears of it gives the place back by itself.
    const isAlone = this.busy === 0;
    this.#link?.onStartFailed(error);
    if (this.isStopping) void process.finished.then(() => this.#leave());
    else if (isAlone) this.onBack();
  }

  /** It is a zombie: what it has used is still to be read. */
  #onExit(process: ProgramProcess, link: CgiLink, exited: Exited): void {
    const { lastStderr, pid } = process;
    this.#usedBefore = this.#usageAtEnd(exited.cpuMs);
    this.#used = NOTHING_USED;
    this.#lastStderr = lastStderr;
    this.#process = undefined;
    const isUnheard = !link.isOpen && isOfClosedOutput(exited);
    const exit = { ...process.exitOf(exited, this.stopReason), wasStarted: true, isUnheard };
    this.#death = describeExit(exit);
    const level = causeOf(exit) === "crash" ? "warn" : "debug";
    this.deps.log[level](this.#death, { program: this.program.name, pid, reason: this.stopReason });
    this.owner.onProcessExited(pid, exit);
  }

  /** It has ended, and its request may be waiting for the rest of its output. */
  #onOver(process: ProgramProcess): void {
    this.#awaitOutput(process.pid, 0, this.deps.clock.now());
    if (this.isStopping) void process.finished.then(() => this.#leave());
    else if (this.busy === 0) this.onBack();
  }

  /** `cpuMs`: what the kernel says that the process has used, and those that it has waited for. */
  #usageAtEnd(cpuMs: number | undefined): Usage {
    if (cpuMs === undefined || this.#ends % WAIT_LOOK_EVERY === 0) {
      this.#look();
      const { runMs, cpuWaitMs } = this.#used;
      this.#waitShare = runMs > 0 ? cpuWaitMs / runMs : 0;
    }
    this.#ends++;
    const runMs = Math.max(this.#used.runMs, cpuMs ?? 0);
    const cpuWaitMs = Math.max(this.#used.cpuWaitMs, runMs * this.#waitShare);
    return withUsage(this.#usedBefore, { runMs, cpuWaitMs });
  }

  /** To the client of its own request: what it leaves behind may print while the next one is at work. */
  #printError(link: CgiLink, line: string): boolean {
    const { stderr } = this.program.app;
    return stderr !== "log" && link.printError(line) && stderr === "client";
  }

  /** Where a tool has failed that was to start the program, that is no answer of the program's. Its last words come before its end. */
  async #endingOf(process: ProgramProcess, exited: Exited, hasOutput: boolean): Promise<CgiExit> {
    const { code } = exited;
    const isItsOwn = hasOutput || code === 0;
    if (!isItsOwn || this.program.app.stderr !== "log") await process.finished;
    if (isItsOwn) return exited;
    const { starter } = this.deps;
    const failure = await explainChainFailure(this.program, process.complaint, code, starter);
    if (failure) return { failure };
    return code === STATUS_NOT_FOUND ? { ...exited, why: await starter.explain(this.program, "") } : exited;
  }

  /** What a process has started may hold its output for ever, now that it has ended itself. */
  #awaitOutput(pid: number, seenBytes: number, silentSince: number): void {
    const link = this.#link;
    if (!link?.isOpen) return;
    const { clock, log } = this.deps;
    clock.after(OUTPUT_LOOK_MS, () => {
      if (link !== this.#link || !link.isOpen) return;
      const now = clock.now();
      const since = link.outputBytes === seenBytes ? silentSince : now;
      if (now - since < OUTPUT_GRACE_MS || !link.endIfRead()) this.#awaitOutput(pid, link.outputBytes, since);
      else {
        const what =
          "what it has started holds its output, and has printed nothing for a second: its answer ends";
        log.info(what, { program: this.program.name, pid });
      }
    });
  }

  #leave(): void {
    if (this.state === "gone") return;
    this.onGone();
    this.owner.onBackendExit(this, { code: 0, signal: null, wasStarted: true, reason: this.stopReason });
    this.#finished.resolve();
  }
}
