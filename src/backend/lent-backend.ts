import type { ByteBudget } from "../base/byte-budget.ts";
import type { Clock } from "../base/clock.ts";
import { BugError, type FpmError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { childrenOf } from "../base/proc-stat.ts";
import { sendSignal } from "../base/signal.ts";
import { Timers } from "../base/timers.ts";
import type { Turns } from "../base/turns.ts";
import type { ParamChanges } from "../fcgi/head.ts";
import type { RequestNaming } from "../fcgi/request-naming.ts";
import type { Program } from "../start/program.ts";
import type { Starter } from "../start/starter.ts";
import type { Acceptor } from "./acceptor.ts";
import { type Backend, type Ending, Lease, type Opening, type Verdict } from "./backend.ts";
import type { Conduct } from "./conduct.ts";
import type { Exit, StopReason } from "./exit.ts";
import { InFlight } from "./in-flight.ts";
import type { KeptOutputs } from "./kept-outputs.ts";
import type { Link } from "./link.ts";
import type { MemoryKiller } from "./memory-killer.ts";
import type { OutputLimit } from "./output-limit.ts";
import type { PipeCalls } from "./pipes.ts";
import { type BackendEvent, type BackendState, nextState } from "./states.ts";
import type { UnreadWatch } from "./unread-watch.ts";
import type { Usage } from "./usage.ts";
import type { Hindrance } from "./work-signs.ts";

/** Hears of a backend's life: its pool. */
export interface BackendOwner {
  /** It is in another state than `before`. */
  onBackendMoved(backend: Backend, before: BackendState): void;
  /** The first connection was accepted. */
  onBackendReady(backend: Backend): void;
  /** It was on its own, and can take a request again. */
  onBackendBack(backend: Backend): void;
  /** It has read nothing of a request that it was handed, for this reason. */
  onBackendUnread(lease: Lease, hindrance: Hindrance): void;
  /** The process has ended; what it printed last may still come until `backend.finished`. */
  onBackendExit(backend: Backend, exit: Exit): void;
  /** A process has been started; with CGI each request is one. */
  onProcessStarted(): void;
  onProcessExited(pid: number, exit: Exit): void;
  /** A record of an earlier request came on a connection to it, and was dropped. */
  onStaleRecord(): void;
}

/** What backends need of their surroundings. */
export interface BackendDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** What waits towards programs is held of it. */
  readonly buffers: ByteBudget;
  /** Marks every child of this daemon. */
  readonly instance: string;
  readonly starter: Starter;
  /** What programs that have ended left behind: processes that are children of ours now. */
  orphans(): readonly number[];
  /** In which they are looked at. */
  readonly turns: Turns;
  /** Takes requests back. */
  readonly acceptor: Acceptor;
  /** Looks at requests that were handed over: of all programs. */
  readonly unread: UnreadWatch;
  /** What was learned of the program. */
  readonly conduct: Conduct;
  /** How much of what the program's processes print is logged. */
  readonly outputLimit: OutputLimit;
  /** Reads and writes what leads to programs: of all of them. */
  readonly pipes: PipeCalls;
  /** Outputs of processes that have ended: of all programs. */
  readonly keptOutputs: KeptOutputs;
  readonly memoryKiller: MemoryKiller;
  /** How lines of the log name a request. */
  readonly naming: RequestNaming;
  /** A new path for a backend's socket. */
  nextSocketPath(): string;
}

const NO_CHILDREN: readonly number[] = [];
const NOBODY: Promise<readonly number[]> = Promise.resolve([]);

/**
 * What FastCGI processes and places for CGI processes have in common: they are lent to requests, are left on their own, come back, and leave. One
 * mutator of the state; whoever hears of it is told once.
 */
export abstract class LentBackend implements Backend {
  previous: Backend | undefined = undefined;
  next: Backend | undefined = undefined;
  program: Program;
  readonly startedAt: number;
  readyAt: number | undefined;
  idleSince: number;
  aloneSince = 0;
  served = 0;
  memoryBytes: number | undefined;
  leftBehind: Promise<readonly number[]> = NOBODY;
  protected readonly deps: BackendDeps;
  protected readonly owner: BackendOwner;
  protected readonly requests: InFlight;
  protected readonly timers: Timers<"look" | "start" | "kill" | "limit">;
  readonly #leases: Lease[] = [];
  #state: BackendState = "starting";
  #stopReason: StopReason | undefined;
  /** How long it may take to end, once it leaves. */
  #stopTimeoutMs = 0;
  #isStopping = false;
  /** It has accepted a request that it did not answer. */
  #hasBegun = false;
  /** It has not come back from a request that is over for us. */
  #isAway = false;

  abstract readonly pid: number;
  abstract readonly socketPath: string | undefined;
  abstract readonly label: string;
  abstract readonly isDead: boolean;
  abstract readonly death: string | undefined;
  abstract readonly usage: Usage | undefined;
  abstract readonly firstStdout: string;
  abstract readonly lastStderr: string;
  abstract readonly complaint: string;
  abstract readonly finished: Promise<void>;
  /** Requests that it serves at once. */
  protected abstract readonly capacity: number;

