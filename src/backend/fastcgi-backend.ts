import type { FpmError } from "../base/errors.ts";
import { isShortage, SHORTAGE_MS } from "../base/shortage.ts";
import { sendSignal } from "../base/signal.ts";
import type { ParamChanges } from "../fcgi/head.ts";
import type { Ending as Exited } from "../start/order.ts";
import type { Program } from "../start/program.ts";
import type { Ending, Lease, Opening } from "./backend.ts";
import { BackendSocket } from "./backend-socket.ts";
import { errorRecordLines } from "./error-records.ts";
import { describeExit, type Exit } from "./exit.ts";
import { ForeignRecords } from "./foreign-records.ts";
import { LeftWork } from "./left-work.ts";
import type { BackendDeps, BackendOwner } from "./lent-backend.ts";
import { LentBackend } from "./lent-backend.ts";
import type { Link } from "./link.ts";
import { workersOf } from "./link-readers.ts";
import { holderAmong, treeUsageOf } from "./process-tree.ts";
import { ProgramProcess } from "./program-process.ts";
import { endBackground } from "./socket-holders.ts";
import { SocketLink } from "./socket-link.ts";
import { backgroundProblem } from "./start-failure.ts";
import { UnreadRequests } from "./unread-requests.ts";
import { takeBackUnseen } from "./unseen-requests.ts";
import { isEnding, NOTHING_USED, startTicksOf, type Usage } from "./usage.ts";

/** How often a program is looked at that boots, or is on its own: at first often, then less. */
const FIRST_LOOK_MS = 1;
const LAST_BOOT_LOOK_MS = 20;
const LAST_LOOK_MS = 100;
/** How long nothing may come from a program that has ended, until somebody else is known to hold its connection. */
const LINK_GRACE_MS = 1000;
/** One that ends after fewer requests, with the next one unread, ends for the sake of its answer; others recycle themselves. */
const FEW_REQUESTS = 16;
/** One that ends so soon after a connection without a byte was closed ends for its sake. */
const OF_SILENCE_MS = 250;

/** One process of a program, its listening socket and the connections to it: one for each request at work, others kept. */
export class FastCgiBackend extends LentBackend {
  readonly #socket: BackendSocket;
  readonly #process: ProgramProcess;
  /** What it and its children were seen to have used of the CPU. */
  #used: Usage = NOTHING_USED;
  /** Its children when it was told to end, and when each was started. */
  readonly #toldToEnd = new Map<number, string>();
  /** When a connection without a byte was closed that it had accepted. */
  #silentUntil = Number.NEGATIVE_INFINITY;
  readonly #unread: UnreadRequests;
  readonly #foreign: ForeignRecords;
  #death: string | undefined;
  readonly #leftWork = new LeftWork(this.deps.clock, () => this.onWorkDone());

