import { Backend, type BackendDeps, type BackendOwner } from "../backend/backend.ts";
import type { Exit, StopReason } from "../backend/exit.ts";
import type { Program } from "../backend/program.ts";
import { explainSpawnError } from "../backend/spawn.ts";
import type { Timer } from "../base/clock.ts";
import { FpmError } from "../base/errors.ts";
import { BootRecord } from "./boot-record.ts";
import { bootFailureOf, logExit } from "./exits.ts";
import { IdleList } from "./idle-list.ts";
import { follow, type PoolView, startsWanted } from "./policy.ts";
import type { PoolOwner } from "./pool-owner.ts";
import { type Waiting, WaitQueue } from "./queue.ts";

const DEFAULT_QUEUE_LENGTH = 1024;
/** How soon, at the least, a queue that waits is looked at again. */
const LOOK_AGAIN_MS = 20;

/** The backends of one program and the queue of its requests. */
export class Pool implements BackendOwner {
  #program: Program;
  readonly #owner: PoolOwner;
  readonly #deps: BackendDeps;
  readonly #backends = new Set<Backend>();
  readonly #idle = new IdleList();
  readonly #queue: WaitQueue;
  readonly #lentAt = new Map<Backend, number>();
  #serviceMs: number | undefined;
  #bootMs: number | undefined;
  readonly #boots = new BootRecord();
  #retryTimer: Timer | undefined;
  #isStopping = false;

  constructor(program: Program, owner: PoolOwner, deps: BackendDeps) {
    this.#program = program;
    this.#owner = owner;
    this.#deps = deps;
    this.#queue = new WaitQueue(deps.clock);
  }

  get program(): Program {
    return this.#program;
  }

