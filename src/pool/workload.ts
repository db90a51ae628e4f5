import type { Backend } from "../backend/backend.ts";
import type { Lease } from "../backend/lease.ts";
import { memoryOf, type Usage } from "../backend/usage.ts";
import type { Clock } from "../base/clock.ts";
import { type Demand, keptAtHand, withMean } from "./demand.ts";
import {
  bootShareSoFar,
  cpuShare,
  type Measures,
  UNKNOWN,
  withBoot,
  withCpuUse,
  withMemory,
  withService,
} from "./measures.ts";
import type { Tally } from "./tally.ts";

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
  readonly #tally: Tally;
  readonly #leases = new Set<Lease>();
  readonly #seen = new Map<Backend, Seen>();
  #lentAtSum = 0;
  #workedMs = 0;
  #workedLastSecondMs = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #secondAt: number;
  #measures = UNKNOWN;
  #demand: Demand = [];

  constructor(clock: Clock, tally: Tally) {
    this.#clock = clock;
    this.#tally = tally;
    this.#secondAt = clock.now();
  }

  get measures(): Measures {
    return this.#measures;
  }

  /** The part of a core that a process uses while at work; undefined while unknown. */
  get cpuShare(): number | undefined {
    return cpuShare(this.#measures);
  }

  /** The part of a core that a boot uses; of the first ones what they have used so far. Undefined while unknown. */
  bootCpuShare(starting: readonly Backend[]): number | undefined {
    const known = this.#measures.bootCpuShare;
    if (known !== undefined) return known;
    const now = this.#clock.now();
    const some = starting.slice(0, MOST_LOOKS);
    return bootShareSoFar(
      some.map(({ usage, startedAt }) => ({ ...(usage ?? NOTHING_USED), busyMs: now - startedAt })),
    );
  }

  /** How many requests are at work. */
  get busy(): number {
    return this.#leases.size;
  }

  /** How long ago the requests at work were lent a process, on the mean. */
  get meanAgeMs(): number {
    return this.busy === 0 ? 0 : this.#clock.now() - this.#lentAtSum / this.busy;
  }

  /** How many requests at once the traffic of the last minute has, and some more. */
  get keptAtHand(): number {
    return keptAtHand(this.#demand);
  }

  onReady(backend: Backend): void {
    const usage = backend.usage ?? NOTHING_USED;
    this.#seen.set(backend, { usage, workedMs: 0, workedThenMs: 0 });
    this.#tally.cpuMs += usage.runMs;
    const busyMs = this.#clock.now() - backend.startedAt;
    this.#measures = withBoot(this.#measures, { ...usage, busyMs });
  }

  onLent(lease: Lease): void {
    this.#leases.add(lease);
    this.#lentAtSum += lease.since;
  }

  /** Its request has ended. */
  onDone(lease: Lease): void {
    const workedMs = this.#end(lease);
    if (workedMs !== undefined) this.#measures = withService(this.#measures, workedMs);
  }

  /** It was lent and not used: that says nothing about how long requests take. */
  onUnused(lease: Lease): void {
    this.#end(lease);
  }

  /** The process has ended; what it was at says nothing either. */
  forget(backend: Backend): void {
    for (const lease of backend.leases) this.#end(lease);
    this.#seen.delete(backend);
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

  /** How long the request took; undefined when it has been counted. */
  #end(lease: Lease): number | undefined {
    if (!this.#leases.delete(lease)) return undefined;
    this.#lentAtSum -= lease.since;
    const workedMs = this.#clock.now() - lease.since;
    this.#workedMs += workedMs;
    const seen = this.#seen.get(lease.backend);
    if (seen) seen.workedMs += workedMs;
    return workedMs;
  }

  #lookAt(backend: Backend, seen: Seen, now: number): void {
    const { usage } = backend;
    if (!usage) return;
    let workedMs = seen.workedMs;
    for (const { since } of backend.leases) workedMs += now - since;
    this.#tally.cpuMs += usage.runMs - seen.usage.runMs;
    this.#measures = withCpuUse(this.#measures, {
      runMs: usage.runMs - seen.usage.runMs,
      cpuWaitMs: usage.cpuWaitMs - seen.usage.cpuWaitMs,
      busyMs: workedMs - seen.workedThenMs,
    });
    seen.usage = usage;
    seen.workedThenMs = workedMs;
  }
}