  protected constructor(program: Program, owner: BackendOwner, deps: BackendDeps) {
    this.program = program;
    this.owner = owner;
    this.deps = deps;
    this.startedAt = deps.clock.now();
    this.idleSince = this.startedAt;
    this.requests = new InFlight(deps.clock);
    this.timers = new Timers(deps.clock);
  }

  abstract open(lease: Lease, request: Opening, changes: ParamChanges, fresh: boolean): Link | FpmError;
  abstract isUnaccepted(link: Link): boolean;
  abstract isBeingTaken(link: Link): boolean;
  abstract isUnread(link: Link): boolean;
  abstract takeBack(lease: Lease): void;
  abstract onUnread(lease: Lease): void;
  abstract onErrorOutput(lease: Lease, bytes: Uint8Array): void;
  abstract onEcho(): void;
  abstract onStaleRecord(): void;
  abstract onMixedRecords(): void;
  abstract onIgnoredId(): void;

  /** Closes or keeps the connection of a request that is over. True when the process may still be at work. */
  protected abstract closeLink(lease: Lease, how: Ending): boolean;
  /** Begins to watch for its return: `onBack`. */
  protected abstract awaitReturn(): void;
  /** Begins to end it. With 0 it is killed. */
  protected abstract endProcess(stopTimeoutMs: number): void;

