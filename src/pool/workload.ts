import type { Backend, Lease } from "../backend/backend.ts";
import { ownTreeMemoryOf } from "../backend/process-tree.ts";
import { NOTHING_USED, type Usage } from "../backend/usage.ts";
import type { Clock } from "../base/clock.ts";
import { type Demand, fadesAfter, keptAtHand, withMean, withQuiet } from "./demand.ts";
import {
  bootShareSoFar,
  type CpuUse,
  cpuShare,
  type Measures,
  UNKNOWN,
  withBoot,
  withCpuUse,
  withMemory,
} from "./measures.ts";
import { follow } from "./policy.ts";
import type { Tally } from "./tally.ts";

/** Processes are looked at no more often than this once something is known of them. */
const LOOK_EVERY_MS = 100;
/** Processes looked at in one look: each costs a file read from /proc, 10 to 20 µs whatever the process is like. */
const MOST_LOOKS = 16;
/** What boots have used so far is read again after this time. */
const BOOT_LOOK_MS = 10;

/** One process as it was seen last. */
interface Seen {
  usage: Usage;
  /** When that was. */
  at: number;
  /** Time at work on requests that have ended, and for nobody. */
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
  #busy = 0;
  readonly #seen = new Map<Backend, Seen>();
  #lentAtSum = 0;
  #workedMs = 0;
  #workedLastSecondMs = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #secondAt: number;
  #bootsLookedAt = Number.NEGATIVE_INFINITY;
  #bootShareSoFar: number | undefined;
  /** All but `serviceMs`, which follows every request: an object for each would cost more than the request's share in the rest. */
  #measures = UNKNOWN;
  #serviceMs: number | undefined;
  #demand: Demand = [];
  /** Seconds that are not in it: none was at work. */
  #quietSeconds = 0;
  /** A process became free, or was lent, since the last second. */
  #isStirred = false;

  constructor(clock: Clock, tally: Tally) {
    this.#clock = clock;
    this.#tally = tally;
    this.#secondAt = clock.now();
  }

