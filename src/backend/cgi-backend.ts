import type { ByteQueue } from "../base/byte-queue.ts";
import { BugError, FpmError } from "../base/errors.ts";
import { closeFd, openPipe } from "../base/libc.ts";
import { RequestHead } from "../fcgi/head.ts";
import { utf8 } from "../fcgi/utf8.ts";
import type { Backend, BackendDeps, BackendOwner } from "./backend.ts";
import { type CgiExit, CgiLink } from "./cgi-link.ts";
import type { Conduct } from "./conduct.ts";
import { describeExit, type StopReason } from "./exit.ts";
import { InFlight } from "./in-flight.ts";
import { Lease } from "./lease.ts";
import type { Link } from "./link.ts";
import type { Program } from "./program.ts";
import { ProgramProcess } from "./program-process.ts";
import { type BackendEvent, type BackendState, nextState } from "./states.ts";
import type { Usage } from "./usage.ts";

/** How long something else may hold the output of a process that has ended. */
const OUTPUT_GRACE_MS = 1000;
/** Names that a shell can have; others, as from odd request headers, are left out. */
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** A place in which one process of a plain CGI program (RFC 3875) runs after the other, one for each request. */
export class CgiBackend implements Backend {
  program: Program;
  readonly startedAt: number;
  idleSince: number;
  served = 0;
  memoryBytes: number | undefined;
  readonly firstStdout = "";
  readonly #deps: BackendDeps;
  readonly #owner: BackendOwner;
  readonly #leases = new Set<Lease>();
  readonly #requests: InFlight;
  readonly #finished = Promise.withResolvers<void>();
  #state: BackendState = "starting";
  #stopReason: StopReason | undefined;
  #stopTimeoutMs = 0;
  #process: ProgramProcess | undefined;
  /** Of the request at work. */
  #link: CgiLink | undefined;
  #lastStderr = "";
  /** What the processes before this one used. */
  #usedBefore: Usage = { runMs: 0, cpuWaitMs: 0 };
  #used: Usage = { runMs: 0, cpuWaitMs: 0 };

