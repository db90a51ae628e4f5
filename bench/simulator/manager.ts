import type { CpuUse } from "../../src/pool/measures.ts";
import type { Scenario } from "./scenario.ts";
import type { SimulatedPool } from "./simulated-pool.ts";
import type { World } from "./simulated-process.ts";

/** A way to decide how many processes live. */
export interface Manager {
  readonly name: string;
  /** Begins one run of a scenario. */
  begin(world: World & { readonly pools: readonly SimulatedPool[] }, scenario: Scenario): Ruler;
}

/** Decides during one run. */
export interface Ruler {
  /** The pool exists, nothing else has happened. */
  onBegin(pool: SimulatedPool): void;
  /** A request came and waits, a process is ready, a request has ended, a process has gone. */
  onChange(pool: SimulatedPool): void;
  onSecond(pool: SimulatedPool): void;
  onReady(pool: SimulatedPool, boot: CpuUse): void;
  onServed(pool: SimulatedPool, serviceMs: number): void;
  onGone(pool: SimulatedPool): void;
}