  get measures(): Measures {
    return { ...this.#measures, serviceMs: this.#serviceMs };
  }

  /** The part of a core that a process uses while at work; undefined while unknown. */
  get cpuShare(): number | undefined {
    return cpuShare(this.#measures);
  }

  /** The part of a core that those boots have used so far which are still going on; undefined while all are young. */
  bootShareSoFar(backends: Iterable<Backend>): number | undefined {
    const now = this.#clock.now();
    if (now - this.#bootsLookedAt < BOOT_LOOK_MS) return this.#bootShareSoFar;
    this.#bootsLookedAt = now;
    const boots: CpuUse[] = [];
    for (const backend of backends) {
      if (backend.state !== "starting") continue;
      boots.push({ ...(backend.usage ?? NOTHING_USED), busyMs: now - backend.startedAt });
      if (boots.length === MOST_LOOKS) break;
    }
    this.#bootShareSoFar = bootShareSoFar(boots);
    return this.#bootShareSoFar;
  }

  /** How many requests are at work. */
  get busy(): number {
    return this.#busy;
  }

  /** How long ago the requests at work were lent a process, on the mean. */
  get meanAgeMs(): number {
    return this.busy === 0 ? 0 : this.#clock.now() - this.#lentAtSum / this.busy;
  }

  /** How many requests at once the traffic of the last minute has, and some more. */
  get keptAtHand(): number {
    this.#addQuiet();
    return keptAtHand(this.#demand);
  }

  /** After how many seconds without a request that will be less; Infinity when it is none. */
  get fadesAfter(): number {
    this.#addQuiet();
    return fadesAfter(this.#demand);
  }

  /** Whether nothing has happened since the last second. */
  get isQuiet(): boolean {
    return !this.#isStirred && this.busy === 0;
  }

  /** A process can take another request: some are idle from now on. */
  onFree(): void {
    this.#isStirred = true;
  }

  onReady(backend: Backend): void {
    const usage = backend.usage ?? NOTHING_USED;
    this.#seen.set(backend, { usage, at: this.#clock.now(), workedMs: 0, workedThenMs: 0 });
    this.#tally.cpuMs += usage.runMs;
    const busyMs = this.#clock.now() - backend.startedAt;
    this.#measures = withBoot(this.#measures, { ...usage, busyMs });
  }

  onLent(lease: Lease): void {
    this.#isStirred = true;
    lease.isAtWork = true;
    this.#busy++;
    this.#lentAtSum += lease.since;
  }

  /** Its request has ended. */
  onDone(lease: Lease, now: number): void {
    const workedMs = this.#end(lease, now);
    if (workedMs !== undefined) this.#serviceMs = follow(this.#serviceMs, workedMs);
  }

  /** It was lent and not used: that says nothing about how long requests take. */
  onUnused(lease: Lease, now: number): void {
    this.#end(lease, now);
  }

  /** The process has ended; what it was at says nothing either. */
  forget(backend: Backend): void {
    const now = this.#clock.now();
    for (const lease of backend.leases) this.#end(lease, now);
    this.#seen.delete(backend);
  }

  /** Reads what the processes have used of the CPU, unless that was done a moment ago. Returns how many it looked at. */
  look(): number {
    const now = this.#clock.now();
    if (now - this.#lookedAt < LOOK_EVERY_MS && this.cpuShare !== undefined) return 0;
    this.#lookedAt = now;
    const looks = Math.min(MOST_LOOKS, this.#seen.size);
    for (let left = looks; left > 0; left--) {
      const next = this.#nextSeen();
      if (next) this.#lookAt(...next, now);
    }
    return looks;
  }

  /** A second has passed in which nothing has happened: nothing is read. */
  onQuietSecond(now: number): void {
    this.#quietSeconds++;
    this.#secondAt = now;
  }

  /** A second has passed: notes how many processes were at work, what they used, and what one of them holds in memory. Returns how many files were read. */
  onSecond(now: number): number {
    this.#isStirred = false;
    this.#addQuiet();
    const looks = this.look();
    const workedMs = this.#workedMs + this.busy * this.meanAgeMs;
    const elapsedMs = Math.max(1, now - this.#secondAt);
    this.#demand = withMean(this.#demand, (workedMs - this.#workedLastSecondMs) / elapsedMs);
    this.#workedLastSecondMs = workedMs;
    this.#secondAt = now;
    this.#lookAtMemory();
    return looks + 1;
  }

  /** Up to so many processes, those whose turn it is. */
  some(most: number): Backend[] {
    const some: Backend[] = [];
    for (let left = Math.min(most, this.#seen.size); left > 0; left--) {
      const next = this.#nextSeen();
      if (next) some.push(next[0]);
    }
    return some;
  }

  #addQuiet(): void {
    if (this.#quietSeconds > 0) this.#demand = withQuiet(this.#demand, this.#quietSeconds);
    this.#quietSeconds = 0;
  }

  /** Another process each time. */
  #lookAtMemory(): void {
    const next = this.#nextSeen();
    const bytes = next && ownTreeMemoryOf(next[0].pid, next[0].children);
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
  #end(lease: Lease, now: number): number | undefined {
    if (!lease.isAtWork) return undefined;
    lease.isAtWork = false;
    this.#busy--;
    // A sum of fractions is never quite what went into it.
    this.#lentAtSum = this.#busy === 0 ? 0 : this.#lentAtSum - lease.since;
    const workedMs = now - lease.since;
    this.#workedMs += workedMs;
    const seen = this.#seen.get(lease.backend);
    if (seen) seen.workedMs += workedMs;
    return workedMs;
  }

  #lookAt(backend: Backend, seen: Seen, now: number): void {
    const { usage } = backend;
    if (!usage) return;
    // What goes on for nobody uses the CPU as well: a job that sleeps is no busy request.
    const isAlone = backend.state === "on its own";
    const since = isAlone ? backend.aloneSince : (backend.leftSince ?? 0);
    seen.workedMs += (isAlone ? 1 : backend.leftAtWork) * (now - Math.max(since, seen.at));
    let workedMs = seen.workedMs;
    for (const { since } of backend.leases) workedMs += now - since;
    this.#tally.cpuMs += usage.runMs - seen.usage.runMs;
    this.#measures = withCpuUse(this.#measures, {
      runMs: usage.runMs - seen.usage.runMs,
      cpuWaitMs: usage.cpuWaitMs - seen.usage.cpuWaitMs,
      busyMs: workedMs - seen.workedThenMs,
    });
    seen.usage = usage;
    seen.at = now;
    seen.workedThenMs = workedMs;
  }
}
