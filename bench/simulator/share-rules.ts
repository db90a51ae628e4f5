import type { CpuUse } from "../../src/pool/measures.ts";
import { learned, type ShareRule } from "./learned-manager.ts";
import type { Manager } from "./manager.ts";
import { byChance, type Scenario } from "./scenario.ts";

/** std-fpm with the CPU share as it is computed, and in two ways that were tried. */
export const SHARE_MANAGERS: readonly Manager[] = [
  learned("run / busy", { share: known(({ runMs, busyMs }) => runMs / busyMs) }),
  learned("(run + wait) / busy", {
    share: known(({ runMs, cpuWaitMs, busyMs }) => (runMs + cpuWaitMs) / busyMs),
  }),
  learned("run / (busy − wait)"),
];

/** Where they differ. */
export const SHARE_SCENARIOS: readonly Scenario[] = [
  {
    name: "CPU overload",
    about: "100 ms CPU, 30 requests a second for 40 s on 2 cores, which do 20",
    cores: 2,
    programs: 1,
    globalCap: 512,
    boot: { cpuMs: 20, sleepMs: 0 },
    lengthMs: 120_000,
    requests: (random) => byChance(random, 30, 0, 40, () => ({ cpuMs: 100, sleepMs: 0 })),
  },
  {
    name: "noisy neighbour",
    about:
      "30 requests a second of 20 ms CPU and 80 ms asleep, beside a program that is asked for all the CPU there is",
    cores: 2,
    programs: 2,
    globalCap: 512,
    boot: { cpuMs: 20, sleepMs: 0 },
    lengthMs: 90_000,
    requests: (random) => [
      ...byChance(random, 20, 0, 60, () => ({ cpuMs: 100, sleepMs: 0 })),
      ...byChance(
        random,
        30,
        0,
        60,
        () => ({ cpuMs: 20, sleepMs: 80 }),
        () => 1,
      ),
    ],
  },
];

function known(rule: (use: CpuUse) => number): ShareRule {
  return (use) => (use.busyMs < 20 ? undefined : rule(use));
}
