import { requestsOf, type Times, timesBetween } from "../../status/activity.ts";
import type { Numbers } from "../../status/snapshot.ts";

/** So many events are remembered: three minutes of one a second. */
export const REMEMBERED = 180;
/** What "the last minute" is, in events. */
const RECENT = 60;
/** What clients or web servers do wrong is no fault of the program. */
const OF_CLIENTS: readonly string[] = [
  "BODY_TIMEOUT",
  "BODY_TOO_LARGE",
  "ENVIRONMENT_NOT_TEXT",
  "ENVIRONMENT_TOO_LARGE",
  "HEAD_TIMEOUT",
  "HEAD_TOO_LARGE",
  "NOT_ALLOWED",
  "PARAMS_MALFORMED",
  "PROTOCOL",
  "ROLE_UNKNOWN",
  "SCRIPT_FORBIDDEN",
  "SCRIPT_INVALID",
  "SCRIPT_MISSING",
  "SCRIPT_NOT_FOUND",
];

/** What was between an event and the one before it. */
export interface Point extends Times {
  readonly requestsPerSecond: number;
  /** CPU seconds a second. */
  readonly cores: number;
  readonly memoryBytes: number | null;
}

/** What has happened in the last minute, as far as it was watched. */
export interface LastMinute extends Times {
  readonly requests: number;
  /** Refused or broken off for a reason that is no client's. */
  readonly failures: number;
  /** Answers of 5xx that the program gave. */
  readonly serverErrors: number;
  readonly crashes: number;
  readonly slow: number;
  readonly heldBack: number;
}

/** The counters of one event. */
interface Counters {
  readonly atSeconds: number;
  readonly numbers: Numbers;
}

const NOTHING: LastMinute = {
  requests: 0,
  failures: 0,
  serverErrors: 0,
  crashes: 0,
  slow: 0,
  heldBack: 0,
  p50Seconds: null,
  p90Seconds: null,
  p99Seconds: null,
};

/** How one program, or all together, went in the last minutes: counters only grow, so it is all in their differences. */
export class History {
  readonly #points: Point[] = [];
  /** Of the last minute, the oldest first. */
  readonly #counters: Counters[] = [];
  #recent: LastMinute = NOTHING;
  /** When it was known not to be there yet, in seconds after the daemon's start. */
  readonly #absentAt: number | undefined;

  /** `absentAt`: when it was not there yet, so that all that it has counted came since. */
  constructor(absentAt?: number) {
    this.#absentAt = absentAt;
  }

  /** The oldest first. */
  get points(): readonly Point[] {
    return this.#points;
  }

  /** What was between the last two events; undefined before there are two. */
  get last(): Point | undefined {
    return this.#points.at(-1);
  }

  /** The last minute. */
  get recent(): LastMinute {
    return this.#recent;
  }

  /** Another event, that long after the daemon's start. */
  add(atSeconds: number, numbers: Numbers, memoryBytes: number | null): void {
    const now = { atSeconds, numbers };
    if (this.#counters.length === 0 && this.#absentAt !== undefined && this.#absentAt < atSeconds)
      this.#counters.push({ atSeconds: this.#absentAt, numbers: nothingOf(numbers) });
    const before = this.#counters.at(-1);
    if (before && (atSeconds <= before.atSeconds || requestsOf(numbers) < requestsOf(before.numbers))) {
      // Another daemon, or a program that was forgotten meanwhile: they count from 0.
      this.#points.length = 0;
      this.#counters.length = 0;
    } else if (before) this.#addPoint(before, now, memoryBytes);
    this.#counters.push(now);
    if (this.#counters.length > RECENT + 1) this.#counters.shift();
    this.#recent = between((this.#counters[0] as Counters).numbers, numbers, this.#counters.length);
  }

  #addPoint(before: Counters, now: Counters, memoryBytes: number | null): void {
    const seconds = now.atSeconds - before.atSeconds;
    this.#points.push({
      requestsPerSecond: (requestsOf(now.numbers) - requestsOf(before.numbers)) / seconds,
      cores: Math.max(0, (now.numbers.cpu_seconds - before.numbers.cpu_seconds) / seconds),
      memoryBytes,
      ...timesBetween(before.numbers.latency, now.numbers.latency),
    });
    if (this.#points.length > REMEMBERED) this.#points.shift();
  }
}

function between(before: Numbers, now: Numbers, events: number): LastMinute {
  if (events < 2) return NOTHING;
  const grown = (read: (of: Numbers) => number) => Math.max(0, read(now) - read(before));
  return {
    requests: grown(requestsOf),
    failures: grown(failuresOf),
    serverErrors: grown(({ responses }) => responses["5xx"]),
    crashes: grown(({ exits }) => exits.crash),
    slow: grown(({ slow }) => slow),
    heldBack: grown(({ held_back }) => held_back),
    ...timesBetween(before.latency, now.latency),
  };
}

/** The same with every counter at 0. */
function nothingOf(numbers: Numbers): Numbers {
  const zero = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return typeof value === "number" ? 0 : value;
    if (Array.isArray(value)) return value.map(zero);
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, zero(each)]));
  };
  const { requests, failures, responses, exits, latency } = numbers;
  return {
    ...numbers,
    slow: 0,
    held_back: 0,
    cpu_seconds: 0,
    ...(zero({ requests, failures, responses, exits, latency }) as object),
  };
}

function failuresOf({ failures }: Numbers): number {
  return Object.entries(failures).reduce(
    (sum, [code, count]) => (OF_CLIENTS.includes(code) ? sum : sum + count),
    0,
  );
}
