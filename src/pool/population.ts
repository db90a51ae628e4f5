import type { Backend, Ending, Lease } from "../backend/backend.ts";
import type { StopReason } from "../backend/exit.ts";
import type { BackendState } from "../backend/states.ts";
import type { Clock } from "../base/clock.ts";
import type { Program } from "../start/program.ts";
import { bootsAtOnce, type Machine, processCap } from "./cap.ts";
import { FreeList } from "./free-list.ts";
import type { PoolView } from "./policy.ts";
import { lifespanOf, recycleReason } from "./recycling.ts";
import { Relief, type Verdict } from "./relief.ts";
import { type Change, Succession } from "./succession.ts";
import type { Tally } from "./tally.ts";
import { Workload } from "./workload.ts";

const NO_VERDICTS: readonly Verdict[] = [];

/** Where requests wait at a cap, what works for nobody may go on for so long. */
const LONE_MS = 10_000;

/** The processes of one program: which there are, of which version, which of them are free, how many there may be, and why one leaves. */
export class Population {
  readonly free = new FreeList();
  readonly workload: Workload;
  readonly #machine: () => Machine;
  readonly #clock: Clock;
  readonly #succession: Succession;
  readonly #relief = new Relief();
  /** With the chance, 0 to 1, by which each lives longer or shorter than another. */
  readonly #chances = new Map<Backend, number>();
  readonly #counts: Record<BackendState, number> = {
    starting: 0,
    free: 0,
    lent: 0,
    "on its own": 0,
    leaving: 0,
    gone: 0,
  };
  /** No request asks for the program any more. */
  #isDismissed = false;
  /** The last one has made way for one that was not started yet. */
  #isOwed = false;

  constructor(program: Program, machine: () => Machine, clock: Clock, tally: Tally) {
    this.#machine = machine;
    this.#clock = clock;
    this.#succession = new Succession(program);
    this.workload = new Workload(clock, tally);
  }

  /** The newest version: what is started. */
  get program(): Program {
    return this.#succession.program;
  }

  get all(): readonly Backend[] {
    return [...this.#chances.keys()];
  }

  /** All that live, stopping ones included. */
  get size(): number {
    return this.#chances.size;
  }

  /** All but those that are on their way out. */
  get living(): number {
    const { starting, free, lent } = this.#counts;
    return starting + free + lent + this.alone;
  }

  get starting(): number {
    return this.#counts.starting;
  }

  /** Those that nobody waits for, and that have not come back yet. */
  get alone(): number {
    return this.#counts["on its own"];
  }

  /** Whether any is free or at work. */
  get isServing(): boolean {
    return this.workload.busy > 0 || !this.free.isEmpty;
  }

  /** Whether an old version serves because no process of the new one was ready yet. */
  get isPending(): boolean {
    return this.#succession.isPending;
  }

  /** Whether a process of the new version, or a tree in the place of another, is to be started, whatever the traffic. */
  get needsSuccessor(): boolean {
    if (this.#isDismissed || this.starting > 0) return false;
    if (this.living === 0) return this.#isOwed;
    return this.#relief.needsTree || (this.isPending && !this.#relief.isTrying);
  }

  /** Whether trees relieve each other just now. */
  get isRelieving(): boolean {
    return !this.#relief.isOver;
  }

  /** In how many milliseconds `relieve` is to be called though nothing has happened; Infinity: not at all. */
  get verdictInMs(): number {
    return this.#relief.verdictInMs(this.#clock.now());
  }

  /** How many are kept, even if idle. What serves in the place of a version that cannot be started is not to be had again. */
  get kept(): number {
    const { minProcesses } = this.program.app;
    if (this.#isDismissed) return 0;
    return this.isPending ? Math.max(1, minProcesses) : minProcesses;
  }

  /** How many boots may be in flight. */
  get bootsAtOnce(): number {
    const { bootCpuShare } = this.workload.measures;
    return bootsAtOnce(
      this.#machine().cores,
      bootCpuShare ?? this.workload.bootShareSoFar(this.#chances.keys()),
    );
  }

  /** Most processes: what the cores and the memory can use, or what the settings allow. */
  get cap(): number {
    const { serviceMs, memoryBytes } = this.workload.measures;
    const { cpuShare, meanAgeMs } = this.workload;
    const { maxProcesses, concurrency } = this.program.app;
    const limits = { ...this.#machine(), maxProcesses, concurrency };
    return processCap({ ...limits, cpuShare, serviceMs, meanAgeMs, memoryBytes });
  }

  /** Places for requests of processes that are being started and, if `mayStart`, of those that may be: as many as boot at once while nothing bounds them. */
  placesToCome(mayStart: boolean): number {
    const { cap, size, starting } = this;
    const more = cap === Number.POSITIVE_INFINITY ? this.bootsAtOnce : cap - size;
    return (starting + (mayStart ? Math.max(0, more) : 0)) * this.program.app.concurrency;
  }

  /**
   * What the policy sees while so many requests wait. It counts in places: a process that serves several requests at once is as many of
   * them as it serves. Without `mayStock` none is kept that no request waits for.
   */
  view(waiting: number, oldestWaitMs: number, mayStock: boolean): PoolView {
    const { measures, busy, meanAgeMs } = this.workload;
    const { concurrency, minProcesses } = this.program.app;
    return {
      waiting,
      oldestWaitMs,
      busy,
      starting: this.starting * concurrency,
      total: this.size * concurrency,
      minProcesses: mayStock ? Math.min(minProcesses, this.kept) * concurrency : 0,
      maxProcesses: this.cap * concurrency,
      startsAtOnce: this.bootsAtOnce * concurrency,
      serviceMs: measures.serviceMs,
      bootMs: measures.bootMs,
      meanAgeMs,
    };
  }

  add(backend: Backend): void {
    this.#isOwed = false;
    this.#chances.set(backend, Math.random());
    this.#counts[backend.state]++;
  }

  /** It is in another state than before. */
  move(backend: Backend, before: BackendState): void {
    // One that is being made is counted when it is added.
    if (!this.#chances.has(backend)) return;
    this.#counts[before]--;
    this.#counts[backend.state]++;
    if (before === "free") this.free.remove(backend);
    if (backend.state === "leaving" || backend.state === "gone") this.#relief.onLeaving(backend);
  }

  /** The process has ended. True: it is a tree that was to take another's place, and was not warm yet. */
  remove(backend: Backend): boolean {
    if (this.#chances.delete(backend)) this.#counts[backend.state]--;
    this.free.remove(backend);
    this.workload.forget(backend);
    return this.#relief.endTrial(backend);
  }

  /** How long requests are still kept for a new version that starts, in milliseconds. */
  patienceMs(now: number): number {
    return this.#succession.patienceMs(now);
  }

  /** Whether a request can be lent a process at `now`. */
  hasFree(now: number): boolean {
    return !this.free.isEmpty && this.patienceMs(now) === 0;
  }

  /** A start has failed: requests are not kept for the new version any longer. */
  onStartFailed(): void {
    this.#succession.endPatience();
  }

  /** Lends a free one to a request, at `now`. */
  lend(now: number): Lease | undefined {
    const backend = this.hasFree(now) ? this.#next : undefined;
    if (!backend) return undefined;
    const lease = backend.lend(now);
    this.workload.onLent(lease);
    return lease;
  }

  /** The request of a lease is over; its backend is still to hear of it. */
  onEnd(lease: Lease, how: Ending, now: number): void {
    if (how === "left") this.workload.onUnused(lease, now);
    else this.workload.onDone(lease, now);
    this.#relief.onEnd(lease, how);
  }

  /** It is ready, has come back, or a request of it has ended: it can take another one, or leaves. */
  onFree(backend: Backend, now: number): void {
    if (backend.free <= 0) return;
    this.workload.onFree();
    const reason = this.#partingReason(backend, now);
    if (reason) this.#part(backend, reason);
    if (backend.free > 0) this.free.put(backend);
  }

  /** It has accepted its first connection. With the first one of a new version the old ones leave; trees are relieved one by one. */
  onReady(backend: Backend): void {
    const now = this.#clock.now();
    this.workload.onReady(backend);
    if (this.#relief.onReady(backend, now)) this.#succession.endPatience();
    else if (this.#succession.onReady(backend)) {
      for (const old of this.all)
        if (this.#succession.isOutdated(old)) this.retire(old, this.#succession.reason);
    }
    this.onFree(backend, now);
  }

  /** Ends the trials of trees that are over at `now`: the one that is warm takes the places of others, the one that failed leaves. */
  relieve(now: number): readonly Verdict[] {
    if (!this.isRelieving) return NO_VERDICTS;
    const verdicts = this.#relief.verdicts(now);
    for (const { tree, isWarm } of verdicts) {
      this.#relief.endTrial(tree);
      if (!isWarm) {
        this.retire(tree, "bad answer");
        continue;
      }
      this.#succession.onReady(tree);
      for (const [old, reason] of this.#relief.relievedBy(tree)) this.retire(old, reason);
    }
    return verdicts;
  }

  /**
   * Whether the process that is needed may be started beside the others. A tree may be one more than `max_processes`; of other processes an idle one
   * goes first.
   */
  admitSuccessor(): boolean {
    const { maxProcesses, children } = this.program.app;
    if (maxProcesses === 0 || this.size < maxProcesses) return true;
    if (children > 0) return this.living <= maxProcesses;
    const { idlest } = this.free;
    if (idlest && this.size === this.living) this.#makeWay(idlest, this.#succession.reason);
    return false;
  }

  /** All programs together leave no room for one tree more: the old one goes first, unless it is at work and there is no other. */
  onHeldBack(): void {
    const [due, reason] = (this.needsSuccessor && this.#relief.leastBusy) || [];
    if (!due || !reason || this.size > this.living) return;
    if (due.busy === 0 || this.living > 1) this.#makeWay(due, reason);
  }

  /** Uses another version of the program, or other settings, from now on. */
  replace(program: Program): Change {
    this.#isDismissed = false;
    if (this.#succession.isUsed(program)) return "none";
    const change = this.#succession.replace(program, this.#clock.now());
    this.#onReplaced();
    return change;
  }

  /** New processes take the place of the present ones. False when there is none to be replaced. */
  restart(): boolean {
    this.#isDismissed = false;
    this.#succession.restart(this.#clock.now());
    this.#onReplaced();
    return this.isPending && this.living > 0;
  }

  /** All leave, the busy ones after their requests. */
  dismiss(reason: StopReason): void {
    this.#isDismissed = true;
    for (const backend of this.all) this.retire(backend, reason);
  }

  /** END_REQUEST of this program says nothing of its processes: those that seem to be free must come back. */
  doubtFree(): void {
    for (const backend of this.free.idle) if (backend.served > 0) backend.doubt();
  }

  /** How many leave, and come to their end by themselves: none of those that are waited for as they work for nobody. */
  get goingSoon(): number {
    let going = 0;
    for (const { state, leftSince } of this.#chances.keys())
      if (state === "leaving" && leftSince === undefined) going++;
    return going;
  }

  /** Ends what has been at work for nobody for longest; false where nothing has been for long. */
  giveUpLoneliest(): boolean {
    if (this.alone + this.size - this.living === 0 && this.program.app.concurrency === 1) return false;
    let oldest: Backend | undefined;
    let earliest = this.#clock.now() - LONE_MS;
    for (const backend of this.#chances.keys()) {
      const { leftSince } = backend;
      if (leftSince === undefined || leftSince > earliest) continue;
      oldest = backend;
      earliest = leftSince;
    }
    oldest?.giveUp(this.program.app.stopTimeoutMs);
    return oldest !== undefined;
  }

  /** It leaves when its requests are over; `stop_timeout` after SIGTERM it is killed. */
  retire(backend: Backend, reason: StopReason): void {
    backend.retire(reason, this.program.app.stopTimeoutMs);
  }

  /** An idle one ends, and a tree is replaced, where it has come to its limits. */
  recycle(backend: Backend, now: number): void {
    const reason = this.#recycleReason(backend, now);
    if (reason) this.#part(backend, reason);
  }

  get #next(): Backend | undefined {
    return this.isRelieving ? this.#relief.choose(this.free) : this.free.next;
  }

  /** Why a process that can take a request is to end; undefined: it goes on. */
  #recycleReason(backend: Backend, now: number): StopReason | undefined {
    const { maxRequests, maxAgeMs, maxMemoryBytes } = backend.program.app;
    if (maxRequests + maxAgeMs + maxMemoryBytes === 0 || this.isPending) return undefined;
    if (this.#relief.isOnTrial(backend)) return undefined;
    const lifespan = lifespanOf(backend.program.app, this.#chances.get(backend) ?? 0.5);
    const { served, readyAt = now, memoryBytes } = backend;
    // What its boot takes does not count: who boots longer than `max_age` would never serve anybody.
    return recycleReason(lifespan, { served, ageMs: now - readyAt, memoryBytes });
  }

  #makeWay(backend: Backend, reason: StopReason): void {
    this.#isOwed = true;
    this.retire(backend, reason);
  }

  #onReplaced(): void {
    const { reason } = this.#succession;
    const isTree = this.program.app.children > 0;
    if (!isTree) this.#relief.clear();
    for (const backend of this.all) {
      if (this.#succession.isCurrent(backend)) backend.program = this.program;
      // Nobody knows which version it will be.
      else if (backend.state === "starting") this.retire(backend, reason);
      else if (isTree && backend.state !== "leaving") this.#relief.mark(backend, reason);
    }
  }

  #partingReason(backend: Backend, now: number): StopReason | undefined {
    if (this.program.app.children === 0 && this.#succession.isOutdated(backend))
      return this.#succession.reason;
    return this.#recycleReason(backend, now);
  }

  /** A process leaves, and is started anew where requests ask for one; a tree goes on until another is warm. */
  #part(backend: Backend, reason: StopReason): void {
    if (this.program.app.children > 0) this.#relief.mark(backend, reason);
    else this.retire(backend, reason);
  }
}