  get state(): BackendState {
    return this.#state;
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  get stopReason(): StopReason | undefined {
    return this.#stopReason;
  }

  get conduct(): Conduct {
    return this.deps.conduct;
  }

  get leases(): readonly Lease[] {
    return this.#leases;
  }

  get busy(): number {
    return this.#leases.length;
  }

  get free(): number {
    return this.#state === "free" ? this.capacity - this.busy - this.leftAtWork : 0;
  }

  get isIdle(): boolean {
    return this.busy + this.leftAtWork === 0;
  }

  get wasUsed(): boolean {
    return this.served + this.busy > 0 || this.#hasBegun;
  }

  lend(now: number): Lease {
    if (this.free <= 0) throw new BugError(`${this.label} was lent while it was ${this.#state}`);
    const lease = new Lease(this, now);
    this.#leases.push(lease);
    if (this.free === 0) this.enter("lent");
    return lease;
  }

  end(lease: Lease, how: Ending, now: number): void {
    lease.user = undefined;
    if (how === "kept" || how === "over") this.served++;
    else if (lease.link && !lease.isUnseen && !this.isUnaccepted(lease.link)) this.#hasBegun = true;
    lease.errorLines?.end();
    const isAway = this.closeLink(lease, how);
    // Nearly always the only one.
    if (this.#leases.at(-1) === lease) this.#leases.pop();
    else this.#forget(lease);
    this.requests.onEnd(lease, now);
    if (this.busy === 0) this.idleSince = now;
    if (this.#state === "gone" || this.#isStopping) return;
    if (lease.verdict && this.carryOut(lease.verdict)) return;
    if (isAway) this.#leaveAlone(lease, how);
    else this.#freePlace();
  }

  doubt(): void {
    if (this.#state === "free" && this.isIdle) this.goAway();
  }

  get children(): readonly number[] {
    return this.program.app.children > 0 && this.pid !== 0 ? childrenOf(this.pid) : NO_CHILDREN;
  }

  workerOf(_lease: Lease): number | undefined {
    return undefined;
  }

  retire(reason: StopReason, stopTimeoutMs: number): void {
    this.#stopReason ??= reason;
    this.#stopTimeoutMs = stopTimeoutMs;
    if (this.#state === "gone") return;
    this.enter("leave");
    this.#stopWhenDone();
  }

  /** Whoever uses a link must hear of it: nobody else will tell. */
  stop(reason: StopReason, stopTimeoutMs: number): void {
    if (this.#state === "gone") return;
    this.#stopReason ??= reason;
    this.#isStopping = true;
    this.enter("leave");
    for (const { link } of [...this.#leases]) link?.onClosed(`stopped: ${reason}`);
    this.endProcess(stopTimeoutMs);
  }

  /** The one mutator of the state. */
  protected enter(event: BackendEvent): void {
    const before = this.#state;
    this.#state = nextState(before, event);
    if (before !== this.#state) this.owner.onBackendMoved(this, before);
  }

  /** It takes connections: for the first time, or again. */
  protected onBack(): void {
    const now = this.deps.clock.now();
    this.readyAt ??= now;
    const wasAway = this.#isAway;
    this.#isAway = false;
    this.timers.cancel("limit");
    if (this.#isStopping) return;
    if (this.#state === "leaving") {
      this.#stopWhenDone();
      return;
    }
    this.idleSince = now;
    this.enter("accepted");
    if (wasAway) this.owner.onBackendBack(this);
    else this.owner.onBackendReady(this);
  }

  /** It is on its own until it comes back; requests that it works on go on. */
  protected goAway(): void {
    if (this.#state === "on its own") return;
    this.#isAway = true;
    this.aloneSince = this.deps.clock.now();
    if (this.#state !== "leaving") this.enter("left alone");
    this.awaitReturn();
  }

  /** The process has ended. */
  protected onGone(): void {
    this.timers.cancelAll();
    this.enter("exited");
    for (const lease of [...this.#leases]) lease.user?.onBackendGone();
  }

  /** What its threads or children do for clients that have left; each has the place of its request. */
  get leftAtWork(): number {
    return 0;
  }

  /** Since when the oldest of that goes on, where it may be given up. */
  protected get leftWorkSince(): number | undefined {
    return undefined;
  }

  get leftSince(): number | undefined {
    if (this.#isStopping) return undefined;
    return this.#isAway && this.busy === 0 ? this.aloneSince : this.leftWorkSince;
  }

  giveUp(stopTimeoutMs: number): void {
    if (this.#isAway && this.busy === 0) this.stop("left alone", stopTimeoutMs);
    else this.giveUpLeft(stopTimeoutMs);
  }

  /** Ends the oldest of what is done for clients that have left. */
  protected giveUpLeft(_stopTimeoutMs: number): void {}

  /** One of these is done. */
  protected onWorkDone(): void {
    if (this.#state === "gone" || this.#isStopping) return;
    if (this.isIdle) this.idleSince = this.deps.clock.now();
    this.#freePlace();
    if (this.free > 0) this.owner.onBackendBack(this);
  }

  killChild(pid: number, reason: StopReason): void {
    sendSignal(pid, "SIGKILL");
    const { name } = this.program;
    this.deps.log.warn("one of its children was killed", { program: name, pid, reason });
  }

  /** It may come to an end by itself first: then it is at something else, or another process, when `isAtIt` is asked. */
  protected endChild(pid: number, reason: StopReason, stopTimeoutMs: number, isAtIt: () => boolean): void {
    sendSignal(pid, "SIGTERM");
    this.deps.clock.after(stopTimeoutMs, () => {
      if (isAtIt()) this.killChild(pid, reason);
    });
    const { name } = this.program;
    this.deps.log.info("one of its children was told to end", { program: name, pid, reason });
  }

  #freePlace(): void {
    if (this.#state === "leaving") this.#stopWhenDone();
    else if (this.#state === "lent" && this.busy + this.leftAtWork < this.capacity) this.enter("freed");
  }

  /** What is done for clients that have left is waited for: it may be booking an order. */
  #stopWhenDone(): void {
    if (this.isIdle && !this.#isAway) this.#stopNow();
  }

  #forget(lease: Lease): void {
    const at = this.#leases.indexOf(lease);
    if (at !== -1) this.#leases.splice(at, 1);
  }

  /** False when the process itself goes on. */
  protected carryOut({ reason, worker }: Verdict): boolean {
    if (worker !== undefined && this.children.includes(worker)) {
      this.killChild(worker, reason);
      return false;
    }
    if (this.busy === 0) {
      this.stop(reason, 0);
      return true;
    }
    this.retire(reason, 0);
    const { requestTimeoutMs, stopTimeoutMs } = this.program.app;
    this.timers.set("kill", Math.max(requestTimeoutMs, stopTimeoutMs), () => this.stop(reason, 0));
    return true;
  }

  /** One that leaves without a reason of ours is about to end by itself. */
  #stopNow(): void {
    if (this.#stopReason !== undefined) this.stop(this.#stopReason, this.#stopTimeoutMs);
  }

  #leaveAlone(lease: Lease, how: Ending): void {
    if (how === "left") this.#limitWork(lease.since);
    this.goAway();
  }

  /** Nobody waits for what it does now, but its limits go on. */
  #limitWork(since: number): void {
    const { dueAt, reason } = this.limitOfWork(since);
    if (dueAt === Number.POSITIVE_INFINITY) return;
    this.timers.set("limit", Math.max(0, dueAt - this.deps.clock.now()), () => this.stop(reason, 0));
  }

  /** When what was begun at `since` is to end, whose client leaves now, and for which reason; Infinity: never. */
  protected limitOfWork(since: number): { readonly dueAt: number; readonly reason: StopReason } {
    const { requestTimeoutMs, abortTimeoutMs } = this.program.app;
    const byRequest = requestTimeoutMs > 0 ? since + requestTimeoutMs : Number.POSITIVE_INFINITY;
    const byAbort = abortTimeoutMs > 0 ? this.deps.clock.now() + abortTimeoutMs : Number.POSITIVE_INFINITY;
    if (byRequest < byAbort) return { dueAt: byRequest, reason: "request timeout" };
    return { dueAt: byAbort, reason: "abort timeout" };
  }
}
