import type { Backend, Ending, Lease } from "../backend/backend.ts";
import { causeOf, describeExit, type Exit, type StopReason } from "../backend/exit.ts";
import type { BackendState } from "../backend/states.ts";
import type { Hindrance } from "../backend/work-signs.ts";
import type { FpmError } from "../base/errors.ts";
import { LookAgain } from "../base/look-again.ts";
import type { Program } from "../start/program.ts";
import type { Machine } from "./cap.ts";
import { keepHouse, nextHouseAt } from "./housekeeping.ts";
import { onArrival, type Policy } from "./policy.ts";
import { type PoolStatus, statusOf } from "./pool-status.ts";
import { Population } from "./population.ts";
import { lateError, queueFull, shuttingDown, type Waiter, WaitQueue } from "./queue.ts";
import type { Sharer } from "./sharing.ts";
import { Starts, type StartsDeps, type StartsOwner } from "./starts.ts";
import type { Tally } from "./tally.ts";

/** What pools need of their surroundings. */
export interface PoolDeps extends Omit<StartsDeps, "conduct"> {
  /** As it is now: limits of control groups change. */
  readonly machine: () => Machine;
  /** When to start a process. */
  readonly policy: Policy;
}

/** What a pool is a part of. */
export interface PoolOwner {
  /** What it has or wants may be different now: it is reviewed, once, when this turn of the event loop is over. */
  onChange(pool: Pool): void;
  /** The same after a request has come or gone, which under load is all the time: a moment later will do. */
  onTraffic(pool: Pool, now: number): void;
  /** Whether it ends the process that has become free, for the sake of another program. */
  mustGiveUp(pool: Pool): boolean;
}

const DEFAULT_QUEUE_LENGTH = 1024;

/** The backends of one program and the queue of its requests. */
export class Pool implements StartsOwner, Sharer {
  readonly tally: Tally;
  readonly #owner: PoolOwner;
  readonly #deps: PoolDeps;
  readonly #population: Population;
  readonly #queue: WaitQueue;
  readonly #starts: Starts;
  /** Those who asked for a restart by hand and wait for how it comes out. */
  #restart: PromiseWithResolvers<FpmError | undefined> | undefined;
  readonly #lookAgain: LookAgain;
  /** Before this time it need not be looked at while nothing happens. */
  #houseAt = 0;
  #wanted = 0;
  /** It waits for room; each time counts once. */
  #isHeldBack = false;
  #isStopping = false;
  /** Leases that were not given back; their processes may have gone. */
  #lent = 0;

  constructor(program: Program, owner: PoolOwner, deps: PoolDeps, tally: Tally) {
    this.tally = tally;
    this.#owner = owner;
    this.#deps = deps;
    const late = () => {
      this.#onChange(this.#deps.clock.now());
      return lateError(this.program.name, this.program.app.queueTimeoutMs);
    };
    this.#lookAgain = new LookAgain(deps.clock, () => this.#owner.onChange(this));
    this.#queue = new WaitQueue(deps.clock, program.app.queueTimeoutMs, late, tally.wait);
    this.#population = new Population(program, deps.machine, deps.clock, tally);
    this.#starts = new Starts(this, { ...deps, conduct: tally.conduct });
  }

  /** The newest version: what is started. */
  get program(): Program {
    return this.#population.program;
  }

  /** All that live, stopping ones included. */
  get size(): number {
    return this.#population.size;
  }

