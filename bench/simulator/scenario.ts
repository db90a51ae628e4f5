import type { Random } from "./random.ts";
import type { SimulatedRequest } from "./simulated-pool.ts";
import type { Task } from "./simulated-process.ts";

/** A machine, programs that are all alike, and what is asked of them. */
export interface Scenario {
  readonly name: string;
  /** In a sentence: what it is like. */
  readonly about: string;
  readonly cores: number;
  readonly programs: number;
  /** How many of them, the first ones, ask for more than there is: what is said of the others, and drawn, leaves them out. */
  readonly greedy?: number;
  readonly boot: Task;
  /** Most processes of all programs together, for those managers that have such a cap. */
  readonly globalCap: number;
  /** Processes are counted from 0 until then. */
  readonly lengthMs: number;
  /** How much of it to draw; left out: nothing. */
  readonly plotMs?: number;
  requests(random: Random): SimulatedRequest[];
}

const GLOBAL_CAP = 512;

const cpu = (cpuMs: number): Task => ({ cpuMs, sleepMs: 0 });
const sleeping = (sleepMs: number): Task => ({ cpuMs: 0.5, sleepMs });
const plain = { cores: 2, programs: 1, globalCap: GLOBAL_CAP };

/** Every scenario, in the order of the table. */
export const SCENARIOS: readonly Scenario[] = [
  {
    ...plain,
    name: "steady, 1 ms",
    about: "800 requests a second of 1 ms CPU for a minute; boot 20 ms",
    boot: cpu(20),
    lengthMs: 90_000,
    requests: (random) => byChance(random, 800, 0, 60, () => cpu(1)),
  },
  {
    ...plain,
    name: "steady, 5 s asleep",
    about: "6 requests a second that sleep 5 s, for two minutes; boot 20 ms",
    boot: cpu(20),
    lengthMs: 150_000,
    requests: (random) => byChance(random, 6, 0, 120, () => sleeping(5000)),
  },
  {
    ...plain,
    name: "steady, mixed",
    about: "150 requests a second of 10 ms CPU and 90 ms sleep for a minute; boot 150 ms",
    boot: cpu(150),
    lengthMs: 90_000,
    plotMs: 30_000,
    requests: (random) => byChance(random, 150, 0, 60, () => ({ cpuMs: 10, sleepMs: 90 })),
  },
  {
    ...plain,
    name: "1 ms, few of 5 s",
    about: "300 requests a second of 1 ms CPU, every hundredth sleeps 5 s; boot 20 ms",
    boot: cpu(20),
    lengthMs: 90_000,
    requests: (random) =>
      byChance(random, 300, 0, 60, () => (random.next() < 0.01 ? sleeping(5000) : cpu(1))),
  },
  {
    ...plain,
    name: "cold burst, 5 ms",
    about: "200 requests at once for a program that is not running: 5 ms CPU each, boot 150 ms",
    boot: cpu(150),
    lengthMs: 60_000,
    plotMs: 6_000,
    requests: () => atOnce(200, 0, () => cpu(5)),
  },
  {
    ...plain,
    name: "cold burst, 3 s boot",
    about: "200 at once, 5 ms CPU each, boot 3 s of CPU",
    boot: cpu(3000),
    lengthMs: 60_000,
    requests: () => atOnce(200, 0, () => cpu(5)),
  },
  {
    ...plain,
    name: "cold burst, asleep",
    about: "200 at once that sleep 5 s each, boot 20 ms",
    boot: cpu(20),
    lengthMs: 60_000,
    requests: () => atOnce(200, 0, () => sleeping(5000)),
  },
  {
    ...plain,
    name: "cold burst, sleeping boot",
    about: "200 at once, 50 ms asleep and 0.5 ms CPU each, boot 3 s of which 2.9 asleep",
    boot: { cpuMs: 100, sleepMs: 2900 },
    lengthMs: 60_000,
    requests: () => atOnce(200, 0, () => sleeping(50)),
  },
  {
    ...plain,
    name: "cold burst, short sleep",
    about: "200 at once, 5 ms asleep and 0.5 ms CPU each, boot 150 ms of which 148 asleep",
    boot: { cpuMs: 2, sleepMs: 148 },
    lengthMs: 60_000,
    requests: () => atOnce(200, 0, () => sleeping(5)),
  },
  {
    ...plain,
    name: "on and off, 20 ms boot",
    about: "2 s of 150 a second (10 ms CPU, 40 ms asleep), then 18 s of nothing, ten times; boot 20 ms",
    boot: cpu(20),
    lengthMs: 230_000,
    plotMs: 60_000,
    requests: (random) => onOff(random, 150, { cpuMs: 10, sleepMs: 40 }),
  },
  {
    ...plain,
    name: "on and off, 3 s boot",
    about: "the same, boot 3 s",
    boot: cpu(3000),
    lengthMs: 230_000,
    requests: (random) => onOff(random, 150, { cpuMs: 10, sleepMs: 40 }),
  },
  {
    ...plain,
    name: "peak, then little",
    about: "400 a second (1 ms CPU, 100 ms asleep) for 20 s, then 2 a second for 5 minutes; boot 150 ms",
    boot: cpu(150),
    lengthMs: 330_000,
    plotMs: 150_000,
    requests: (random) => [
      ...byChance(random, 400, 0, 20, () => ({ cpuMs: 1, sleepMs: 100 })),
      ...byChance(random, 2, 20, 320, () => ({ cpuMs: 1, sleepMs: 100 })),
    ],
  },
  {
    ...plain,
    name: "cold burst, 16 cores",
    about: "1000 at once, 20 ms CPU each, on 16 cores; boot 150 ms",
    cores: 16,
    boot: cpu(150),
    lengthMs: 60_000,
    requests: () => atOnce(1000, 0, () => cpu(20)),
  },
  {
    ...plain,
    name: "10 ms, few of 3 s",
    about: "20 requests a second of 10 ms CPU, every fiftieth of 3 s CPU; boot 150 ms",
    boot: cpu(150),
    lengthMs: 90_000,
    requests: (random) => byChance(random, 20, 0, 60, () => cpu(random.next() < 0.02 ? 3000 : 10)),
  },
  {
    ...plain,
    name: "CPU overload",
    about: "30 requests a second of 100 ms CPU for 20 s: half as much again as two cores do; boot 150 ms",
    boot: cpu(150),
    lengthMs: 90_000,
    requests: (random) => byChance(random, 30, 0, 20, () => cpu(100)),
  },
  {
    ...plain,
    name: "500 programs",
    about: "500 programs with a request in 50 s each, 10 ms CPU; boot 20 ms; at most 64 processes of all",
    programs: 500,
    globalCap: 64,
    boot: cpu(20),
    lengthMs: 120_000,
    requests: (random) =>
      byChance(
        random,
        10,
        0,
        100,
        () => cpu(10),
        () => Math.floor(random.next() * 500),
      ),
  },
  {
    ...plain,
    name: "500 and a greedy one",
    about: "the same, and 40 requests a second for one of them that sleep 2 s: more than fit into the 64",
    programs: 500,
    globalCap: 64,
    boot: cpu(20),
    lengthMs: 120_000,
    requests: (random) => [
      ...byChance(
        random,
        40,
        0,
        20,
        () => sleeping(2000),
        () => 0,
      ),
      ...byChance(
        random,
        10,
        0,
        100,
        () => cpu(10),
        () => 1 + Math.floor(random.next() * 499),
      ),
    ],
  },
];

/** Requests that come by chance, `perSecond` on the mean, from `fromS` to `toS`. */
export function byChance(
  random: Random,
  perSecond: number,
  fromS: number,
  toS: number,
  task: () => Task,
  program = () => 0,
): SimulatedRequest[] {
  const requests: SimulatedRequest[] = [];
  const between = 1000 / perSecond;
  let at = fromS * 1000 + random.exponential(between);
  while (at < toS * 1000) {
    requests.push({ at, program: program(), ...task() });
    at += random.exponential(between);
  }
  return requests;
}

function atOnce(count: number, atS: number, task: () => Task): SimulatedRequest[] {
  return Array.from({ length: count }, () => ({ at: atS * 1000, program: 0, ...task() }));
}

function onOff(random: Random, perSecond: number, task: Task): SimulatedRequest[] {
  return Array.from({ length: 10 }, (_, turn) =>
    byChance(random, perSecond, turn * 20, turn * 20 + 2, () => task),
  ).flat();
}
