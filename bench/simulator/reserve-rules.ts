import { type Reserve, reserveOf } from "../../src/pool/sharing.ts";
import { learned } from "./learned-manager.ts";
import type { Manager } from "./manager.ts";
import { byChance, type Scenario } from "./scenario.ts";
import type { Task } from "./simulated-process.ts";

/** std-fpm with what a program leaves to the others at the cap of all, and with other rules. */
export const RESERVE_MANAGERS: readonly Manager[] = [
  learned("nothing", { reserve: () => 0 }),
  learned("1/16", { reserve: leaving(1 / 16, Number.POSITIVE_INFINITY) }),
  learned("1 for 3", { reserve: leaving(0, 3) }),
  learned("1/16, 1 for 8", { reserve: leaving(1 / 16, 8) }),
  learned("1/16, 1 for 4", { reserve: leaving(1 / 16, 4) }),
  learned("1/16, 1 for 3", { reserve: reserveOf }),
  learned("1/16, 1 for 2", { reserve: leaving(1 / 16, 2) }),
];

/** The lines of the drawing. */
export const RESERVE_PLOTTED = ["1/16, 1 for 3", "nothing", "1/16", "1/16, 1 for 8"];

const NEVER: Task = { cpuMs: 0.5, sleepMs: 100_000 };
const plain = { cores: 2, boot: { cpuMs: 20, sleepMs: 0 }, lengthMs: 60_000 };

/** Where programs whose requests do not end come first, 60 requests a second for each in the first 10 s, and the others after them. */
export const RESERVE_SCENARIOS: readonly Scenario[] = [
  {
    ...neverEnding(1, 2, 20, 20, { cpuMs: 5, sleepMs: 45 }),
    name: "1 of 2 never ends",
    about: "20 processes of all; the other one has 20 requests a second of 5 ms CPU and 45 ms asleep",
  },
  {
    ...neverEnding(1, 20, 64, 60, { cpuMs: 5, sleepMs: 95 }),
    name: "1 of 20 never ends",
    about: "64 processes of all; the others have 60 requests a second of 5 ms CPU and 95 ms asleep",
    plotMs: 60_000,
  },
  {
    ...neverEnding(3, 20, 64, 40, { cpuMs: 5, sleepMs: 95 }),
    name: "3 of 20 never end",
    about: "64 processes of all; the others have 40 such requests a second",
  },
  {
    ...neverEnding(6, 50, 64, 40, { cpuMs: 5, sleepMs: 45 }),
    name: "6 of 50 never end",
    about: "64 processes of all; the others have 40 requests a second of 5 ms CPU and 45 ms asleep",
  },
  {
    ...neverEnding(1, 500, 64, 20, { cpuMs: 10, sleepMs: 0 }),
    name: "1 of 500 never ends",
    about: "64 processes of all; the others have 20 requests a second of 10 ms CPU",
  },
  {
    ...neverEnding(3, 500, 512, 40, { cpuMs: 10, sleepMs: 0 }),
    name: "3 of 500 never end",
    about: "512 processes of all; the others have 40 requests a second of 10 ms CPU",
  },
  {
    ...plain,
    name: "2 that could use it all",
    about: "two programs, 20 requests a second that sleep 2 s for each: 80 at once, and 64 processes of all",
    programs: 2,
    globalCap: 64,
    requests: (random) =>
      [0, 1].flatMap((program) =>
        byChance(
          random,
          20,
          0,
          40,
          () => ({ cpuMs: 0.5, sleepMs: 2000 }),
          () => program,
        ),
      ),
  },
  {
    ...plain,
    name: "alone",
    about: "one program, 30 requests a second that sleep 2 s: 60 at once, and 64 processes of all",
    programs: 1,
    globalCap: 64,
    requests: (random) => byChance(random, 30, 0, 40, () => ({ cpuMs: 0.5, sleepMs: 2000 })),
  },
];

function neverEnding(
  greedy: number,
  programs: number,
  globalCap: number,
  perSecond: number,
  task: Task,
): Omit<Scenario, "name" | "about"> {
  const others = programs - greedy;
  return {
    ...plain,
    programs,
    greedy,
    globalCap,
    requests: (random) => [
      ...Array.from({ length: greedy }, (_, program) =>
        byChance(
          random,
          60,
          0,
          10,
          () => NEVER,
          () => program,
        ),
      ).flat(),
      ...byChance(
        random,
        perSecond,
        15,
        60,
        () => task,
        () => greedy + Math.floor(random.next() * others),
      ),
    ],
  };
}

/** Leaves a part of the cap, and a place for so many processes. */
function leaving(part: number, processesPerPlace: number): Reserve {
  return ({ living, cap }) =>
    living === 0 ? 0 : Math.max(Math.floor(cap * part), Math.floor(living / processesPerPlace));
}
