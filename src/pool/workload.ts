import type { Backend } from "../backend/backend.ts";
import { cpuUsageOf, memoryOf, type Usage } from "../backend/usage.ts";
import type { Clock } from "../base/clock.ts";
import { type Demand, keptAtHand, withMean } from "./demand.ts";
import {
  cpuShare,
  type Measures,
  UNKNOWN,
  withBoot,
  withCpuUse,
  withMemory,
  withService,
} from "./measures.ts";

/** Processes are looked at no more often than this once something is known of them. */
const LOOK_EVERY_MS = 100;
/** Processes looked at in one look: each costs a file read from /proc, about 10 µs. */
const MOST_LOOKS = 16;
const NOTHING_USED: Usage = { runMs: 0, cpuWaitMs: 0 };

/** One process as it was seen last. */
interface Seen {
  usage: Usage;
  /** Time at work on requests that have ended. */
  workedMs: number;
  /** Time at work at the last look. */
  workedThenMs: number;
}

/**
 * What the processes of one program are at, and what was learned of them: how long requests and boots take, how much of a
 * core and of the memory a process uses. Nothing is measured while a request is handed on but two clock readings.
 */
export class Workload {
  readonly #clock: Clock;
  readonly #lentAt = new Map<Backend, number>();
  readonly #seen = new Map<Backend, Seen>();
  #lentAtSum = 0;
  #workedMs = 0;
  #workedLastSecondMs = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #secondAt: number;
  #measures = UNKNOWN;
  #demand: Demand = [];

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#secondAt = clock.now();
  }

  get measures(): Measures {
    return this.#measures;
  }

  /** The part of a core that a process uses while at work; undefined while unknown. */
  get cpuShare(): number | undefined {
    return cpuShare(this.#measures);
  }

  /** How many processes are at work on a request. */
  get busy(): number {
    return this.#lentAt.size;
  }

  /** How long ago the requests at work were lent a process, on the mean. */
  get meanAgeMs(): number {
    return this.busy === 0 ? 0 : this.#clock.now() - this.#lentAtSum / this.busy;
  }

  /** How many processes the traffic of the last minute asks for. */
  get keptAtHand(): number {
    return keptAtHand(this.#demand);
  }

  onReady(backend: Backend): void {
    const usage = cpuUsageOf(backend.pid) ?? NOTHING_USED;
    this.#seen.set(backend, { usage, workedMs: 0, workedThenMs: 0 });
    const busyMs = this.#clock.now() - backend.startedAt;
    this.#measures = withBoot(this.#measures, { ...usage, busyMs });
  }

  onLent(backend: Backend): void {
    const now = this.#clock.now();
    this.#lentAt.set(backend, now);
    this.#lentAtSum += now;
  }

  /** Its request has ended. */
  onDone(backend: Backend): void {
    const workedMs = this.#end(backend);
    if (workedMs !== undefined) this.#measures = withService(this.#measures, workedMs);
  }

  /** It was lent and not used, or has ended: what it did says nothing about how long requests take. */
  forget(backend: Backend, isGone: boolean): void {
    this.#end(backend);
    if (isGone) this.#seen.delete(backend);
  }

  /** Reads what the processes have used of the CPU, unless that was done a moment ago. */
  look(): void {
    const now = this.#clock.now();
    if (now - this.#lookedAt < LOOK_EVERY_MS && this.cpuShare !== undefined) return;
    this.#lookedAt = now;
    for (let looks = Math.min(MOST_LOOKS, this.#seen.size); looks > 0; looks--) {
      const next = this.#nextSeen();
      if (next) this.#lookAt(...next, now);
    }
  }

  /** A second has passed: notes how many processes were at work. */
  onSecond(): void {
    this.look();
    const now = this.#clock.now();
    const workedMs = this.#workedMs + this.busy * this.meanAgeMs;
    const elapsedMs = Math.max(1, now - this.#secondAt);
    this.#demand = withMean(this.#demand, (workedMs - this.#workedLastSecondMs) / elapsedMs);
    this.#workedLastSecondMs = workedMs;
    this.#secondAt = now;
  }

  /** Reads what one of the processes holds in memory; another one each time. */
  lookAtMemory(): void {
    const next = this.#nextSeen();
    const bytes = next && memoryOf(next[0].pid);
    if (bytes !== undefined) this.#measures = withMemory(this.#measures, bytes);
  }

  /** The process that was looked at longest ago; it goes to the end of the line. */
  #nextSeen(): [Backend, Seen] | undefined {
    const [next] = this.#seen;
    if (!next) return undefined;
    this.#seen.delete(next[0]);
    this.#seen.set(...next);
    return next;
  }

  /** How long the request took that the process was lent to. */
  #end(backend: Backend): number | undefined {
    const lentAt = this.#lentAt.get(backend);
    if (lentAt === undefined) return undefined;
    this.#lentAt.delete(backend);
    this.#lentAtSum -= lentAt;
    const workedMs = this.#clock.now() - lentAt;
    this.#workedMs += workedMs;
    const seen = this.#seen.get(backend);
    if (seen) seen.workedMs += workedMs;
    return workedMs;
  }

  #lookAt(backend: Backend, seen: Seen, now: number): void {
    const usage = cpuUsageOf(backend.pid);
    if (!usage) return;
    const lentAt = this.#lentAt.get(backend);
    const workedMs = seen.workedMs + (lentAt === undefined ? 0 : now - lentAt);
    this.#measures = withCpuUse(this.#measures, {
      runMs: usage.runMs - seen.usage.runMs,
      cpuWaitMs: usage.cpuWaitMs - seen.usage.cpuWaitMs,
      busyMs: workedMs - seen.workedThenMs,
    });
    seen.usage = usage;
    seen.workedThenMs = workedMs;
  }
}
