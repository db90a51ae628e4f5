import type { BackendDeps } from "../backend/backend.ts";
import type { Program } from "../backend/program.ts";
import type { Timer } from "../base/clock.ts";
import { byNeed, evictionFor, type PoolShare } from "./eviction.ts";
import { Pool } from "./pool.ts";
import type { Machine, PoolOwner } from "./pool-owner.ts";

const SECOND_MS = 1000;

/** All pools, and the cap of all programs together. */
export class Registry implements PoolOwner {
  readonly machine: Machine;
  readonly #pools = new Map<string, Pool>();
  readonly #maxProcesses: number;
  readonly #deps: BackendDeps;
  readonly #ticker: Timer;
  /** Backends of all pools, stopping ones included. */
  #processes = 0;

  constructor(maxProcesses: number, machine: Machine, deps: BackendDeps) {
    this.#maxProcesses = maxProcesses;
    this.machine = machine;
    this.#deps = deps;
    this.#ticker = deps.clock.every(SECOND_MS, () => this.#onSecond());
  }

  /** The pool of a program, made on its first request. */
  poolFor(program: Program): Pool {
    let pool = this.#pools.get(program.key);
    if (!pool) {
      pool = new Pool(program, this, this.#deps);
      this.#pools.set(program.key, pool);
    } else if (pool.program !== program) pool.update(program);
    return pool;
  }

  room(): number {
    return this.#maxProcesses - this.#processes;
  }

  onStart(): void {
    this.#processes++;
  }

  /** At the cap, another program gives a process up; one at a time, so that what leaves now is counted first. */
  wantRoom(forPool: Pool): void {
    const others: (PoolShare & { readonly pool: Pool })[] = [];
    for (const pool of this.#pools.values()) {
      const { share } = pool;
      if (pool.size > share.living || share.owed > 0) return;
      if (pool !== forPool) others.push({ ...share, pool });
    }
    const eviction = evictionFor(forPool.share.living, others);
    eviction?.from.pool.giveUpOne(eviction.when);
  }

  /** Room has come: for those in need, the smallest first. */
  onRoom(): void {
    this.#processes--;
    const waiting = [...this.#pools.values()].filter((pool) => pool.waiting > 0);
    const needs = waiting.map((pool) => ({
      pool,
      living: pool.share.living,
      oldestWaitMs: pool.oldestWaitMs,
    }));
    for (const { pool } of needs.sort(byNeed)) pool.act();
  }

  /** Ends every backend; settles when all have gone. */
  async stopAll(): Promise<void> {
    this.#ticker.cancel();
    await Promise.all([...this.#pools.values()].map((pool) => pool.stopAll()));
  }

  #onSecond(): void {
    for (const [key, pool] of this.#pools) {
      pool.onSecond();
      if (pool.isEmpty) this.#pools.delete(key);
    }
  }
}
