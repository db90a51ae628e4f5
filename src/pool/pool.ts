import type { Backend } from "../backend/backend.ts";
import { causeOf, describeExit, type Exit, type StopReason } from "../backend/exit.ts";
import type { Ending, Lease } from "../backend/lease.ts";
import { OutputLimit } from "../backend/output-limit.ts";
import type { Program } from "../backend/program.ts";
import type { BackendState } from "../backend/states.ts";
import type { Timer } from "../base/clock.ts";
import { FpmError } from "../base/errors.ts";
import type { PoolShare } from "./eviction.ts";
import { logExit } from "./exits.ts";
import { keepHouse } from "./housekeeping.ts";
import { onArrival } from "./policy.ts";
import type { PoolDeps, PoolOwner } from "./pool-owner.ts";
import { type PoolStatus, statusOf } from "./pool-status.ts";
import { viewOf } from "./pool-view.ts";
import { Population } from "./population.ts";
import { lateError, type Waiter, WaitQueue } from "./queue.ts";
import { Restart } from "./restart.ts";
import { Starts, type StartsOwner } from "./starts.ts";
import type { Tally } from "./tally.ts";

const DEFAULT_QUEUE_LENGTH = 1024;
/** Where requests wait at a cap, a process on its own may go on for so long. */
const LONE_MS = 10_000;

/** The backends of one program and the queue of its requests. */
export class Pool implements StartsOwner {
  readonly tally: Tally;
  readonly #owner: PoolOwner;
  readonly #deps: PoolDeps;
  readonly #population: Population;
  readonly #queue: WaitQueue;
  readonly #starts: Starts;
  readonly #restart = new Restart();
  #retryTimer: Timer | undefined;
  #isStopping = false;
  /** Leases that were not given back; their processes may have gone. */
  #lent = 0;