  /** Orders its process. @throws FpmError SYSTEM_CALL, NO_DESCRIPTORS. */
  constructor(program: Program, owner: BackendOwner, deps: BackendDeps) {
    super(program, owner, deps);
    const onStray = () => this.onStaleRecord();
    this.#socket = new BackendSocket(deps.nextSocketPath(), program.app.concurrency, {
      onStray,
      log: deps.log,
      buffers: deps.buffers,
    });
    this.#foreign = new ForeignRecords(this, owner, deps.log);
    this.#unread = new UnreadRequests({
      backend: this,
      capacity: program.app.concurrency,
      socket: this.#socket,
      owner,
      deps,
      atWork: () => this.busy + this.leftAtWork,
      onNoneFree: () => this.goAway(),
    });
    try {
      this.#process = new ProgramProcess(program, deps, {
        stdinFd: this.#socket.fd,
        answersOnStdout: false,
        requestInFlight: () => this.requests.only(this.leases),
        onStarted: () => this.#onStarted(),
        onStartFailed: (error) => this.#onStartFailed(error),
        onExit: (ending) => this.#onExit(ending),
        wake: () => this.#socket.wake(),
      });
      this.#process.start();
    } catch (error) {
      this.#socket.close();
      throw error;
    }
  }

  get pid(): number {
    return this.#process.pid;
  }

  get socketPath(): string {
    return this.#socket.path;
  }

  get label(): string {
    return this.pid === 0 ? this.program.name : `${this.program.name} (pid ${this.pid})`;
  }

  get isDead(): boolean {
    return this.state === "gone" || (this.pid !== 0 && isEnding(this.pid));
  }

  get death(): string | undefined {
    return this.#death;
  }

  get usage(): Usage | undefined {
    const { usage } = this.#process;
    if (!usage || this.program.app.children === 0) return usage;
    const tree = treeUsageOf(usage, this.children);
    // What a child used that has been replaced is not known any more.
    this.#used = {
      runMs: Math.max(tree.runMs, this.#used.runMs),
      cpuWaitMs: Math.max(tree.cpuWaitMs, this.#used.cpuWaitMs),
    };
    return this.#used;
  }

  get firstStdout(): string {
    return this.#process.firstStdout;
  }

  get lastStderr(): string {
    return this.#process.lastStderr;
  }

  get complaint(): string {
    return this.#process.complaint;
  }

  get finished(): Promise<void> {
    return this.#process.finished;
  }

  protected get capacity(): number {
    return this.program.app.concurrency;
  }

  open(lease: Lease, { head, body }: Opening, changes: ParamChanges, fresh: boolean): Link | FpmError {
    const isFresh = fresh || !this.conduct.keepsConnections;
    const link = this.#socket.connect(isFresh, this.busy + this.leftAtWork);
    if (!(link instanceof SocketLink)) {
      // It gets more when it has accepted those that wait; otherwise nobody will reach it.
      if (this.#socket.isFull) this.goAway();
      else if (!isShortage(link)) this.retire("unreachable", this.program.app.stopTimeoutMs);
      return link;
    }
    lease.bytesIn += link.writeRequest(head, changes, lease.keepsConnection, body);
    if (link.requestId === 1) this.#unread.onConnected(lease.since);
    this.deps.unread.add(lease);
    return link;
  }

  isUnaccepted(link: Link): boolean {
    return this.#socket.isUnaccepted(link);
  }

  isBeingTaken(link: Link): boolean {
    return this.#socket.isBeingTaken(link);
  }

  isUnread(link: Link): boolean {
    return this.#unread.isUnread(link);
  }

  takeBack(lease: Lease): void {
    this.#unread.takeBack(lease);
  }

  onUnread(lease: Lease): void {
    this.#unread.onUnread(lease);
  }

  override workerOf({ link }: Lease): number | undefined {
    const { children } = this;
    return children.length > 0 && link instanceof SocketLink
      ? holderAmong(children, link.peerInode)
      : undefined;
  }

  override get leftAtWork(): number {
    return this.#leftWork.size;
  }

  /** One thread can't be ended alone: the others' requests are worth more than its place. */
  protected override get leftWorkSince(): number | undefined {
    return this.busy === 0 || this.program.app.children > 0 ? this.#leftWork.since : undefined;
  }

  protected closeLink(lease: Lease, how: Ending): boolean {
    this.deps.unread.remove(lease);
    const { link } = lease;
    if (!link) return false;
    const wasOpen = link.isOpen;
    link.use(undefined);
    const isOver = this.state === "leaving" || this.state === "gone";
    const { isTaking } = this.#socket;
    // Whoever reads on a kept connection does not come back to accept the one that is waited for, and those before it.
    const isAwaited = this.state === "on its own";
    const isKept = how === "kept" && this.conduct.keepsConnections && !isOver && !isTaking && !isAwaited;
    if (isKept && wasOpen && link instanceof SocketLink) {
      this.#socket.keep(link);
      return false;
    }
    if (how === "left" && !lease.verdict) this.#leaveWork(lease);
    link.close();
    if (this.capacity === 1) return how === "left" || this.conduct.answersEarly || isTaking;
    // Lent once more it would fail one request after the other, until its exit is reported.
    if (!wasOpen && !isOver && isEnding(this.pid)) this.enter("leave");
    return false;
  }

  /** The thread or child that has the connection goes on, within its limits. */
  #leaveWork({ link, since }: Lease): void {
    const inode = this.capacity > 1 && link instanceof SocketLink ? link.peerInode : 0;
    if (inode === 0) return;
    const { dueAt, reason } = this.limitOfWork(since);
    const onDue = (worker: number) => this.carryOut({ reason, worker });
    const workers = () => this.#workersSince(since);
    this.#leftWork.add({ inode, since: this.deps.clock.now(), dueAt, onDue, workers });
  }

  /** Who may be at a request of then. */
  #workersSince(since: number): readonly number[] {
    const { children, pid } = this;
    return children.length > 0 ? children : workersOf(pid, this.deps.clock.now() - since);
  }

  protected override giveUpLeft(stopTimeoutMs: number): void {
    const work = this.#leftWork.giveUp();
    if (!work) return;
    const { worker, isGoingOn } = work;
    if (this.children.includes(worker)) this.endChild(worker, "left alone", stopTimeoutMs, isGoingOn);
    else this.stop("left alone", stopTimeoutMs);
  }

  protected awaitReturn(): void {
    this.#socket.closeIdle();
    // What we are about to accept there would be ours.
    const problem = this.#socket.isTaking ? undefined : this.#socket.knock();
    if (this.#socket.isTaking) this.#awaitReturnIn(FIRST_LOOK_MS);
    else if (!problem) this.#watch(LAST_LOOK_MS);
    else if (isShortage(problem)) this.#awaitReturnIn(SHORTAGE_MS);
    else this.stop("unreachable", this.program.app.stopTimeoutMs);
  }

  #awaitReturnIn(ms: number): void {
    this.timers.set("look", ms, () => {
      if (!this.isStopping) this.awaitReturn();
    });
  }

  /** The stop ladder: close the connections, SIGTERM to the group, wake its accept(), SIGKILL. */
  protected endProcess(stopTimeoutMs: number): void {
    for (const pid of this.children) {
      const startTicks = startTicksOf(pid);
      if (startTicks !== undefined) this.#toldToEnd.set(pid, startTicks);
    }
    this.#socket.closeIdle();
    if (stopTimeoutMs === 0) this.#process.kill();
    else this.#process.end(stopTimeoutMs);
  }

  onErrorOutput(lease: Lease, bytes: Uint8Array): void {
    if (!this.program.app.logStderr) return;
    lease.errorLines ??= errorRecordLines(lease, this.deps);
    lease.errorLines.push(bytes);
  }

  onEcho(): void {
    this.#foreign.onEcho();
  }

  onStaleRecord(): void {
    this.#foreign.onStaleRecord();
  }

  onMixedRecords(): void {
    this.#foreign.onMixedRecords();
  }

  onIgnoredId(): void {
    this.#foreign.onIgnoredId();
  }

  /**
   * Notices the program's accept(): a connection without a byte waits on its socket, and our own descriptor of that socket polls
   * readable until it is taken.
   */
  #watch(lastLookMs: number): void {
    const look = (delayMs: number) => {
      this.timers.set("look", delayMs, () => {
        if (this.isStopping) return;
        // What we are about to accept there could be the next request's connection.
        if (this.#socket.hasUnaccepted || this.#socket.isTaking) look(Math.min(delayMs * 1.2, lastLookMs));
        else this.#onAccepted();
      });
    };
    look(FIRST_LOOK_MS);
  }

  #onAccepted(): void {
    const now = this.deps.clock.now();
    if (this.readyAt !== undefined) this.conduct.onBack(now - this.aloneSince);
    this.onBack();
    // Nobody had a request for it: a silent connection would keep the program from accepting another.
    if (this.busy >= this.capacity || this.conduct.diesOfSilence) return;
    this.#socket.dropSilent();
    this.#silentUntil = now;
  }

  #onStarted(): void {
    this.owner.onProcessStarted();
    this.deps.log.info("started", { program: this.program.name, pid: this.pid });
    if (this.isStopping) return;
    this.#watch(LAST_BOOT_LOOK_MS);
    this.timers.set("start", this.program.app.startTimeoutMs, () => {
      if (this.state === "starting") this.stop("start timeout", 0);
    });
  }

  #onStartFailed(startError: FpmError): void {
    this.#socket.close();
    this.onGone();
    const exit = { code: null, signal: null, wasStarted: false, reason: this.stopReason, startError };
    this.owner.onBackendExit(this, exit);
  }

  #onExit(ending: Exited): void {
    this.#leftWork.close();
    const exit = {
      ...this.#process.exitOf(ending, this.stopReason),
      wasStarted: this.readyAt !== undefined,
    };
    this.#death = describeExit(exit);
    const isByItself = ending.code === 0 && this.served <= FEW_REQUESTS && this.stopReason === undefined;
    if (isByItself) this.#noteEarlyExit();
    this.#noteSilence();
    // php-cgi does not wait for its children; they are ours then, and serve nobody.
    for (const [pid, startTicks] of this.#toldToEnd)
      if (startTicksOf(pid) === startTicks) sendSignal(pid, "SIGKILL");
    // Those that it works on hear first: what is done about others connects to its socket.
    this.onGone();
    const mayGoOn = isByItself || this.#process.hasGroup;
    // Whether it was of any use is known when those that it has not seen are told.
    takeBackUnseen(this, this.#socket, this.deps.acceptor, () => this.#onRequestsTold(exit, mayGoOn));
  }

  #onRequestsTold(exit: Exit, mayGoOn: boolean): void {
    const isStarted = this.readyAt !== undefined;
    if (mayGoOn) this.leftBehind = endBackground(this.#socket, this.#process.uid, isStarted, this.deps);
    this.owner.onProcessExited(this.pid, exit);
    this.owner.onBackendExit(this, exit);
    void this.leftBehind.then((pids) => this.#onNobodyLeft(pids));
    this.#awaitLinks();
  }

  #onNobodyLeft(pids: readonly number[]): void {
    this.#socket.close();
    if (pids.length > 0 && this.readyAt !== undefined)
      this.deps.log.error(backgroundProblem(pids), { program: this.program.name, pid: this.pid });
  }

  /** A request was handed to it that it did not read: it exits after its answer. */
  #noteEarlyExit(): void {
    for (const lease of this.leases)
      if (lease.bytesOut === 0 && this.served > 0) this.conduct.onAnsweredEarly();
  }

  #noteSilence(): void {
    const isOfSilence = this.deps.clock.now() - this.#silentUntil < OF_SILENCE_MS && this.busy === 0;
    if (!isOfSilence || this.stopReason !== undefined || !this.conduct.onDiedOfSilence()) return;
    const what =
      "it ends when a connection without a request is closed: such a connection stays open for its next request";
    this.deps.log.info(what, { program: this.program.name, pid: this.pid });
  }

  /** What the program sent before it ended still comes; after that whoever holds its connection has nothing to say on it. */
  #awaitLinks(): void {
    if (this.leases.length === 0) return;
    const came = this.leases.map((lease) => [lease, lease.bytesOut] as const);
    this.deps.clock.after(LINK_GRACE_MS, () => {
      for (const [lease, bytesOut] of came) {
        const isSilent = this.leases.includes(lease) && lease.bytesOut === bytesOut && !lease.link?.isPaused;
        if (isSilent) lease.link?.onClosed("its process has ended");
      }
      this.#awaitLinks();
    });
  }
}
