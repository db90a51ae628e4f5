import { Backend, type BackendDeps, type BackendOwner } from "../backend/backend.ts";
import type { Exit, StopReason } from "../backend/exit.ts";
import type { Program } from "../backend/program.ts";
import { explainSpawnError } from "../backend/spawn.ts";
import type { Timer } from "../base/clock.ts";
import { FpmError } from "../base/errors.ts";
import { BootRecord } from "./boot-record.ts";
import type { PoolShare } from "./eviction.ts";
import { bootFailureOf, logExit } from "./exits.ts";
import { keepHouse, type StopBackend } from "./housekeeping.ts";
import { lookAgainMs, onArrival, type PoolView, startsWanted } from "./policy.ts";
import type { PoolOwner } from "./pool-owner.ts";
import { Population } from "./population.ts";
import { lateError, type Waiting, WaitQueue } from "./queue.ts";

const DEFAULT_QUEUE_LENGTH = 1024;

/** The backends of one program and the queue of its requests. */
export class Pool implements BackendOwner {
  #program: Program;
  readonly #owner: PoolOwner;
  readonly #deps: BackendDeps;
  readonly #population: Population;
  readonly #queue: WaitQueue;
  readonly #boots = new BootRecord();
  #retryTimer: Timer | undefined;
  #isStopping = false;
  /** Processes that go after their request, for the sake of another program. */
  #owed = 0;

  constructor(program: Program, owner: PoolOwner, deps: BackendDeps) {
    this.#program = program;
    this.#owner = owner;
    this.#deps = deps;
    this.#queue = new WaitQueue(deps.clock);
    this.#population = new Population(owner.machine, deps.clock);
  }

  get program(): Program {
    return this.#program;
  }

