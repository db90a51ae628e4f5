import type { Backend } from "../backend/backend.ts";
import type { Clock } from "../base/clock.ts";
import { bootsAtOnce, processCap } from "./cap.ts";
import { IdleList } from "./idle-list.ts";
import type { Machine } from "./pool-owner.ts";
import { type Lifespan, lifespanOf, type RecycleReason, recycleReason } from "./recycling.ts";
import { Workload } from "./workload.ts";

/** The processes of one program: which there are, which of them are free, and how many there may be. */
export class Population {
  readonly idle = new IdleList();
  readonly workload: Workload;
  readonly #machine: Machine;
  readonly #clock: Clock;
  readonly #backends = new Map<Backend, Lifespan>();

  constructor(machine: Machine, clock: Clock) {
    this.#machine = machine;
    this.#clock = clock;
    this.workload = new Workload(clock);
  }

  get all(): readonly Backend[] {
    return [...this.#backends.keys()];
  }

  /** All that live, stopping ones included. */
  get size(): number {
    return this.#backends.size;
  }

  /** All but those that are stopping. */
  get living(): number {
    return this.size - this.#count("stopping");
  }

  get starting(): number {
    return this.#count("starting");
  }

  /** Whether any is free or at work. */
  get isServing(): boolean {
    return this.workload.busy > 0 || this.idle.length > 0;
  }

  /** How many boots may be in flight. */
  get bootsAtOnce(): number {
    return bootsAtOnce(this.#machine.cores, this.workload.measures.bootCpuShare);
  }

  /** Most processes: what the cores and the memory can use, or `maxProcesses` where that is not 0. */
  cap(maxProcesses: number): number {
    const { serviceMs, memoryBytes } = this.workload.measures;
    const { cpuShare, meanAgeMs } = this.workload;
    return processCap({ ...this.#machine, cpuShare, serviceMs, meanAgeMs, memoryBytes, maxProcesses });
  }

  add(backend: Backend): void {
    this.#backends.set(backend, lifespanOf(backend.program.app, Math.random()));
  }

  /** Why a free process is to end and be replaced. */
  recycleReason(backend: Backend): RecycleReason | undefined {
    const lifespan = this.#backends.get(backend);
    const { served, startedAt, memoryBytes } = backend;
    return lifespan && recycleReason(lifespan, { served, ageMs: this.#clock.now() - startedAt, memoryBytes });
  }

  /** The process has ended. */
  remove(backend: Backend): void {
    this.#backends.delete(backend);
    this.idle.remove(backend);
    this.workload.forget(backend, true);
  }

  /** Takes a free one for a request; with `unserved` only one that has not served yet. */
  lend(unserved: boolean): Backend | undefined {
    const backend = this.idle.take(unserved);
    backend?.lend();
    if (backend) this.workload.onLent(backend);
    return backend;
  }

  #count(state: Backend["state"]): number {
    let count = 0;
    for (const backend of this.#backends.keys()) if (backend.state === state) count++;
    return count;
  }
}
