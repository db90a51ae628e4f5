import type { CpuUse } from "../../src/pool/measures.ts";
import { onArrival } from "../../src/pool/policy.ts";
import { SimulatedProcess, type Task, type World } from "./simulated-process.ts";

/** A request that a scenario sends. */
export interface SimulatedRequest extends Task {
  readonly at: number;
  /** Which of the scenario's programs it asks for, from 0. */
  readonly program: number;
}

/** What is told of a pool, to those that decide and those that measure. */
export interface PoolEvents {
  /** Anything may have changed. */
  onChange(pool: SimulatedPool): void;
  onStarted(pool: SimulatedPool): void;
  onReady(pool: SimulatedPool, boot: CpuUse): void;
  onServed(pool: SimulatedPool, request: SimulatedRequest, waitMs: number, serviceMs: number): void;
  onRefused(pool: SimulatedPool): void;
  onGone(pool: SimulatedPool): void;
}

const QUEUE_LENGTH = 1024;
const QUEUE_TIMEOUT_MS = 30_000;
const STOP_MS = 20;

/** The processes of one program and its queue: what src/pool/pool.ts is to real ones, with its limits. */
export class SimulatedPool {
  readonly processes = new Set<SimulatedProcess>();
  /** The most recently used last. */
  readonly idle: SimulatedProcess[] = [];
  readonly queue = new Set<SimulatedRequest>();
  starting = 0;
  busy = 0;
  stopping = 0;
  started = 0;
  /** Sum of the times at which the busy ones were lent. */
  #lentAtSum = 0;
  /** Time at work of all requests that have ended. */
  #workedMs = 0;
  readonly #boot: Task;
  readonly #world: World;
  readonly #events: PoolEvents;

  constructor(boot: Task, world: World, events: PoolEvents) {
    this.#boot = boot;
    this.#world = world;
    this.#events = events;
  }

  /** Processes without those that are stopping. */
  get living(): number {
    return this.processes.size - this.stopping;
  }

  get oldestWaitMs(): number {
    const [oldest] = this.queue;
    return oldest ? this.#world.now - oldest.at : 0;
  }

  /** How long ago the requests in work were lent a process, on the mean. */
  get meanAgeMs(): number {
    return this.busy === 0 ? 0 : this.#world.now - this.#lentAtSum / this.busy;
  }

  /** Time at work until now, of all requests. */
  get workedMs(): number {
    return this.#workedMs + this.busy * this.meanAgeMs;
  }

  arrive(request: SimulatedRequest): void {
    const view = { hasFree: this.idle.length > 0, waiting: this.queue.size, queueLength: QUEUE_LENGTH };
    if (onArrival({ ...view, mayCome: 0, isBreakerOpen: false }) === "queue full") {
      this.#events.onRefused(this);
      return;
    }
    this.queue.add(request);
    this.#lendAll();
    if (!this.queue.has(request)) return;
    this.#world.timeline.add(this.#world.now + QUEUE_TIMEOUT_MS, () => {
      if (!this.queue.delete(request)) return;
      this.#events.onRefused(this);
      this.#events.onChange(this);
    });
    this.#events.onChange(this);
  }

  start(count: number): void {
    for (let i = 0; i < count; i++) {
      const process = new SimulatedProcess(this.#world);
      this.processes.add(process);
      this.started++;
      this.starting++;
      this.#events.onStarted(this);
      process.boot(this.#boot, (boot) => {
        this.starting--;
        this.idle.push(process);
        this.#events.onReady(this, boot);
        this.#lendAll();
        this.#events.onChange(this);
      });
    }
  }

  /** Ends the idlest process. */
  stopIdlest(): void {
    this.#stop(this.idle.shift());
  }

  /** Ends the process that has become free last. */
  stopNewest(): void {
    this.#stop(this.idle.pop());
  }

  #lendAll(): void {
    for (const request of this.queue) {
      const process = this.idle.pop();
      if (!process) return;
      this.queue.delete(request);
      const { now } = this.#world;
      this.busy++;
      this.#lentAtSum += now;
      process.serve(request, () => this.#onServed(process, request, now));
    }
  }

  #stop(process: SimulatedProcess | undefined): void {
    if (!process) throw new RangeError("no process is idle");
    process.state = "stopping";
    this.stopping++;
    this.#world.timeline.add(this.#world.now + STOP_MS, () => {
      this.stopping--;
      this.processes.delete(process);
      this.#events.onGone(this);
      this.#events.onChange(this);
    });
  }

  #onServed(process: SimulatedProcess, request: SimulatedRequest, lentAt: number): void {
    const serviceMs = this.#world.now - lentAt;
    this.busy--;
    this.#lentAtSum -= lentAt;
    this.#workedMs += serviceMs;
    this.idle.push(process);
    this.#events.onServed(this, request, lentAt - request.at, serviceMs);
    this.#lendAll();
    this.#events.onChange(this);
  }
}
