import type { Backend } from "../backend/backend.ts";
import type { Program } from "../backend/program.ts";
import type { Timer } from "../base/clock.ts";
import { FpmError } from "../base/errors.ts";
import type { Machine } from "./cap.ts";
import { byNeed, evictionFor, evictionsAhead, evictionsInNeed, type RoomView } from "./eviction.ts";
import { Pool } from "./pool.ts";
import type { PoolDeps, PoolOwner } from "./pool-owner.ts";
import type { PoolStatus } from "./pool-status.ts";
import { Tallies } from "./tallies.ts";
import type { Tally } from "./tally.ts";

const SECOND_MS = 1000;
/** Programs whose memory is read in one second, in turn: the kernel takes up to a millisecond for each. */
const MEMORY_LOOKS = 8;

/** All pools, and the cap of all programs together. */
export class Registry implements PoolOwner {
  readonly machine: Machine;
  readonly tallies = new Tallies();
  readonly #pools = new Map<string, Pool>();
  #maxProcesses: number;
  readonly #deps: PoolDeps;
  readonly #ticker: Timer;
  /** Backends of all pools, stopping ones included. */
  #processes = 0;
  #memoryTurn = 0;
  #isStopping = false;

  constructor(maxProcesses: number, machine: Machine, deps: PoolDeps) {
    this.#maxProcesses = maxProcesses;
    this.machine = machine;
    this.#deps = deps;
    this.#ticker = deps.clock.every(SECOND_MS, () => this.#onSecond());
  }

  /** The pool of a program, made on its first request. @throws FpmError SHUTTING_DOWN. */
  poolFor(program: Program): Pool {
    if (this.#isStopping) throw new FpmError("SHUTTING_DOWN", "daemon", "std-fpm is shutting down.");
    let pool = this.#pools.get(program.key);
    if (!pool) {
      pool = new Pool(program, this, this.#deps, this.tallies.take(program.key));
      this.#pools.set(program.key, pool);
    } else pool.update(program);
    return pool;
  }

  /** Where a request to the program is counted; without one it came to none. */
  tallyOf(program: Program | undefined): Tally {
    if (!program) return this.tallies.others;
    return this.#pools.get(program.key)?.tally ?? this.tallies.find(program.key);
  }

  /** Every program with its processes, for the status. */
  get status(): PoolStatus[] {
    return [...this.#pools.values()].map((pool) => pool.status);
  }

  /** A program's processes and queue; undefined when it has neither. */
  statusOf(program: Program): PoolStatus | undefined {
    return this.#pools.get(program.key)?.status;
  }

  get maxProcesses(): number {
    return this.#maxProcesses;
  }

  /** The program of this name or path, if it has processes or a queue. */
  find(name: string): Pool | undefined {
    return [...this.#pools.values()].find(({ program }) => program.name === name || program.script === name);
  }

  /** The process of ours that has this pid. */
  backendOf(pid: number): Backend | undefined {
    for (const pool of this.#pools.values()) {
      const backend = pool.status.backends.find((each) => each.pid === pid);
      if (backend) return backend;
    }
    return undefined;
  }

  /** Starts what the settings keep of a program, before anybody asks for it. */
  keep(program: Program): void {
    this.poolFor(program).act();
  }

  /**
   * Looks every program up anew, after its settings may have changed. `find` settles with the program that a request for the
   * path goes to now, or rejects where it is refused.
   */
  async refresh(find: (path: string) => Promise<Program>): Promise<void> {
    const refreshed = [...this.#pools.values()].map(async (pool) => {
      const { script, key } = pool.program;
      const program = await find(script).catch(() => undefined);
      if (program?.key === key) pool.update(program);
      else pool.dismiss("not configured any more");
    });
    await Promise.all(refreshed);
  }

  /** Programs that have processes, or had some a moment ago. */
  get programs(): number {
    return this.#pools.size;
  }

  /** Processes of all programs, stopping ones included. */
  get processes(): number {
    return this.#processes;
  }

  room(): number {
    return this.#maxProcesses - this.#processes;
  }

  onStart(): void {
    this.#processes++;
    this.#makeRoomAhead();
  }

  /** At the cap, other programs give processes up for those in need. */
  wantRoom(forPool: Pool): void {
    if (evictionsInNeed(this.#roomView()) === 0) return;
    const eviction = evictionFor(forPool.share.living, this.#sharesBeside(forPool));
    eviction?.from.pool.giveUpOne(eviction.when);
  }

  /** Another cap from now on. Surplus processes go when they are free, the idlest first. */
  reload(maxProcesses: number): void {
    this.#maxProcesses = maxProcesses;
    const { room, leaving } = this.#roomView();
    for (let surplus = -room - leaving; surplus > 0; surplus--) {
      const eviction = evictionFor(0, this.#sharesBeside(undefined));
      if (!eviction) break;
      eviction.from.pool.giveUpOne(eviction.when);
    }
    this.#giveRoom();
  }

  onRoom(): void {
    this.#processes--;
    this.#giveRoom();
  }

  /** Room has come: for those in need, the smallest first. */
  #giveRoom(): void {
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
    this.#isStopping = true;
    this.#ticker.cancel();
    await Promise.all([...this.#pools.values()].map((pool) => pool.stopAll()));
  }

  /** A few idle processes leave ahead of need: who needs room then does not wait until another's process has ended. */
  #makeRoomAhead(): void {
    if (evictionsAhead({ ...this.#roomView(), inNeed: 0 }) === 0) return;
    const eviction = evictionFor(1, this.#sharesBeside(undefined));
    if (eviction?.when === "now") eviction.from.pool.giveUpOne("now");
  }

  #roomView(): RoomView {
    let leaving = 0;
    let inNeed = 0;
    for (const pool of this.#pools.values()) {
      const { living, owed } = pool.share;
      leaving += pool.size - living + owed;
      if (pool.isInNeed) inNeed++;
    }
    return { room: this.room(), leaving, inNeed, cap: this.#maxProcesses };
  }

  #sharesBeside(except: Pool | undefined) {
    const others = [...this.#pools.values()].filter((pool) => pool !== except);
    return others.map((pool) => ({ ...pool.share, pool }));
  }

  #onSecond(): void {
    const pools = [...this.#pools];
    const first = this.#memoryTurn++ * MEMORY_LOOKS;
    for (const [at, [key, pool]] of pools.entries()) {
      const isTurn = (at - (first % pools.length) + pools.length) % pools.length < MEMORY_LOOKS;
      pool.onSecond(isTurn);
      if (!pool.isEmpty) continue;
      this.#pools.delete(key);
      this.tallies.putBack(pool.program, pool.tally);
    }
  }
}
