import type { ByteQueue } from "../base/byte-queue.ts";
import { BugError, type FpmError } from "../base/errors.ts";
import { Timers } from "../base/timers.ts";
import type { Backend, BackendDeps, BackendOwner } from "./backend.ts";
import { BackendSocket } from "./backend-socket.ts";
import type { Conduct } from "./conduct.ts";
import type { StopReason } from "./exit.ts";
import { InFlight } from "./in-flight.ts";
import { Lease } from "./lease.ts";
import type { Link } from "./link.ts";
import type { Program } from "./program.ts";
import { ProgramProcess } from "./program-process.ts";
import { SocketLink } from "./socket-link.ts";
import { type BackendEvent, type BackendState, nextState } from "./states.ts";
import { isEnding, type Usage } from "./usage.ts";

/** How often a program that boots is looked at: at first often, then less. */
const FIRST_LOOK_MS = 1;
const LAST_LOOK_MS = 20;
/** How long what a program sent before it ended may take to arrive. */
const LINK_GRACE_MS = 1000;

/** One process of a program, its listening socket and the connections to it: one for each request at work, others kept. */
export class FastCgiBackend implements Backend {
  program: Program;
  readonly startedAt: number;
  idleSince: number;
  served = 0;
  memoryBytes: number | undefined;
  readonly #deps: BackendDeps;
  readonly #owner: BackendOwner;
  readonly #socket: BackendSocket;
  readonly #process: ProgramProcess;
  readonly #timers: Timers<"look" | "start" | "kill">;
  #state: BackendState = "starting";
  #stopReason: StopReason | undefined;
  /** How long it may take to end, once it has retired. */
  #stopTimeoutMs = 0;
  /** When its first connection was accepted. */
  #readyAt: number | undefined;
  readonly #leases = new Set<Lease>();
  readonly #requests: InFlight;