  /** All that live, stopping ones included. */
  get size(): number {
    return this.#backends.size;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** Whether nothing would be lost with this pool. */
  get isEmpty(): boolean {
    return (
      this.#backends.size === 0 &&
      this.#queue.length === 0 &&
      this.#boots.waitMs(this.#deps.clock.now()) === 0
    );
  }

  /** The free backend that was used longest ago. */
  get idlest(): Backend | undefined {
    return this.#idle.idlest;
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
    for (const backend of [...this.#backends]) {
      if (backend.state === "idle" || backend.state === "starting") this.stop(backend, "new version");
    }
  }

  /**
   * A backend for one request: at once where one is free, otherwise a place in the queue. `unserved` asks for one that
   * has not served yet.
   * @throws FpmError QUEUE_FULL, BREAKER_OPEN, SHUTTING_DOWN.
   */
  lease(unserved: boolean): Backend | Waiting {
    if (this.#isStopping) throw new FpmError("SHUTTING_DOWN", "daemon", "std-fpm is shutting down.");
    if (this.#breakerIsOpen()) throw this.#breakerError();
    const free = this.#queue.length === 0 ? this.#idle.take(unserved) : undefined;
    if (free) return this.#lend(free);
    const { queueLength, queueTimeoutMs } = this.#program.app;
    const limit = queueLength || DEFAULT_QUEUE_LENGTH;
    if (this.#queue.length >= limit) {
      throw new FpmError("QUEUE_FULL", "daemon", `${this.#program.name}: ${limit} requests wait already.`);
    }
    const waiting = this.#queue.add(unserved, queueTimeoutMs, () => this.#queueTimeout());
    this.act();
    return waiting;
  }

  /** Takes a backend back after its request. `keepLink`: its connection is fit for another one. */
  release(backend: Backend, keepLink: boolean): void {
    const lentAt = this.#lentAt.get(backend);
    this.#lentAt.delete(backend);
    if (lentAt !== undefined) this.#serviceMs = follow(this.#serviceMs, this.#deps.clock.now() - lentAt);
    backend.returnToIdle(keepLink && this.#program.app.keepConnection);
    if (backend.state === "idle") this.#onFree(backend);
  }

  /** Takes a backend back that was lent and not used. */
  takeBack(backend: Backend): void {
    this.#lentAt.delete(backend);
    backend.giveBack();
    if (backend.state === "idle") this.#onFree(backend);
  }

  /** Ends a backend; `program.app.stopTimeoutMs` after SIGTERM it is killed, at once with `force`. */
  stop(backend: Backend, reason: StopReason, force = false): void {
    this.#idle.remove(backend);
    backend.stop(reason, force ? 0 : backend.program.app.stopTimeoutMs);
  }

  /** Lends, starts and refuses whatever is due now. */
  act(): void {
    if (this.#queue.length === 0 && this.#backends.size >= this.#program.app.minProcesses) return;
    // Where no more can be started, a request that would like a fresh process takes any.
    const takesAny = this.#isAtCap();
    while (this.#queue.length > 0) {
      const onlyUnserved = !takesAny && this.#queue.length === this.#queue.lengthUnserved;
      const free = this.#idle.take(onlyUnserved);
      if (!free || !this.#queue.give(this.#lend(free), takesAny)) break;
    }
    if (this.#isStopping) return;
    const pauseMs = this.#boots.waitMs(this.#deps.clock.now());
    if (pauseMs > 0) {
      this.#actAt(pauseMs);
      return;
    }
    const view = this.#view();
    for (let starts = startsWanted(view); starts > 0; starts--) {
      if (!this.#start()) return;
    }
    if (view.waiting === 0) return;
    if (view.room <= 0 && view.total === 0) this.#owner.wantRoom(this);
    // Time alone can make a start worth while: those at work may take longer than the mean.
    this.#actAt(Math.max(LOOK_AGAIN_MS, view.bootMs ?? 0));
  }

  /** Ends backends that nobody has needed for `idle_timeout`. */
  reap(): void {
    const { idleTimeoutMs, minProcesses } = this.#program.app;
    const before = this.#deps.clock.now() - idleTimeoutMs;
    while (this.#backends.size > minProcesses) {
      const { idlest } = this.#idle;
      if (!idlest || idlest.idleSince > before) break;
      this.stop(idlest, "idle");
    }
    this.act();
  }

  /** Refuses what waits and ends every backend; settles when all have gone. */
  async stopAll(): Promise<void> {
    this.#isStopping = true;
    this.#retryTimer?.cancel();
    this.#queue.refuse(
      this.#queue.length,
      new FpmError("SHUTTING_DOWN", "daemon", "std-fpm is shutting down."),
    );
    const backends = [...this.#backends];
    for (const backend of backends) this.stop(backend, "shutdown");
    await Promise.all(backends.map((backend) => backend.finished));
  }

  onBackendReady(backend: Backend): void {
    this.#boots.reset();
    this.#bootMs = follow(this.#bootMs, this.#deps.clock.now() - backend.startedAt);
    this.#onFree(backend);
  }

  onBackendExit(backend: Backend, exit: Exit): void {
    this.#backends.delete(backend);
    this.#idle.remove(backend);
    this.#lentAt.delete(backend);
    const now = this.#deps.clock.now();
    const failure = bootFailureOf(backend, exit);
    if (failure) this.#refuseAfterBootFailure(failure, this.#boots.fail(now));
    void logExit(backend, exit, now - backend.startedAt, this.#deps.log);
    this.#owner.onRoom();
    this.act();
  }

  #isAtCap(): boolean {
    const { maxProcesses } = this.#program.app;
    return this.#owner.room() <= 0 || (maxProcesses > 0 && this.#backends.size >= maxProcesses);
  }

  #lend(backend: Backend): Backend {
    backend.lend();
    this.#lentAt.set(backend, this.#deps.clock.now());
    return backend;
  }

  #onFree(backend: Backend): void {
    if (this.#isStopping) this.stop(backend, "shutdown");
    else if (backend.program.generation !== this.#program.generation) this.stop(backend, "new version");
    else this.#idle.push(backend);
    this.act();
  }

  /** False when the program cannot be started. */
  #start(): boolean {
    try {
      const backend = new Backend(this.#program, this, this.#deps);
      this.#backends.add(backend);
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
    } else if (this.#lentAt.size === 0 && this.#idle.length === 0) this.#queue.refuse(1, error);
    this.#actAt(pauseMs);
  }

  /** While others are at work a failed start refuses nobody. */
  #breakerIsOpen(): boolean {
    return this.#boots.isOpen(this.#deps.clock.now()) && this.#idle.length === 0 && this.#lentAt.size === 0;
  }

  #breakerError(): FpmError {
    const seconds = Math.ceil(this.#boots.waitMs(this.#deps.clock.now()) / 1000);
    const last = this.#boots.lastError?.message ?? "";
    return new FpmError("BREAKER_OPEN", "backend", `${last} Next try in ${seconds} s.`);
  }

  #actAt(delayMs: number): void {
    this.#retryTimer?.cancel();
    this.#retryTimer = this.#deps.clock.after(delayMs, () => this.act());
  }

  #queueTimeout(): FpmError {
    const { name, app } = this.#program;
    const after = `${app.queueTimeoutMs / 1000} s`;
    return new FpmError(
      "QUEUE_TIMEOUT",
      "daemon",
      `${name}: no process became free within queue_timeout (${after}).`,
    );
  }

  #view(): PoolView {
    let starting = 0;
    for (const { state } of this.#backends) if (state === "starting") starting++;
    const { app } = this.#program;
    return {
      waiting: this.#queue.length,
      waitingForUnserved: this.#queue.lengthUnserved,
      oldestWaitMs: this.#queue.oldestWaitMs,
      idle: this.#idle.length,
      idleUnserved: this.#idle.unserved,
      busy: this.#lentAt.size,
      starting,
      total: this.#backends.size,
      minProcesses: app.minProcesses,
      maxProcesses: app.maxProcesses || Number.POSITIVE_INFINITY,
      room: this.#owner.room(),
      startsAtOnce: this.#owner.startsAtOnce,
      serviceMs: this.#serviceMs,
      bootMs: this.#bootMs,
    };
  }
}
