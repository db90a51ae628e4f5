import { bootsAtOnce, processCap } from "../../src/pool/cap.ts";
import { type Demand, keptAtHand, withMean } from "../../src/pool/demand.ts";
import {
  bootShareSoFar,
  type CpuUse,
  cpuShare,
  type Measures,
  UNKNOWN,
  withBoot,
  withCpuUse,
} from "../../src/pool/measures.ts";
import { follow, lookAgainMs, mayRetire, type PoolView, startsWanted } from "../../src/pool/policy.ts";
import { type Reserve, reserveOf, type Sharer, Sharing } from "../../src/pool/sharing.ts";
import type { Manager, Ruler } from "./manager.ts";
import type { Scenario } from "./scenario.ts";
import type { SimulatedPool } from "./simulated-pool.ts";
import type { World } from "./simulated-process.ts";

/** How the CPU share is computed: as src/pool/measures.ts does, or in ways that were tried. */
export type ShareRule = (use: CpuUse) => number | undefined;

/** What may be another rule than std-fpm's. */
export interface Rules {
  readonly share?: ShareRule;
  readonly reserve?: Reserve;
}

const IDLE_TIMEOUT_MS = 180_000;
const LOOK_EVERY_MS = 100;
/** A turn of the daemon's event loop that starts as many processes as one may. */
const TURN_MS = 2;

/** std-fpm: the functions of src/pool, called as src/pool/pool.ts and registry.ts call them. */
export function learned(name = "std-fpm", rules: Rules = {}): Manager {
  return { name, begin: (world, scenario) => new LearnedRuler(world, scenario, rules) };
}

/** What src/pool/registry.ts does. */
class LearnedRuler implements Ruler {
  readonly #world: World;
  readonly #scenario: Scenario;
  readonly #rules: Rules;
  readonly #pools = new Map<SimulatedPool, LearnedPool>();
  readonly #sharing: Sharing<LearnedPool>;
  readonly #changed = new Set<LearnedPool>();
  #isPassDue = false;
  #nextPassAt = 0;

  constructor(world: World, scenario: Scenario, rules: Rules) {
    this.#world = world;
    this.#scenario = scenario;
    this.#rules = rules;
    this.#sharing = new Sharing(scenario.globalCap, rules.reserve ?? reserveOf);
    this.#sharing.hasOthers = scenario.programs > 1;
  }

  onBegin(pool: SimulatedPool): void {
    const { cores } = this.#scenario;
    const onChange = () => this.onChange(pool);
    this.#pools.set(pool, new LearnedPool(pool, this.#world, cores, this.#rules.share ?? cpuShare, onChange));
  }

  onReady(pool: SimulatedPool, boot: CpuUse): void {
    this.#of(pool).onReady(boot);
  }

  onServed(pool: SimulatedPool, serviceMs: number): void {
    const learnedPool = this.#of(pool);
    learnedPool.onServed(serviceMs);
    if (this.#sharing.mustGiveUp(learnedPool)) pool.stopNewest();
  }

  onGone(pool: SimulatedPool): void {
    this.onChange(pool);
  }

  onChange(pool: SimulatedPool): void {
    this.#changed.add(this.#of(pool));
    this.#passSoon();
  }

  onSecond(pool: SimulatedPool): void {
    if (this.#of(pool).onSecond()) this.onChange(pool);
  }

  #of(pool: SimulatedPool): LearnedPool {
    return this.#pools.get(pool) as LearnedPool;
  }

  #passSoon(): void {
    if (this.#isPassDue) return;
    this.#isPassDue = true;
    this.#world.timeline.add(this.#world.now, () => this.#pass());
  }

  #pass(): void {
    this.#isPassDue = false;
    for (const pool of this.#changed) {
      pool.review();
      this.#sharing.note(pool);
    }
    this.#changed.clear();
    const againMs = this.#sharing.giveOut(this.#world.now);
    if (againMs === Number.POSITIVE_INFINITY) return;
    this.#nextPassAt = this.#world.now + Math.max(againMs, TURN_MS);
    const at = this.#nextPassAt;
    this.#world.timeline.add(at, () => {
      if (at === this.#nextPassAt) this.#passSoon();
    });
  }
}

/** What src/pool/pool.ts does. */
class LearnedPool implements Sharer {
  readonly kept = 0;
  readonly #pool: SimulatedPool;
  readonly #world: World;
  readonly #cores: number;
  readonly #shareRule: ShareRule;
  readonly #onChange: () => void;
  #wanted = 0;
  #measures: Measures = UNKNOWN;
  #demand: Demand = [];
  #workedMs = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #hasTimer = false;

