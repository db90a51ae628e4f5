import type { CpuUse } from "../../src/pool/measures.ts";
import type { Machine, Work } from "./machine.ts";
import type { Timeline } from "./timeline.ts";

/** What a boot or a request takes: half of the CPU time, the sleep, the other half. */
export interface Task {
  readonly cpuMs: number;
  readonly sleepMs: number;
}

/** Where processes run. */
export interface World {
  readonly now: number;
  readonly machine: Machine;
  readonly timeline: Timeline<() => void>;
}

type State = "starting" | "idle" | "busy" | "stopping";

/** One process of a program. */
export class SimulatedProcess {
  readonly startedAt: number;
  state: State = "starting";
  idleSince = 0;
  lentAt = 0;
  readonly #world: World;
  readonly #done = { runMs: 0, cpuWaitMs: 0, busyMs: 0 };
  #work: Work | undefined;
  #seen: CpuUse = { ...this.#done };

  constructor(world: World) {
    this.#world = world;
    this.startedAt = world.now;
  }

  boot(task: Task, onReady: (boot: CpuUse) => void): void {
    this.#do(task, () => {
      const boot = { ...this.#done, busyMs: this.#world.now - this.startedAt };
      this.state = "idle";
      this.idleSince = this.#world.now;
      // What the boot used is not the requests' use.
      this.#done.runMs = 0;
      this.#done.cpuWaitMs = 0;
      onReady(boot);
    });
  }

  /** What a boot has used until now. */
  get bootSoFar(): CpuUse {
    const use = { ...this.#done, busyMs: this.#world.now - this.startedAt };
    if (this.#work) this.#add(use, this.#work);
    return use;
  }

  serve(task: Task, onEnd: () => void): void {
    this.state = "busy";
    this.lentAt = this.#world.now;
    this.#do(task, () => {
      this.state = "idle";
      this.idleSince = this.#world.now;
      this.#done.busyMs += this.#world.now - this.lentAt;
      onEnd();
    });
  }

  /** What the requests used since the last call: what the daemon reads in /proc/PID/schedstat. */
  useSinceLastLook(): CpuUse {
    const use = { ...this.#done };
    if (this.state === "busy") use.busyMs += this.#world.now - this.lentAt;
    if (this.state === "busy" && this.#work) this.#add(use, this.#work);
    const seen = this.#seen;
    this.#seen = use;
    return {
      runMs: use.runMs - seen.runMs,
      cpuWaitMs: use.cpuWaitMs - seen.cpuWaitMs,
      busyMs: use.busyMs - seen.busyMs,
    };
  }

  #do({ cpuMs, sleepMs }: Task, onEnd: () => void): void {
    if (sleepMs === 0) {
      this.#compute(cpuMs, onEnd);
      return;
    }
    this.#compute(cpuMs / 2, () => {
      const wakeUp = () => this.#compute(cpuMs / 2, onEnd);
      this.#world.timeline.add(this.#world.now + sleepMs, wakeUp);
    });
  }

  #compute(cpuMs: number, onEnd: () => void): void {
    const work = this.#world.machine.run(cpuMs, () => {
      this.#add(this.#done, work);
      this.#work = undefined;
      onEnd();
    });
    this.#work = work;
  }

  #add(use: { runMs: number; cpuWaitMs: number }, work: Work): void {
    const got = this.#world.machine.got(work);
    use.runMs += got;
    use.cpuWaitMs += this.#world.now - work.startedAt - got;
  }
}
