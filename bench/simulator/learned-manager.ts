import { bootsAtOnce, processCap } from "../../src/pool/cap.ts";
import { type Demand, keptAtHand, withMean } from "../../src/pool/demand.ts";
import { byNeed, evictionFor, evictionsAhead, evictionsInNeed } from "../../src/pool/eviction.ts";
import {
  bootShareSoFar,
  type CpuUse,
  cpuShare,
  type Measures,
  UNKNOWN,
  withBoot,
  withCpuUse,
  withService,
} from "../../src/pool/measures.ts";
import { lookAgainMs, mayRetire, type PoolView, startsWanted } from "../../src/pool/policy.ts";
import type { Manager, Ruler } from "./manager.ts";
import type { Scenario } from "./scenario.ts";
import type { SimulatedPool } from "./simulated-pool.ts";
import type { World } from "./simulated-process.ts";

/** How the CPU share is computed: as src/pool/measures.ts does, or in ways that were tried. */
export type ShareRule = (use: CpuUse) => number | undefined;

/** What is remembered of one pool. */
interface Memory {
  measures: Measures;
  demand: Demand;
  workedMs: number;
  lookedAt: number;
  hasTimer: boolean;
  owed: number;
}

const IDLE_TIMEOUT_MS = 180_000;
const LOOK_EVERY_MS = 100;

/** std-fpm: the functions of src/pool, called as src/pool/pool.ts and registry.ts call them. */
export function learned(name = "std-fpm", shareRule: ShareRule = cpuShare): Manager {
  return { name, begin: (world, scenario) => new LearnedRuler(world, scenario, shareRule) };
}

class LearnedRuler implements Ruler {
  readonly #world: World & { readonly pools: readonly SimulatedPool[] };
  readonly #scenario: Scenario;
  readonly #shareRule: ShareRule;
  readonly #memories = new Map<SimulatedPool, Memory>();
  #total = 0;

  constructor(
    world: World & { readonly pools: readonly SimulatedPool[] },
    scenario: Scenario,
    shareRule: ShareRule,
  ) {
    this.#world = world;
    this.#scenario = scenario;
    this.#shareRule = shareRule;
  }