  constructor(pool: SimulatedPool, world: World, cores: number, shareRule: ShareRule, onChange: () => void) {
    this.#pool = pool;
    this.#world = world;
    this.#cores = cores;
    this.#shareRule = shareRule;
    this.#onChange = onChange;
  }

  get size(): number {
    return this.#pool.processes.size;
  }

  get living(): number {
    return this.#pool.living;
  }

  get idleSince(): number | undefined {
    return this.#pool.idle[0]?.idleSince;
  }

  get wanted(): number {
    return this.#pool.queue.size === 0 ? 0 : this.#wanted;
  }

  get waitingSince(): number {
    return this.#world.now - this.#pool.oldestWaitMs;
  }

  onReady(boot: CpuUse): void {
    this.#measures = withBoot(this.#measures, boot);
  }

  onServed(serviceMs: number): void {
    this.#measures = {
      ...this.#measures,
      serviceMs: follow(this.#measures.serviceMs, serviceMs),
    };
  }

  review(): void {
    this.#wanted = 0;
    if (this.#pool.queue.size === 0) return;
    this.#look();
    const view = this.#view;
    this.#wanted = startsWanted(view);
    if (this.#wanted === 0) this.#lookAgain(view);
  }

  start(): void {
    this.#wanted--;
    this.#pool.start(1);
    this.#onChange();
  }

  giveUpIdlest(): void {
    this.#pool.stopIdlest();
  }

  onHeldBack(): void {}

  giveUpLoneliest(): boolean {
    return false;
  }

  /** False where nothing runs and nobody waits. */
  onSecond(): boolean {
    const pool = this.#pool;
    if (pool.processes.size === 0 && pool.queue.size === 0) return false;
    this.#look();
    this.#demand = withMean(this.#demand, (pool.workedMs - this.#workedMs) / 1000);
    this.#workedMs = pool.workedMs;
    const limits = {
      minProcesses: 0,
      cap: this.#cap,
      keptAtHand: keptAtHand(this.#demand),
      idleTimeoutMs: IDLE_TIMEOUT_MS,
    };
    for (let idlest = pool.idle[0]; idlest; idlest = pool.idle[0]) {
      const idleMs = this.#world.now - idlest.idleSince;
      if (!mayRetire({ idleMs, living: pool.living, ...limits })) break;
      pool.stopIdlest();
    }
    return true;
  }

  /** Reads what the processes used, not more often than the daemon would. */
  #look(): void {
    const { now } = this.#world;
    if (now - this.#lookedAt < LOOK_EVERY_MS && this.#shareRule(this.#measures) !== undefined) return;
    this.#lookedAt = now;
    for (const process of this.#pool.processes) {
      if (process.state === "starting") continue;
      this.#measures = withCpuUse(this.#measures, process.useSinceLastLook());
    }
  }

  get #cap(): number {
    return processCap({
      cores: this.#cores,
      cpuShare: this.#shareRule(this.#measures),
      serviceMs: this.#measures.serviceMs,
      meanAgeMs: this.#pool.meanAgeMs,
      memoryBudgetBytes: Number.POSITIVE_INFINITY,
      memoryBytes: undefined,
      maxProcesses: 0,
      concurrency: 1,
    });
  }

  get #view(): PoolView {
    const pool = this.#pool;
    const measures = this.#measures;
    const boots = [...pool.processes]
      .filter(({ state }) => state === "starting")
      .map((each) => each.bootSoFar);
    return {
      waiting: pool.queue.size,
      oldestWaitMs: pool.oldestWaitMs,
      busy: pool.busy,
      starting: pool.starting,
      total: pool.processes.size,
      minProcesses: 0,
      maxProcesses: this.#cap,
      startsAtOnce: bootsAtOnce(this.#cores, measures.bootCpuShare ?? bootShareSoFar(boots)),
      serviceMs: measures.serviceMs,
      bootMs: measures.bootMs,
      meanAgeMs: pool.meanAgeMs,
    };
  }

  #lookAgain(view: PoolView): void {
    const delayMs = lookAgainMs(view);
    if (delayMs === undefined || this.#hasTimer) return;
    this.#hasTimer = true;
    this.#world.timeline.add(this.#world.now + delayMs, () => {
      this.#hasTimer = false;
      this.#onChange();
    });
  }
}
