import { requestsOf, type Times, timesBetween } from "../../status/activity.ts";
import type { Numbers } from "../../status/snapshot.ts";

/** So many events are remembered: three minutes of one a second. */
export const REMEMBERED = 180;
/** What "the last minute" is, in events. */
const RECENT = 60;

const NO_TIMES: Times = { p50Seconds: null, p90Seconds: null, p99Seconds: null };

/** What was between an event and the one before it. */
export interface Point extends Times {
  readonly requestsPerSecond: number;
  /** CPU seconds a second. */
  readonly cores: number;
  readonly memoryBytes: number | null;
}

/** The counters of one event. */
interface Counters {
  readonly atSeconds: number;
  readonly requests: number;
  readonly cpuSeconds: number;
  readonly latency: Numbers["latency"];
}

/** How one program, or all together, went in the last minutes: counters only grow, so it is all in their differences. */
export class History {
  readonly #points: Point[] = [];
  /** Of the last minute, the oldest first. */
  readonly #counters: Counters[] = [];

  /** The oldest first. */
  get points(): readonly Point[] {
    return this.#points;
  }

  /** What was between the last two events; undefined before there are two. */
  get last(): Point | undefined {
    return this.#points.at(-1);
  }

  /** Times of the last minute. */
  get recent(): Times {
    const [first, last] = [this.#counters[0], this.#counters.at(-1)];
    return last ? timesBetween(first?.latency, last.latency) : NO_TIMES;
  }

  /** Another event, that long after the daemon's start. */
  add(atSeconds: number, numbers: Numbers, memoryBytes: number | null): void {
    const requests = requestsOf(numbers);
    const now = { atSeconds, requests, cpuSeconds: numbers.cpu_seconds, latency: numbers.latency };
    const before = this.#counters.at(-1);
    if (before && (now.atSeconds <= before.atSeconds || now.requests < before.requests)) {
      // Another daemon, or a program that was forgotten meanwhile: they count from 0.
      this.#points.length = 0;
      this.#counters.length = 0;
    } else if (before) this.#addPoint(before, now, memoryBytes);
    this.#counters.push(now);
    if (this.#counters.length > RECENT + 1) this.#counters.shift();
  }

  #addPoint(before: Counters, now: Counters, memoryBytes: number | null): void {
    const seconds = now.atSeconds - before.atSeconds;
    this.#points.push({
      requestsPerSecond: (now.requests - before.requests) / seconds,
      cores: Math.max(0, (now.cpuSeconds - before.cpuSeconds) / seconds),
      memoryBytes,
      ...timesBetween(before.latency, now.latency),
    });
    if (this.#points.length > REMEMBERED) this.#points.shift();
  }
}