  onBegin(pool: SimulatedPool): void {
    this.#memories.set(pool, {
      measures: UNKNOWN,
      demand: [],
      workedMs: 0,
      lookedAt: Number.NEGATIVE_INFINITY,
      hasTimer: false,
      owed: 0,
    });
  }

  onReady(pool: SimulatedPool, boot: CpuUse): void {
    const memory = this.#of(pool);
    memory.measures = withBoot(memory.measures, boot);
  }

  onServed(pool: SimulatedPool, serviceMs: number): void {
    const memory = this.#of(pool);
    memory.measures = withService(memory.measures, serviceMs);
    if (memory.owed > 0 && pool.idle.length > 0) {
      memory.owed--;
      pool.stopIdlest();
    }
  }

  onGone(): void {
    this.#total--;
    const inNeed = this.#world.pools.filter((pool) => pool.queue.size > 0);
    for (const pool of inNeed.sort(byNeed)) this.onChange(pool);
  }

  onChange(pool: SimulatedPool): void {
    const memory = this.#of(pool);
    if (pool.queue.size === 0) return;
    this.#look(pool, memory);
    const view = this.#view(pool, memory);
    const starts = startsWanted(view);
    this.#total += starts;
    pool.start(starts);
    if (view.room <= 0 && startsWanted({ ...view, room: 1 }) > 0) this.#makeRoom(pool);
    else if (starts > 0) this.#makeRoom(undefined);
    this.#lookAgain(pool, memory, view);
  }

  onSecond(pool: SimulatedPool): void {
    const memory = this.#of(pool);
    if (pool.processes.size === 0 && pool.queue.size === 0) return;
    this.#look(pool, memory);
    const { workedMs } = pool;
    memory.demand = withMean(memory.demand, (workedMs - memory.workedMs) / 1000);
    memory.workedMs = workedMs;
    const limits = {
      minProcesses: 0,
      cap: this.#cap(pool, memory),
      keptAtHand: keptAtHand(memory.demand),
      idleTimeoutMs: IDLE_TIMEOUT_MS,
    };
    for (let idlest = pool.idle[0]; idlest; idlest = pool.idle[0]) {
      const idleMs = this.#world.now - idlest.idleSince;
      if (!mayRetire({ idleMs, living: pool.living, ...limits })) break;
      pool.stopIdlest();
    }
    this.onChange(pool);
  }

  #of(pool: SimulatedPool): Memory {
    return this.#memories.get(pool) as Memory;
  }

  /** Reads what the processes used, not more often than the daemon would. */
  #look(pool: SimulatedPool, memory: Memory): void {
    const { now } = this.#world;
    if (now - memory.lookedAt < LOOK_EVERY_MS && this.#shareRule(memory.measures) !== undefined) return;
    memory.lookedAt = now;
    for (const process of pool.processes) {
      if (process.state === "starting") continue;
      memory.measures = withCpuUse(memory.measures, process.useSinceLastLook());
    }
  }

  #cap(pool: SimulatedPool, { measures }: Memory): number {
    return processCap({
      cores: this.#scenario.cores,
      cpuShare: this.#shareRule(measures),
      serviceMs: measures.serviceMs,
      meanAgeMs: pool.meanAgeMs,
      memoryBudgetBytes: Number.POSITIVE_INFINITY,
      memoryBytes: undefined,
      maxProcesses: 0,
      concurrency: 1,
    });
  }

  #view(pool: SimulatedPool, memory: Memory): PoolView {
    const boots = [...pool.processes]
      .filter(({ state }) => state === "starting")
      .map((each) => each.bootSoFar);
    return {
      waiting: pool.queue.size,
      waitingForUnserved: 0,
      oldestWaitMs: pool.oldestWaitMs,
      idle: pool.idle.length,
      idleUnserved: 0,
      busy: pool.busy,
      starting: pool.starting,
      total: pool.processes.size,
      minProcesses: 0,
      maxProcesses: this.#cap(pool, memory),
      room: this.#scenario.globalCap - this.#total,
      startsAtOnce: bootsAtOnce(this.#scenario.cores, memory.measures.bootCpuShare ?? bootShareSoFar(boots)),
      serviceMs: memory.measures.serviceMs,
      bootMs: memory.measures.bootMs,
      meanAgeMs: pool.meanAgeMs,
    };
  }

  /** Has other programs give up processes for `needy`, or for whoever comes next. */
  #makeRoom(needy: SimulatedPool | undefined): void {
    const { pools } = this.#world;
    const { globalCap: cap } = this.#scenario;
    const view = {
      room: cap - this.#total,
      leaving: pools.reduce((sum, pool) => sum + pool.stopping + this.#of(pool).owed, 0),
      inNeed: needy ? pools.filter((pool) => pool.queue.size > pool.starting).length : 0,
      cap,
    };
    if ((needy ? evictionsInNeed(view) : evictionsAhead(view)) === 0) return;
    const shares = pools.filter((pool) => pool !== needy).map((pool) => this.#share(pool));
    const eviction = evictionFor(needy ? needy.living : 1, shares);
    if (eviction?.when === "now") eviction.from.pool.stopIdlest();
    else if (eviction && needy) this.#of(eviction.from.pool).owed++;
  }

  #share(pool: SimulatedPool) {
    const idlest = pool.idle[0];
    return {
      pool,
      living: pool.living,
      minProcesses: 0,
      idlestMs: idlest && this.#world.now - idlest.idleSince,
      owed: this.#of(pool).owed,
    };
  }

  #lookAgain(pool: SimulatedPool, memory: Memory, view: PoolView): void {
    const delayMs = lookAgainMs(view);
    if (delayMs === undefined || memory.hasTimer) return;
    memory.hasTimer = true;
    this.#world.timeline.add(this.#world.now + delayMs, () => {
      memory.hasTimer = false;
      this.onChange(pool);
    });
  }
}
