import type { Backend } from "../backend/backend.ts";
import type { Clock } from "../base/clock.ts";
import { bootsAtOnce, processCap } from "./cap.ts";
import { IdleList } from "./idle-list.ts";
import type { Machine } from "./pool-owner.ts";
import { Workload } from "./workload.ts";

/** The processes of one program: which there are, which of them are free, and how many there may be. */
export class Population {
  readonly idle = new IdleList();
  readonly workload: Workload;
  readonly #machine: Machine;
  readonly #backends = new Set<Backend>();

  constructor(machine: Machine, clock: Clock) {
    this.#machine = machine;
    this.workload = new Workload(clock);
  }

  get all(): readonly Backend[] {
    return [...this.#backends];
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
    this.#backends.add(backend);
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
    for (const backend of this.#backends) if (backend.state === state) count++;
    return count;
  }
}