  get backends(): readonly Backend[] {
    return this.#population.all;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  get status(): PoolStatus {
    return statusOf(this.#population, this.#queue, this.#starts, this.tally);
  }

  /** Whether nothing would be lost with this pool. */
  get isEmpty(): boolean {
    return this.size + this.waiting + this.#lent + this.wanted === 0 && this.#starts.waitMs === 0;
  }

  get living(): number {
    return this.#population.living;
  }

  get kept(): number {
    return this.#population.kept;
  }

  get idleSince(): number | undefined {
    return this.#population.free.idlest?.idleSince;
  }

  /** As it was reviewed last, unless nobody waits any more. */
  get wanted(): number {
    return this.#isEnough ? 0 : this.#wanted;
  }

  get waitingSince(): number {
    return this.#deps.clock.now() - this.#queue.oldestWaitMs;
  }

  giveUpIdlest(): void {
    const { idlest } = this.#population.free;
    if (idlest) this.#population.retire(idlest, "room for others");
  }

  onHeldBack(): void {
    if (!this.#isHeldBack) this.tally.heldBack++;
    this.#isHeldBack = true;
    this.#population.onHeldBack();
  }

  giveUpLoneliest(): boolean {
    // Of a tree it would be a child only, which makes no room for others.
    return this.program.app.children === 0 && this.#population.giveUpLoneliest();
  }

  /** Uses another version of the program, or other settings, from now on. */
  update(program: Program): void {
    const change = this.#population.replace(program);
    this.#queue.timeoutMs = program.app.queueTimeoutMs;
    if (change === "file") this.tally.conduct.forget();
    if (change === "file" || change === "launch settings") {
      const what =
        change === "file" ? "the program's file was replaced" : "the program's settings have changed";
      const how = program.app.children > 0 ? "one by one, when warm" : "as soon as one is ready";
      this.#deps.log.info(`${what}: new processes take over ${how}`, { program: program.name });
      this.#starts.reset();
    }
    if (change !== "none") this.#owner.onChange(this);
  }

  /**
   * New processes take the place of the present ones, as with a new version. Settles when that is so, or with the reason why no new one
   * can be started: then the present ones go on.
   */
  async restart(): Promise<FpmError | undefined> {
    const isPending = this.#population.restart();
    this.#starts.reset();
    this.#owner.onChange(this);
    if (!isPending) return undefined;
    this.#restart ??= Promise.withResolvers();
    return await this.#restart.promise;
  }

  /** Its processes end when they are free. */
  dismiss(reason: StopReason): void {
    this.#population.dismiss(reason);
  }

  /**
   * A backend for one request that asks at `now`: at once where one is free, otherwise a place in the queue; the waiter then hears what comes of it.
   * @throws FpmError QUEUE_FULL, BREAKER_OPEN, SHUTTING_DOWN.
   */
  lease(waiter: Waiter, now: number): Lease | undefined {
    if (this.#isStopping) throw shuttingDown();
    const { name, app } = this.program;
    const queueLength = app.queueLength || DEFAULT_QUEUE_LENGTH;
    const arrival = onArrival({
      hasFree: this.#population.hasFree(now),
      waiting: this.#queue.length,
      queueLength,
      mayCome:
        this.#queue.length < queueLength ? 0 : this.#population.placesToCome(this.#starts.waitMs === 0),
      isBreakerOpen: this.#breakerIsOpen,
    });
    if (arrival === "breaker open") throw this.#starts.refusal();
    if (arrival === "queue full") throw queueFull(name, this.#queue.length);
    const lease = arrival === "lend" ? this.#population.lend(now) : undefined;
    if (lease) {
      this.#lent++;
      this.tally.wait.observe(0);
      return lease;
    }
    this.tally.queued++;
    this.#queue.add(waiter);
    this.#onChange(now);
    return undefined;
  }

  /** A request that waits has left. */
  giveUp(waiter: Waiter): void {
    this.#queue.remove(waiter);
    this.#onChange(this.#deps.clock.now());
  }

  /** How many requests wait before this one. */
  ahead(waiter: Waiter): number {
    return this.#queue.ahead(waiter);
  }

  /** Takes a backend back after its request, at `now`. */
  release(lease: Lease, how: Ending, now: number): void {
    this.#lent--;
    this.tally.bytesIn += lease.bytesIn;
    this.tally.bytesOut += lease.bytesOut;
    this.#population.onEnd(lease, how, now);
    lease.backend.end(lease, how, now);
    this.#onFree(lease.backend, now);
  }

  /** Lends what is free, and works out what it wants and when to ask again. Returns how many files of /proc were read. */
  review(): number {
    const now = this.#deps.clock.now();
    this.#relieve(now);
    this.#lendToWaiting(now);
    this.#wanted = 0;
    this.#houseAt = 0;
    if (this.#isEnough || this.#isStopping) return 0;
    this.#makeRoom();
    const pauseMs = this.#starts.waitMs;
    if (pauseMs > 0) {
      this.#lookAgain.within(pauseMs);
      return 0;
    }
    const population = this.#population;
    const looks = population.workload.look();
    const { startsWanted, lookAgainMs } = this.#deps.policy;
    const { stockWaitMs } = this.#starts;
    const view = population.view(this.#queue.length, this.#queue.oldestWaitMs, stockWaitMs === 0);
    this.#wanted = Math.ceil(startsWanted(view) / this.program.app.concurrency);
    if (this.#wanted === 0) this.#isHeldBack = false;
    if (this.#wanted === 0 && population.needsSuccessor) this.#wanted = population.admitSuccessor() ? 1 : 0;
    const patienceMs = population.patienceMs(now);
    // With what it wants it waits for room: it is asked again when it has started one.
    const againMs = (this.#wanted > 0 ? undefined : lookAgainMs(view)) ?? Number.POSITIVE_INFINITY;
    this.#lookAgain.within(Math.min(againMs, patienceMs || againMs, stockWaitMs || againMs), now);
    return looks;
  }

  start(): void {
    const backend = this.#starts.start(this.program);
    if (backend) this.#population.add(backend);
    this.#wanted = backend ? this.#wanted - 1 : 0;
    this.#owner.onChange(this);
  }

  /** Measures, and ends idle backends that the traffic does not need. Returns how many files of /proc were read. */
  onSecond(now: number): number {
    const { workload } = this.#population;
    if (workload.isQuiet && now < this.#houseAt) {
      workload.onQuietSecond(now);
      return 0;
    }
    const looks = workload.onSecond(now) + keepHouse(this.#population, now);
    this.#houseAt = nextHouseAt(this.#population, now);
    this.#onChange(now);
    return looks;
  }

  /** Refuses what waits and ends every backend; settles when all have gone. */
  async stopAll(): Promise<void> {
    this.#isStopping = true;
    this.#lookAgain.cancel();
    this.#queue.refuse(this.#queue.length, shuttingDown());
    this.#settleRestart(shuttingDown());
    const backends = this.#population.all;
    for (const backend of backends) backend.stop("shutdown", this.program.app.stopTimeoutMs);
    await Promise.all(backends.map((backend) => backend.finished));
  }

  onBackendReady(backend: Backend): void {
    this.#population.onReady(backend);
    if (backend.program === this.program && !this.#population.isRelieving) this.#starts.reset();
    this.#lendToWaiting(this.#deps.clock.now());
    this.#owner.onChange(this);
  }

  onBackendMoved(backend: Backend, before: BackendState): void {
    this.#population.move(backend, before);
    if (backend.state === "leaving") this.#owner.onChange(this);
  }

  onBackendBack(backend: Backend): void {
    this.#onFree(backend, this.#deps.clock.now());
  }

  /** It works on after its last answer, or was stopped. Whoever is free first gets the request: nobody has seen it. */
  onBackendUnread(lease: Lease, hindrance: Hindrance): void {
    const { program, pid } = lease.backend;
    if (hindrance === "at work" && lease.backend.served > 0 && this.tally.conduct.onAnsweredEarly()) {
      const what =
        "it works on after its answer: its processes count as free when they accept the next connection";
      this.#deps.log.info(what, { program: program.name, pid });
      this.#population.doubtFree();
    }
    lease.takeBack();
  }

  onBackendExit(backend: Backend, exit: Exit): void {
    const wasOnTrial = this.#population.remove(backend);
    this.#starts.onExit(backend, exit, wasOnTrial);
    this.#owner.onChange(this);
  }

  onProcessStarted(): void {
    this.tally.started++;
  }

  onProcessExited(pid: number, exit: Exit): void {
    this.tally.onExit(exit);
    if (causeOf(exit) !== "crash") return;
    const message = `pid ${pid} ${describeExit(exit)}`;
    this.tally.onError({ code: "BACKEND_BROKEN", message }, this.#deps.clock.now());
  }

  onStaleRecord(): void {
    this.tally.staleRecords++;
  }

  onStartFailed(error: FpmError, pauseMs: number, isOthers: boolean): void {
    this.tally.failedStarts++;
    this.tally.onError(error, this.#deps.clock.now());
    this.#population.onStartFailed();
    this.#settleRestart(error);
    const fields = { program: this.program.name, last: error.message };
    const next = `the next try is in ${pauseMs / 1000} s`;
    if (this.#breakerIsOpen) {
      this.#deps.log.error(`${this.#starts.failures} starts in a row failed; ${next}`, fields);
      this.#queue.refuse(this.#queue.length, error);
    } else if (!this.#population.isServing && !isOthers) this.#queue.refuse(1, error);
    else if (this.#population.isPending)
      this.#deps.log.error(`the new version cannot be started, the old one goes on serving; ${next}`, fields);
    this.#owner.onChange(this);
  }

  /** While others are at work a failed start refuses nobody. */
  get #breakerIsOpen(): boolean {
    return this.#starts.isBreakerOpen && !this.#population.isServing;
  }

  /** Whether there are processes for all that waits and is to be kept. */
  get #isEnough(): boolean {
    const population = this.#population;
    return this.#queue.length === 0 && this.size >= population.kept && !population.needsSuccessor;
  }

  /** A process may take another request, unless it is on its own or leaves. */
  #onFree(backend: Backend, now: number): void {
    if (backend.free > 0 && this.#owner.mustGiveUp(this)) this.#population.retire(backend, "room for others");
    else this.#population.onFree(backend, now);
    this.#lendToWaiting(now);
    this.#onChange(now);
  }

  /** Nothing is asked of the policy for a request that found a free process. */
  #onChange(now: number): void {
    if (this.#wanted > 0 || !this.#isEnough || this.#population.isRelieving) this.#owner.onTraffic(this, now);
  }

  #lendToWaiting(now: number): void {
    while (this.#queue.length > 0) {
      const lease = this.#population.lend(now);
      if (!lease) return;
      this.#lent++;
      this.#queue.give(lease);
    }
  }

  /** Where no more may be started than there are, those that nobody waits for go for requests that wait, unless others leave or start already. */
  #makeRoom(): void {
    const { size, starting, cap } = this.#population;
    if (size < cap) return;
    const coming = this.#population.goingSoon + starting * this.program.app.concurrency;
    if (coming < this.waiting) this.#population.giveUpLoneliest();
  }

  /** Trees that are warm take the places of others. */
  #relieve(now: number): void {
    for (const { tree, isWarm } of this.#population.relieve(now))
      if (isWarm) this.#starts.reset();
      else this.#starts.onTrialFailed(tree);
    this.#lookAgain.within(this.#population.verdictInMs);
    if (!this.#population.isPending) this.#settleRestart(undefined);
  }

  #settleRestart(error: FpmError | undefined): void {
    this.#restart?.resolve(error);
    this.#restart = undefined;
  }
}