  constructor(program: Program, owner: BackendOwner, deps: BackendDeps) {
    this.program = program;
    this.#owner = owner;
    this.#deps = deps;
    this.startedAt = deps.clock.now();
    this.idleSince = this.startedAt;
    this.#requests = new InFlight(deps.clock);
    deps.clock.after(0, () => {
      if (this.#state !== "starting") return;
      this.#enter("accepted");
      owner.onBackendReady(this);
    });
  }

  get state(): BackendState {
    return this.#state;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get label(): string {
    return this.#process ? `${this.program.name} (pid ${this.pid})` : this.program.name;
  }

  get leases(): ReadonlySet<Lease> {
    return this.#leases;
  }

  get busy(): number {
    return this.#leases.size;
  }

  get free(): number {
    return this.#state === "ready" && this.busy === 0 ? 1 : 0;
  }

  get usage(): Usage {
    this.#used = this.#process?.usage ?? this.#used;
    const { runMs, cpuWaitMs } = this.#usedBefore;
    return { runMs: runMs + this.#used.runMs, cpuWaitMs: cpuWaitMs + this.#used.cpuWaitMs };
  }

  get lastStderr(): string {
    return this.#process?.lastStderr ?? this.#lastStderr;
  }

  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  lend(): Lease {
    if (this.free === 0) throw new BugError(`${this.label} was lent while it was ${this.#state}`);
    const lease = new Lease(this, this.#deps.clock.now());
    this.#leases.add(lease);
    return lease;
  }

  /** Starts the process of this request. */
  open(records: Uint8Array, body: ByteQueue): Link | FpmError {
    const head = new RequestHead(records);
    const stdin = openPipe();
    try {
      const exited = Promise.withResolvers<CgiExit>();
      const process = new ProgramProcess(this.program, this.#deps, {
        stdinFd: stdin.readFd,
        answersOnStdout: true,
        requestInFlight: () => this.#requests.only(this.#leases),
        environment: metaVariables(head),
        onExit: () => this.#onExit(process, exited.resolve),
        wake() {},
      });
      this.#process = process;
      this.#owner.onProcessStarted();
      const link = new CgiLink(head.requestId, {
        stdinFd: stdin.writeFd,
        stdoutFd: process.stdoutFd as number,
        exited: exited.promise,
        onAbort: () => process.end(this.program.app.abortTimeoutMs),
        onOutputEnd: () => void this.usage,
      });
      this.#link = link;
      body.visit((piece) => link.write(piece, 0, piece.length));
      return link;
    } catch (error) {
      closeFd(stdin.writeFd);
      if (error instanceof FpmError) return error;
      throw error;
    } finally {
      closeFd(stdin.readFd);
    }
  }

  get conduct(): Conduct {
    return this.#deps.conduct;
  }

  onEcho(): void {}

  onStaleRecord(): void {}

  onIgnoredId(): void {}

  isUnaccepted(): boolean {
    return false;
  }

  end(lease: Lease): void {
    if (lease.link) {
      this.served++;
      lease.link.close();
      this.#link = undefined;
    }
    this.#leases.delete(lease);
    this.#requests.onEnd(lease);
    this.idleSince = this.#deps.clock.now();
    // Its answer is complete or not wanted: nothing it still does is for anybody.
    if (this.#process) this.stop("request over", this.program.app.stopTimeoutMs);
    else if (this.#state === "retiring") this.stop(this.#stopReason as StopReason, this.#stopTimeoutMs);
  }

  condemn(_lease: Lease, reason: StopReason): void {
    this.stop(reason, 0);
  }

  retire(reason: StopReason, stopTimeoutMs: number): void {
    this.#stopReason ??= reason;
    if (this.busy === 0) {
      this.stop(reason, stopTimeoutMs);
      return;
    }
    this.#stopTimeoutMs = stopTimeoutMs;
    this.#enter("retire");
  }

  stop(reason: StopReason, stopTimeoutMs: number): void {
    if (this.#state === "gone") return;
    this.#stopReason ??= reason;
    this.#enter("stop");
    for (const { link } of [...this.#leases]) link?.onClosed(`stopped: ${reason}`);
    if (!this.#process) this.#leave();
    else if (stopTimeoutMs === 0) this.#process.kill();
    else this.#process.end(stopTimeoutMs);
  }

  /** The one mutator of `state`. */
  #enter(event: BackendEvent): void {
    const wasReady = this.#state === "ready";
    this.#state = nextState(this.#state, event);
    if (wasReady && event !== "exited") this.#owner.onBackendLeaving(this);
  }

  #onExit(process: ProgramProcess, resolve: (exit: CgiExit) => void): void {
    const { exitCode: code, signalCode: signal, lastStderr, pid } = process;
    this.#usedBefore = this.usage;
    this.#used = { runMs: 0, cpuWaitMs: 0 };
    this.#lastStderr = lastStderr;
    this.#process = undefined;
    const exit = { code, signal, wasStarted: true, reason: this.#stopReason };
    const level = this.#stopReason === undefined && code !== 0 ? "warn" : "debug";
    this.#deps.log[level](describeExit(exit), { program: this.program.name, pid, reason: this.#stopReason });
    this.#owner.onProcessExited(pid, exit);
    resolve({ code, signal });
    this.#awaitOutput();
    if (this.#state === "stopping") void process.finished.then(() => this.#leave());
  }

  /** Somebody outside the group of a process that has ended may hold its output for ever. */
  #awaitOutput(): void {
    const link = this.#link;
    if (!link?.isOpen) return;
    this.#deps.clock.after(OUTPUT_GRACE_MS, () => {
      link.endIfRead();
      if (link === this.#link) this.#awaitOutput();
    });
  }

  #leave(): void {
    this.#enter("exited");
    this.#owner.onBackendExit(this, { code: 0, signal: null, wasStarted: true, reason: this.#stopReason });
    this.#finished.resolve();
  }
}

/** The request as a CGI program is told of it (RFC 3875 §4.1): the parameters, and nothing that would lead it astray. */
function metaVariables(head: RequestHead): Record<string, string> {
  const variables: Record<string, string> = { GATEWAY_INTERFACE: "CGI/1.1" };
  for (const [name, value] of head.pairs()) {
    if (VARIABLE.test(name) && !value.includes("\0")) variables[name] = utf8(value) ?? value;
  }
  return variables;
}