  constructor(program: Program, owner: PoolOwner, deps: PoolDeps, tally: Tally) {
    this.tally = tally;
    this.#owner = owner;
    this.#deps = deps;
    const late = () => lateError(this.program.name, this.program.app.queueTimeoutMs);
    this.#queue = new WaitQueue(deps.clock, program.app.queueTimeoutMs, late, tally.wait);
    this.#population = new Population(program, owner.machine, deps.clock, tally);
    this.#starts = new Starts(this, {
      ...deps,
      outputLimit: new OutputLimit(deps.clock, deps.log),
      conduct: tally.conduct,
    });
  }

  /** The newest version: what is started. */
  get program(): Program {
    return this.#population.program;
  }

  /** All that live, stopping ones included. */
  get size(): number {
    return this.#population.size;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  get status(): PoolStatus {
    return statusOf(this.#population, this.#queue, this.#starts, this.tally);
  }

  /** Whether nothing would be lost with this pool. */
  get isEmpty(): boolean {
    return this.size === 0 && this.waiting === 0 && this.#lent === 0 && this.#starts.waitMs === 0;
  }

  /** What the cap of all programs together needs to know of this one. */
  get share(): PoolShare {
    return this.#population.share;
  }

  /** Whether requests wait that no starting process will take, or a new version has no process yet. */
  get isInNeed(): boolean {
    return this.#queue.length > this.#population.starting || this.#population.needsSuccessor;
  }

  /** How long the oldest request has waited. */
  get oldestWaitMs(): number {
    return this.#queue.oldestWaitMs;
  }

  /** Gives one process up for another program: the idlest now, or the first that ends its request. */
  giveUpOne(when: "now" | "after its request"): void {
    this.#population.giveUpOne(when);
  }

  /** Uses another version of the program, or other settings, from now on. */
  update(program: Program): void {
    const change = this.#population.replace(program);
    this.#queue.timeoutMs = program.app.queueTimeoutMs;
    if (change === "file") this.tally.conduct.forget();
    if (change === "file" || change === "launch settings") {
      const what =
        change === "file" ? "the program's file was replaced" : "the program's settings have changed";
      this.#deps.log.info(`${what}: new processes take over as soon as one is ready`, {
        program: program.name,
      });
      this.#starts.reset();
    }
    if (change !== "none") this.act();
  }

  /**
   * New processes take the place of the present ones, as with a new version. Settles when that is so, or with the reason why no new one
   * can be started: then the present ones go on.
   */
  async restart(): Promise<FpmError | undefined> {
    const isPending = this.#population.restart();
    this.#starts.reset();
    this.act();
    return isPending ? await this.#restart.begin() : undefined;
  }

  /** Its processes end when they are free. */
  dismiss(reason: StopReason): void {
    this.#population.dismiss(reason);
  }

  /**
   * A backend for one request: at once where one is free, otherwise a place in the queue; the waiter then hears what comes of it.
   * @throws FpmError QUEUE_FULL, BREAKER_OPEN, SHUTTING_DOWN.
   */
  lease(waiter: Waiter): Lease | undefined {
    if (this.#isStopping) throw shuttingDown();
    const { name, app } = this.program;
    const queueLength = app.queueLength || DEFAULT_QUEUE_LENGTH;
    const view = { hasFree: this.#population.hasFree, waiting: this.#queue.length, queueLength };
    const arrival = onArrival({ ...view, isBreakerOpen: this.#breakerIsOpen });
    if (arrival === "breaker open") throw this.#starts.refusal();
    if (arrival === "queue full") {
      throw new FpmError("QUEUE_FULL", "daemon", `${name}: ${queueLength} requests wait already.`);
    }
    const lease = arrival === "lend" ? this.#population.lend() : undefined;
    if (lease) {
      this.#lent++;
      this.tally.wait.observe(0);
      return lease;
    }
    this.tally.queued++;
    this.#queue.add(waiter);
    this.act();
    return undefined;
  }

  /** A request that waits has left. */
  giveUp(waiter: Waiter): void {
    this.#queue.remove(waiter);
  }

  /** How many requests wait before this one. */
  ahead(waiter: Waiter): number {
    return this.#queue.ahead(waiter);
  }

  /** Takes a backend back after its request. */
  release(lease: Lease, how: Ending): void {
    this.#lent--;
    this.tally.bytesIn += lease.bytesIn;
    this.tally.bytesOut += lease.bytesOut;
    if (how === "left") this.#population.workload.onUnused(lease);
    else this.#population.workload.onDone(lease);
    lease.backend.end(lease, how);
    this.#population.onFree(lease.backend);
    this.act();
  }

  /** Lends, starts and refuses whatever is due now. */
  act(): void {
    this.#lendToWaiting();
    const population = this.#population;
    const isEnough = this.#queue.length === 0 && this.size >= population.kept && !population.needsSuccessor;
    if (isEnough || this.#isStopping) return;
    this.#makeRoom();
    const pauseMs = this.#starts.waitMs;
    if (pauseMs > 0) {
      this.#actAt(pauseMs);
      return;
    }
    population.workload.look();
    const { startsWanted, lookAgainMs } = this.#deps.policy;
    const { concurrency } = this.program.app;
    const view = viewOf(population, this.#queue, this.#owner.room());
    for (let starts = Math.ceil(startsWanted(view) / concurrency); starts > 0; starts--) {
      if (!this.#start()) return;
    }
    if (population.needsSuccessor) this.#startSuccessor();
    else if (view.room <= 0 && startsWanted({ ...view, room: concurrency }) > 0) this.#owner.wantRoom(this);
    const again = lookAgainMs(view);
    if (again !== undefined) this.#actAt(Math.min(again, population.patienceMs || again));
  }

  /** A second has passed: measures, and ends idle backends that the traffic does not need. */
  onSecond(withMemory: boolean): void {
    this.#population.workload.onSecond();
    if (withMemory) this.#population.workload.lookAtMemory();
    keepHouse(this.#population, this.#deps.clock.now());
    this.act();
  }

  /** Refuses what waits and ends every backend; settles when all have gone. */
  async stopAll(): Promise<void> {
    this.#isStopping = true;
    this.#retryTimer?.cancel();
    this.#queue.refuse(this.#queue.length, shuttingDown());
    this.#restart.settle(shuttingDown());
    const backends = this.#population.all;
    for (const backend of backends) backend.stop("shutdown", this.program.app.stopTimeoutMs);
    await Promise.all(backends.map((backend) => backend.finished));
  }

  onBackendReady(backend: Backend): void {
    if (backend.program === this.program) this.#starts.reset();
    this.#population.onReady(backend);
    if (!this.#population.isPending) this.#restart.settle(undefined);
    this.act();
  }

  onBackendMoved(backend: Backend, before: BackendState): void {
    this.#population.move(backend, before);
  }

  onBackendBack(backend: Backend): void {
    this.#population.onFree(backend);
    this.act();
  }

  /** It works on after its last answer. Whoever is free first gets the request: nobody has seen it. */
  onBackendUnread(lease: Lease): void {
    const { program, pid } = lease.backend;
    if (lease.backend.served > 0 && this.tally.conduct.onAnsweredEarly()) {
      const what =
        "it works on after its answer: its processes count as free when they accept the next connection";
      this.#deps.log.info(what, { program: program.name, pid });
      this.#population.doubtFree();
    }
    if (lease.mayBeTakenBack) lease.takeBack();
  }

  onBackendExit(backend: Backend, exit: Exit): void {
    this.#population.remove(backend);
    this.#starts.onExit(backend, exit);
    // A place for CGI processes has told of each of them.
    if (backend.pid !== 0)
      void logExit(backend, exit, this.#deps.clock.now() - backend.startedAt, this.#deps.log);
    this.#owner.onRoom();
    this.act();
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

  onStartFailed(error: FpmError, pauseMs: number): void {
    this.tally.failedStarts++;
    this.tally.onError(error, this.#deps.clock.now());
    this.#population.onStartFailed();
    this.#restart.settle(error);
    const fields = { program: this.program.name, last: error.message };
    const next = `the next try is in ${pauseMs / 1000} s`;
    if (this.#breakerIsOpen) {
      this.#deps.log.error(`${this.#starts.failures} starts in a row failed; ${next}`, fields);
      this.#queue.refuse(this.#queue.length, error);
    } else if (!this.#population.isServing) this.#queue.refuse(1, error);
    else if (this.#population.isPending)
      this.#deps.log.error(`the new version cannot be started, the old one goes on serving; ${next}`, fields);
    this.act();
  }

  /** While others are at work a failed start refuses nobody. */
  get #breakerIsOpen(): boolean {
    return this.#starts.isBreakerOpen && !this.#population.isServing;
  }

  #lendToWaiting(): void {
    while (this.#queue.length > 0) {
      const lease = this.#population.lend();
      if (!lease) return;
      this.#lent++;
      this.#queue.give(lease);
    }
  }

  /** Where no more can be started for requests that wait, those make room that nobody waits for. */
  #makeRoom(): void {
    const isBelowCap = this.#owner.room() > 0 && this.size < this.#population.cap;
    const leaving = this.size - this.#population.living;
    if (isBelowCap || leaving >= this.#queue.length) return;
    const loneliest = this.#population.loneliest(LONE_MS);
    loneliest?.stop("left alone", this.program.app.stopTimeoutMs);
  }

  /** False when the program cannot be started. */
  #start(): boolean {
    const backend = this.#starts.start(this.program);
    if (!backend) return false;
    this.#population.add(backend);
    this.#owner.onStart();
    return true;
  }

  /** The first process of a new version, beside those of the old one: only where `max_processes` forbids that, one of them goes first. */
  #startSuccessor(): void {
    const { maxProcesses } = this.program.app;
    const { idlest } = this.#population.free;
    if (this.#owner.room() <= 0) this.#owner.wantRoom(this);
    else if (maxProcesses === 0 || this.size < maxProcesses) this.#start();
    else if (idlest && this.size === this.#population.living) this.#population.retire(idlest, "new version");
  }

  #actAt(delayMs: number): void {
    this.#retryTimer?.cancel();
    this.#retryTimer = this.#deps.clock.after(delayMs, () => this.act());
  }
}

function shuttingDown(): FpmError {
  return new FpmError("SHUTTING_DOWN", "daemon", "std-fpm is shutting down.");
}
