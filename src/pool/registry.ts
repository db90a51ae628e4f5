import type { Backend, BackendDeps } from "../backend/backend.ts";
import type { Program } from "../backend/program.ts";
import type { Timer } from "../base/clock.ts";
import { Pool } from "./pool.ts";
import type { PoolOwner } from "./pool-owner.ts";

const REAP_PERIOD_MS = 1000;

/** All pools, and the cap of all programs together. */
export class Registry implements PoolOwner {
  readonly startsAtOnce: number;
  readonly #pools = new Map<string, Pool>();
  readonly #maxProcesses: number;
  readonly #deps: BackendDeps;
  readonly #reaper: Timer;
  /** Backends of all pools, stopping ones included. */
  #processes = 0;

  constructor(maxProcesses: number, startsAtOnce: number, deps: BackendDeps) {
    this.#maxProcesses = maxProcesses;
    this.startsAtOnce = startsAtOnce;
    this.#deps = deps;
    this.#reaper = deps.clock.every(REAP_PERIOD_MS, () => this.#reap());
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

  /** At the cap, the idlest backend of another program makes room. */
  wantRoom(forPool: Pool): void {
    let idlest: Backend | undefined;
    let from: Pool | undefined;
    for (const pool of this.#pools.values()) {
      const candidate = pool === forPool ? undefined : pool.idlest;
      if (candidate && (!idlest || candidate.idleSince < idlest.idleSince)) {
        idlest = candidate;
        from = pool;
      }
    }
    if (idlest) from?.stop(idlest, "room for others");
  }

  /** Room has come: pools without any process first. */
  onRoom(): void {
    this.#processes--;
    const waiting = [...this.#pools.values()].filter((pool) => pool.waiting > 0);
    waiting.sort((a, b) => a.size - b.size);
    for (const pool of waiting) pool.act();
  }

  /** Ends every backend; settles when all have gone. */
  async stopAll(): Promise<void> {
    this.#reaper.cancel();
    await Promise.all([...this.#pools.values()].map((pool) => pool.stopAll()));
  }

  #reap(): void {
    for (const [key, pool] of this.#pools) {
      pool.reap();
      if (pool.isEmpty) this.#pools.delete(key);
    }
  }
}