  /** @throws FpmError SPAWN_FAILED, SYSTEM_CALL. */
  constructor(program: Program, owner: BackendOwner, deps: BackendDeps) {
    this.program = program;
    this.#owner = owner;
    this.#deps = deps;
    this.#timers = new Timers(deps.clock);
    this.startedAt = deps.clock.now();
    this.idleSince = this.startedAt;
    this.#requests = new InFlight(deps.clock);
    this.#socket = new BackendSocket(deps.nextSocketPath(), program.app.concurrency, () =>
      this.onStaleRecord(),
    );
    try {
      this.#process = new ProgramProcess(program, deps, {
        stdinFd: this.#socket.fd,
        answersOnStdout: false,
        requestInFlight: () => this.#requests.only(this.#leases),
        onExit: () => this.#onExit(),
        wake: () => this.#socket.wake(),
      });
    } catch (error) {
      this.#socket.close();
      throw error;
    }
    owner.onProcessStarted();
    this.#watchBoot();
  }

  get pid(): number {
    return this.#process.pid;
  }

  get label(): string {
    return `${this.program.name} (pid ${this.pid})`;
  }

  get usage(): Usage | undefined {
    return this.#process.usage;
  }

  get firstStdout(): string {
    return this.#process.firstStdout;
  }

  get lastStderr(): string {
    return this.#process.lastStderr;
  }

  get finished(): Promise<void> {
    return this.#process.finished;
  }

  get state(): BackendState {
    return this.#state;
  }

  get leases(): ReadonlySet<Lease> {
    return this.#leases;
  }

  get busy(): number {
    return this.#leases.size;
  }

  get free(): number {
    return this.#state === "ready" ? this.program.app.concurrency - this.busy : 0;
  }

  get conduct(): Conduct {
    return this.#deps.conduct;
  }

  onEcho(): void {
    if (this.conduct.onEcho()) this.#tellOfFork();
  }

  onStaleRecord(): void {
    this.#owner.onStaleRecord();
    if (this.conduct.onStaleRecord()) this.#tellOfFork();
  }

  onIgnoredId(): void {
    if (!this.conduct.onIgnoredId()) return;
    const what =
      "it answers under another request id than it is given: its connections are not kept any more";
    this.#deps.log.warn(`${what} (FastCGI specification §3.3)`, {
      program: this.program.name,
      pid: this.pid,
    });
  }

  #tellOfFork(): void {
    const what =
      "a child that it forked during a request wrote into its connection when it ended: what it wrote was dropped";
    const remedy = "have such a child end with _exit, or close the request's handles in it";
    this.#deps.log.warn(`${what}; ${remedy}`, { program: this.program.name, pid: this.pid });
  }

  /** The one mutator of `state`. */
  #enter(event: BackendEvent): void {
    const wasReady = this.#state === "ready";
    this.#state = nextState(this.#state, event);
    if (wasReady && event !== "exited") this.#owner.onBackendLeaving(this);
  }

  lend(): Lease {
    if (this.free <= 0) throw new BugError(`${this.label} was lent while it was ${this.#state}`);
    const lease = new Lease(this, this.#deps.clock.now());
    this.#leases.add(lease);
    return lease;
  }

  end(lease: Lease, keepLink: boolean): void {
    const { link } = lease;
    if (link) {
      const wasBroken = !link.isOpen;
      this.served++;
      link.use(undefined);
      const isKept = keepLink && this.conduct.keepsConnections && this.#state === "ready";
      if (isKept && link.isOpen && link instanceof SocketLink) this.#socket.keep(link);
      else link.close();
      // Lent once more it would fail one request after the other, until its exit is reported.
      if (wasBroken && this.#state === "ready" && isEnding(this.pid)) this.#enter("ending");
    }
    this.#leases.delete(lease);
    this.#requests.onEnd(lease);
    if (this.busy > 0) return;
    this.idleSince = this.#deps.clock.now();
    this.#socket.dropSilent();
    if (this.#state === "retiring") this.stop(this.#stopReason as StopReason, this.#stopTimeoutMs);
  }

  open(records: Uint8Array, body: ByteQueue, fresh: boolean): Link | FpmError {
    const link = this.#socket.connect(fresh, this.busy);
    if (link instanceof SocketLink) link.writeRequest(records, body);
    return link;
  }

  isUnaccepted(link: Link): boolean {
    return this.#socket.isUnaccepted(link);
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

  condemn(lease: Lease, reason: StopReason): void {
    const others = this.#leases.size - (this.#leases.has(lease) ? 1 : 0);
    if (others === 0) {
      this.stop(reason, 0);
      return;
    }
    this.retire(reason, 0);
    const { requestTimeoutMs, stopTimeoutMs } = this.program.app;
    this.#timers.set("kill", Math.max(requestTimeoutMs, stopTimeoutMs), () => this.stop(reason, 0));
  }

  /** The stop ladder: close the connections, SIGTERM to the group, wake its accept(), SIGKILL. */
  stop(reason: StopReason, stopTimeoutMs: number): void {
    if (this.#state === "gone") return;
    this.#stopReason ??= reason;
    this.#enter("stop");
    // Whoever uses a link must hear of it: nobody else will tell.
    for (const { link } of [...this.#leases]) link?.onClosed(`stopped: ${reason}`);
    this.#socket.closeIdle();
    if (stopTimeoutMs === 0) this.#process.kill();
    else this.#process.end(stopTimeoutMs);
  }

  /**
   * Notices the program's first accept(): a connection without a byte waits on its socket, and our own descriptor of
   * that socket polls readable until it is taken.
   */
  #watchBoot(): void {
    const look = (delayMs: number) => {
      this.#timers.set("look", delayMs, () => {
        if (this.#state !== "starting") return;
        if (this.#socket.hasUnaccepted) look(Math.min(delayMs * 1.2, LAST_LOOK_MS));
        else this.#onAccepted();
      });
    };
    look(FIRST_LOOK_MS);
    this.#timers.set("start", this.program.app.startTimeoutMs, () => {
      if (this.#state === "starting") this.stop("start timeout", 0);
    });
  }

  #onAccepted(): void {
    this.#readyAt = this.#deps.clock.now();
    this.#enter("accepted");
    this.#owner.onBackendReady(this);
    // Nobody had a request for it: a silent connection would keep the program from accepting another.
    if (this.busy === 0) this.#socket.dropSilent();
  }

  #onExit(): void {
    const wasStarted = this.#readyAt !== undefined;
    this.#timers.cancelAll();
    this.#enter("exited");
    const { exitCode: code, signalCode: signal } = this.#process;
    for (const lease of [...this.#leases]) lease.onGone?.();
    const exit = { code, signal, wasStarted, reason: this.#stopReason };
    this.#owner.onProcessExited(this.pid, exit);
    this.#owner.onBackendExit(this, exit);
    this.#socket.close();
    // A descendant outside its group may hold the connection open; nobody answers on it any more.
    this.#deps.clock.after(LINK_GRACE_MS, () => {
      for (const { link } of [...this.#leases]) link?.onClosed("its process has ended");
    });
  }
}