  /** All that live, stopping ones included. */
  get size(): number {
    return this.#population.size;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** Whether nothing would be lost with this pool. */
  get isEmpty(): boolean {
    return this.size === 0 && this.waiting === 0 && this.#boots.waitMs(this.#deps.clock.now()) === 0;
  }

  /** What the cap of all programs together needs to know of this one. */
  get share(): PoolShare {
    const { idlest } = this.#population.idle;
    return {
      living: this.#population.living,
      minProcesses: this.#program.app.minProcesses,
      idlestMs: idlest && this.#deps.clock.now() - idlest.idleSince,
      owed: this.#owed,
    };
  }

  /** Whether requests wait that no starting process will take. */
  get isInNeed(): boolean {
    return this.#queue.length > this.#population.starting;
  }

  /** How long the oldest request has waited. */
  get oldestWaitMs(): number {
    return this.#queue.oldestWaitMs;
  }

  /** Gives one process up for another program: the idlest now, or the first that ends its request. */
  giveUpOne(when: "now" | "after its request"): void {
    const { idlest } = this.#population.idle;
    if (when === "now" && idlest) this.stop(idlest, "room for others");
    else this.#owed++;
  }

  /** Uses another version of the program from now on: idle old backends go at once, busy ones after their request. */
  update(program: Program): void {
    if (program.generation === this.#program.generation) {
      this.#program = program;
      return;
    }
    this.#deps.log.info("the program's file was replaced; new requests go to the new version", {
      program: program.name,
    });
    this.#program = program;
    this.#boots.reset();
    for (const backend of this.#population.all) {
      if (backend.state === "idle" || backend.state === "starting") this.stop(backend, "new version");
    }
  }

  /**
   * A backend for one request: at once where one is free, otherwise a place in the queue. `unserved` asks for one that
   * has not served yet.
   * @throws FpmError QUEUE_FULL, BREAKER_OPEN, SHUTTING_DOWN.
   */
  lease(unserved: boolean): Backend | Waiting {
    if (this.#isStopping) throw shuttingDown();
    const { name, app } = this.#program;
    const queueLength = app.queueLength || DEFAULT_QUEUE_LENGTH;
    const { idle } = this.#population;
    const view = { idle: unserved ? idle.unserved : idle.length, waiting: this.#queue.length, queueLength };
    const arrival = onArrival({ ...view, isBreakerOpen: this.#breakerIsOpen() });
    if (arrival === "breaker open") throw this.#boots.refusal(this.#deps.clock.now());
    if (arrival === "queue full") {
      throw new FpmError("QUEUE_FULL", "daemon", `${name}: ${queueLength} requests wait already.`);
    }
    const free = arrival === "lend" ? this.#population.lend(unserved) : undefined;
    if (free) return free;
    const waiting = this.#queue.add(unserved, app.queueTimeoutMs, () => lateError(name, app.queueTimeoutMs));
    this.act();
    return waiting;
  }

  /** Takes a backend back after its request. `keepLink`: its connection is fit for another one. */
  release(backend: Backend, keepLink: boolean): void {
    this.#population.workload.onDone(backend);
    backend.returnToIdle(keepLink && this.#program.app.keepConnection);
    if (backend.state === "idle") this.#onFree(backend);
  }

  /** Takes a backend back that was lent and not used. */
  takeBack(backend: Backend): void {
    this.#population.workload.forget(backend, false);
    backend.giveBack();
    if (backend.state === "idle") this.#onFree(backend);
  }

  /** Ends a backend; `program.app.stopTimeoutMs` after SIGTERM it is killed, at once with `force`. */
  stop(backend: Backend, reason: StopReason, force = false): void {
    this.#population.idle.remove(backend);
    backend.stop(reason, force ? 0 : backend.program.app.stopTimeoutMs);
  }

  /** Lends, starts and refuses whatever is due now. */
  act(): void {
    if (this.#queue.length === 0 && this.size >= this.#program.app.minProcesses) return;
    // Where no more can be started, a request that would like a fresh process takes any.
    const takesAny = this.#isAtCap();
    while (this.#queue.length > 0) {
      const onlyUnserved = !takesAny && this.#queue.length === this.#queue.lengthUnserved;
      const free = this.#population.lend(onlyUnserved);
      if (!free || !this.#queue.give(free, takesAny)) break;
    }
    if (this.#isStopping) return;
    const pauseMs = this.#boots.waitMs(this.#deps.clock.now());
    if (pauseMs > 0) {
      this.#actAt(pauseMs);
      return;
    }
    this.#population.workload.look();
    const view = this.#view();
    for (let starts = startsWanted(view); starts > 0; starts--) {
      if (!this.#start()) return;
    }
    if (view.room <= 0 && startsWanted({ ...view, room: 1 }) > 0) this.#owner.wantRoom(this);
    const again = lookAgainMs(view);
    if (again !== undefined) this.#actAt(again);
  }

  /** A second has passed: measures, and ends idle backends that the traffic does not need. */
  onSecond(withMemory: boolean): void {
    this.#population.workload.onSecond();
    if (withMemory) this.#population.workload.lookAtMemory();
    const stop: StopBackend = (...args) => this.stop(...args);
    keepHouse(this.#population, this.#program.app, this.#deps.clock.now(), stop);
    this.act();
  }

  /** Refuses what waits and ends every backend; settles when all have gone. */
  async stopAll(): Promise<void> {
    this.#isStopping = true;
    this.#retryTimer?.cancel();
    this.#queue.refuse(this.#queue.length, shuttingDown());
    const backends = this.#population.all;
    for (const backend of backends) this.stop(backend, "shutdown");
    await Promise.all(backends.map((backend) => backend.finished));
  }

  onBackendReady(backend: Backend): void {
    this.#boots.reset();
    this.#population.workload.onReady(backend);
    this.#onFree(backend);
  }

  onBackendExit(backend: Backend, exit: Exit): void {
    this.#population.remove(backend);
    const now = this.#deps.clock.now();
    const failure = bootFailureOf(backend, exit);
    if (failure) this.#refuseAfterBootFailure(failure, this.#boots.fail(now));
    void logExit(backend, exit, now - backend.startedAt, this.#deps.log);
    this.#owner.onRoom();
    this.act();
  }

  #isAtCap(): boolean {
    return this.#owner.room() <= 0 || this.size >= this.#population.cap(this.#program.app.maxProcesses);
  }

  #onFree(backend: Backend): void {
    const reason = this.#partingReason(backend);
    if (reason) this.stop(backend, reason);
    else this.#population.idle.push(backend);
    this.act();
  }

  /** Why a process that has become free is not used again. */
  #partingReason(backend: Backend): StopReason | undefined {
    if (this.#isStopping) return "shutdown";
    if (backend.program.generation !== this.#program.generation) return "new version";
    if (this.#owed > 0) {
      this.#owed--;
      return "room for others";
    }
    return this.#population.recycleReason(backend);
  }

  /** False when the program cannot be started. */
  #start(): boolean {
    try {
      const backend = new Backend(this.#program, this, this.#deps);
      this.#population.add(backend);
      this.#owner.onStart();
      this.#deps.log.info("started", { program: this.#program.name, pid: backend.pid });
      return true;
    } catch (error) {
      if (!(error instanceof FpmError)) throw error;
      const program = this.#program;
      const pause = this.#boots.fail(this.#deps.clock.now());
      void explainSpawnError(program, error).then((why) => {
        const what = `${program.name} cannot be started: ${why}.`;
        this.#refuseAfterBootFailure(new FpmError("SPAWN_FAILED", "backend", what, { cause: error }), pause);
      });
      return false;
    }
  }

  /** Refuses the request that the start was for, or all of them when the breaker opens, unless others are at work. */
  #refuseAfterBootFailure(error: FpmError, pauseMs: number): void {
    this.#boots.explain(error);
    if (this.#breakerIsOpen()) {
      const what = `${this.#boots.failures} starts in a row failed; the next try is in ${pauseMs / 1000} s`;
      this.#deps.log.error(what, { program: this.#program.name, last: error.message });
      this.#queue.refuse(this.#queue.length, error);
    } else if (!this.#population.isServing) this.#queue.refuse(1, error);
    this.#actAt(pauseMs);
  }

  /** While others are at work a failed start refuses nobody. */
  #breakerIsOpen(): boolean {
    return this.#boots.isOpen(this.#deps.clock.now()) && !this.#population.isServing;
  }

  #actAt(delayMs: number): void {
    this.#retryTimer?.cancel();
    this.#retryTimer = this.#deps.clock.after(delayMs, () => this.act());
  }

  #view(): PoolView {
    const { idle, workload, starting, bootsAtOnce, size } = this.#population;
    const { minProcesses, maxProcesses } = this.#program.app;
    return {
      waiting: this.#queue.length,
      waitingForUnserved: this.#queue.lengthUnserved,
      oldestWaitMs: this.#queue.oldestWaitMs,
      idle: idle.length,
      idleUnserved: idle.unserved,
      busy: workload.busy,
      starting,
      total: size,
      minProcesses,
      maxProcesses: this.#population.cap(maxProcesses),
      room: this.#owner.room(),
      startsAtOnce: bootsAtOnce,
      serviceMs: workload.measures.serviceMs,
      bootMs: workload.measures.bootMs,
      meanAgeMs: workload.meanAgeMs,
    };
  }
}

function shuttingDown(): FpmError {
  return new FpmError("SHUTTING_DOWN", "daemon", "std-fpm is shutting down.");
}
