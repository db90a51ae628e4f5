import type { CpuUse } from "../../src/pool/measures.ts";
import { Machine } from "./machine.ts";
import type { Manager, Ruler } from "./manager.ts";
import { seededRandom } from "./random.ts";
import type { Scenario } from "./scenario.ts";
import { SimulatedPool, type SimulatedRequest } from "./simulated-pool.ts";
import type { World } from "./simulated-process.ts";
import { Timeline } from "./timeline.ts";

/** What one run of a scenario under one manager came to; times in milliseconds. */
export interface Result {
  readonly meanWaitMs: number;
  readonly p99WaitMs: number;
  /** Of the requests for other programs than the greedy ones; Infinity when none of them was served. */
  readonly p99WaitOthersMs: number;
  /** From arrival to the end of the request. */
  readonly meanAnswerMs: number;
  readonly p99AnswerMs: number;
  readonly started: number;
  /** The most that lived at once. */
  readonly peak: number;
  /** Lives of all processes until the scenario's end, added up. */
  readonly processSeconds: number;
  readonly served: number;
  readonly refused: number;
  /** Of these, the ones for other programs than the greedy ones. */
  readonly refusedOthers: number;
  /** The part of it that is drawn. */
  readonly trace: readonly Sample[];
}

/** All pools at one moment, or all but the greedy ones. */
export interface Sample {
  readonly at: number;
  readonly processes: number;
  readonly busy: number;
  readonly waiting: number;
}

/** A run begins before its traffic, so that those who start processes beforehand have them ready. */
const BEFORE_MS = 60_000;
const TICK_MS = 1000;
const SAMPLES = 400;

/** Runs a scenario under a manager. The same scenario, manager and seed give the same result. */
export function simulate(scenario: Scenario, manager: Manager, seed: number): Result {
  return new Simulation(scenario, manager, seed).run();
}

/** One run: virtual time, the machine, and all pools. */
class Simulation implements World {
  now = -BEFORE_MS;
  readonly machine: Machine;
  readonly timeline = new Timeline<() => void>();
  readonly pools: SimulatedPool[];
  readonly #scenario: Scenario;
  /** So many programs, the first ones, do not count as the others. */
  readonly #greedy: number;
  readonly #ruler: Ruler;
  readonly #requests: readonly SimulatedRequest[];
  readonly #waits: number[] = [];
  readonly #waitsOfOthers: number[] = [];
  readonly #answers: number[] = [];
  readonly #trace: Sample[] = [];
  #refused = 0;
  #refusedOthers = 0;
  #processMs = 0;
  #countedAt = 0;
  #living = 0;
  #peak = 0;

  constructor(scenario: Scenario, manager: Manager, seed: number) {
    this.#scenario = scenario;
    this.#greedy = scenario.greedy ?? 1;
    this.machine = new Machine(scenario.cores, this.now);
    this.#requests = scenario.requests(seededRandom(seed));
    this.#ruler = manager.begin(this, scenario);
    this.pools = Array.from(
      { length: scenario.programs },
      () => new SimulatedPool(scenario.boot, this, this),
    );
  }

  run(): Result {
    for (const request of this.#requests) {
      this.timeline.add(request.at, () => this.#pool(request.program).arrive(request));
    }
    this.#every(TICK_MS, () => {
      for (const pool of this.pools) this.#ruler.onSecond(pool);
    });
    const { plotMs = 0 } = this.#scenario;
    if (plotMs > 0) this.#every(plotMs / SAMPLES, () => this.#sample(plotMs));
    for (const pool of this.pools) this.#ruler.onBegin(pool);
    while (this.#isGoingOn) this.#step();
    return this.#result();
  }

  onChange(pool: SimulatedPool): void {
    this.#ruler.onChange(pool);
  }

  onStarted(): void {
    this.#count(1);
  }

  onReady(pool: SimulatedPool, boot: CpuUse): void {
    this.#ruler.onReady(pool, boot);
  }

  onServed(pool: SimulatedPool, request: SimulatedRequest, waitMs: number, serviceMs: number): void {
    this.#waits.push(waitMs);
    if (request.program >= this.#greedy) this.#waitsOfOthers.push(waitMs);
    this.#answers.push(waitMs + serviceMs);
    this.#ruler.onServed(pool, serviceMs);
  }

  onRefused(pool: SimulatedPool): void {
    this.#refused++;
    if (this.pools.indexOf(pool) >= this.#greedy) this.#refusedOthers++;
  }

  onGone(pool: SimulatedPool): void {
    this.#count(-1);
    this.#ruler.onGone(pool);
  }

  get #isGoingOn(): boolean {
    return this.now < this.#scenario.lengthMs || this.#waits.length + this.#refused < this.#requests.length;
  }

  #step(): void {
    const byMachine = this.machine.nextAt;
    const byTime = this.timeline.nextAt;
    this.now = Math.max(this.now, Math.min(byMachine, byTime));
    this.machine.advanceTo(this.now);
    if (byMachine <= byTime) this.machine.finishNext();
    else this.timeline.take()?.();
  }

  #pool(index: number): SimulatedPool {
    return this.pools[index] as SimulatedPool;
  }

  #every(periodMs: number, act: () => void): void {
    const again = () => {
      act();
      this.timeline.add(this.now + periodMs, again);
    };
    this.timeline.add(periodMs, again);
  }

  /** Adds up the lives of processes since the last call; from now on there are so many more of them. */
  #count(more: number): void {
    const now = Math.max(0, Math.min(this.now, this.#scenario.lengthMs));
    this.#processMs += this.#living * (now - this.#countedAt);
    this.#countedAt = now;
    this.#living += more;
    this.#peak = Math.max(this.#peak, this.#living);
  }

  #sample(untilMs: number): void {
    if (this.now < 0 || this.now > untilMs) return;
    const pools = this.pools.slice(this.#scenario.greedy ?? 0);
    const sum = (count: (pool: SimulatedPool) => number) =>
      pools.reduce((total, pool) => total + count(pool), 0);
    this.#trace.push({
      at: this.now,
      processes: sum((pool) => pool.processes.size),
      busy: sum((pool) => pool.busy),
      waiting: sum((pool) => pool.queue.size),
    });
  }

  #sum(count: (pool: SimulatedPool) => number): number {
    return this.pools.reduce((sum, pool) => sum + count(pool), 0);
  }

  #result(): Result {
    this.#count(0);
    const waits = Float64Array.from(this.#waits).sort();
    const answers = Float64Array.from(this.#answers).sort();
    return {
      meanWaitMs: mean(waits),
      p99WaitMs: percentile(waits, 0.99),
      p99WaitOthersMs:
        this.#waitsOfOthers.length === 0 && this.#refusedOthers > 0
          ? Number.POSITIVE_INFINITY
          : percentile(Float64Array.from(this.#waitsOfOthers).sort(), 0.99),
      meanAnswerMs: mean(answers),
      p99AnswerMs: percentile(answers, 0.99),
      started: this.#sum((pool) => pool.started),
      peak: this.#peak,
      processSeconds: this.#processMs / 1000,
      served: waits.length,
      refused: this.#refused,
      refusedOthers: this.#refusedOthers,
      trace: this.#trace,
    };
  }
}

function mean(values: Float64Array): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The value that `part` of all are not above. */
function percentile(sorted: Float64Array, part: number): number {
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0;
}
