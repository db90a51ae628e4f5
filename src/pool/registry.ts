import type { Backend } from "../backend/backend.ts";
import { tellBug } from "../base/bug.ts";
import type { Timer } from "../base/clock.ts";
import { LookAgain } from "../base/look-again.ts";
import { RareLine } from "../base/rare-line.ts";
import type { Program } from "../start/program.ts";
import type { Machine } from "./cap.ts";
import { Pool, type PoolDeps, type PoolOwner } from "./pool.ts";
import type { PoolStatus } from "./pool-status.ts";
import { shuttingDown } from "./queue.ts";
import { Sharing } from "./sharing.ts";
import { Tallies } from "./tallies.ts";
import type { Tally } from "./tally.ts";

const SECOND_MS = 1000;
/** Files of /proc that are read in one turn of the event loop, 10 to 20 µs each; the last program may read some more. */
const LOOKS_A_TURN = 128;

/** For requests that come and go what pools want is worked out no more often than this. */
const PASS_EVERY_MS = 4;

/** Programs that are looked up at the same time: requests want lookups too. */
const LOOKUPS_AT_ONCE = 8;

/** All pools, and the cap of all programs together. */
export class Registry implements PoolOwner {
  readonly tallies = new Tallies();
  readonly #pools = new Map<string, Pool>();
  readonly #sharing: Sharing<Pool>;
  readonly #deps: PoolDeps;
  #machine: Machine;
  readonly #ticker: Timer;
  /** Pools with which something has happened since the last pass. */
  readonly #changed = new Set<Pool>();
  #isPassDue = false;
  #passedAt = Number.NEGATIVE_INFINITY;
  readonly #nextPass: LookAgain;
  /** Where a second's round over the pools goes on in the next turn. */
  #round: Iterator<[string, Pool]> | undefined;
  readonly #bugs: RareLine;
  #isStopping = false;

  constructor(maxProcesses: number, machine: Machine, deps: Omit<PoolDeps, "machine">) {
    this.#sharing = new Sharing(maxProcesses);
    this.#machine = machine;
    this.#deps = { ...deps, machine: () => this.#machine };
    this.#bugs = new RareLine(deps.clock);
    this.#nextPass = new LookAgain(deps.clock, () => this.#passSoon());
    this.#ticker = deps.clock.every(SECOND_MS, () => this.#onSecond());
  }

  /** The pool of a program, made on its first request. @throws FpmError SHUTTING_DOWN. */
  poolFor(program: Program): Pool {
    if (this.#isStopping) throw shuttingDown();
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

  /** Every program that has processes now, for the status: each as it is when it is taken. */
  get status(): Iterable<PoolStatus> {
    const pools = [...this.#pools.values()];
    return pools.values().map((pool) => pool.status);
  }

  /** A program's processes and queue; undefined when it has neither. */
  statusOf(program: Program): PoolStatus | undefined {
    return this.#pools.get(program.key)?.status;
  }

  /** Processes at work that nobody waits for any more. */
  get alone(): number {
    let alone = 0;
    for (const { backends } of this.#pools.values())
      for (const { state } of backends) if (state === "on its own") alone++;
    return alone;
  }

  get maxProcesses(): number {
    return this.#sharing.cap;
  }

  /** The program of this name, of this path, or of the settings of this name, if it has processes or a queue. */
  find(name: string): Pool | undefined {
    const pools = [...this.#pools.values()];
    return (
      pools.find(({ program }) => program.name === name) ??
      pools.find(({ program }) => program.script === name || program.app.id === name)
    );
  }

  /** The process of ours that has this pid, or whose child has it (`Backend.children`). */
  backendOf(pid: number): Backend | undefined {
    const all = [...this.#pools.values()].flatMap((pool) => pool.status.backends);
    return all.find((each) => each.pid === pid) ?? all.find((each) => each.children.includes(pid));
  }

  /**
   * Has those leave to whose sockets no connection can be made any more, as `isThere` says of a path: those at work after their requests, and
   * one that starts when it has started. Returns how many.
   */
  retireUnreachable(isThere: (socketPath: string) => boolean): number {
    let retired = 0;
    for (const pool of this.#pools.values()) {
      for (const backend of pool.backends) {
        const { state, socketPath, program } = backend;
        if (socketPath === undefined || state === "starting" || state === "leaving" || isThere(socketPath))
          continue;
        backend.retire("unreachable", program.app.stopTimeoutMs);
        retired++;
      }
    }
    return retired;
  }

  /** Starts what the settings keep of a program, before anybody asks for it. */
  keep(program: Program): void {
    this.onChange(this.poolFor(program));
  }

  /**
   * Looks every program up anew, after its settings may have changed. `find` settles with the program as it is now; undefined: it is not
   * configured any more.
   */
  async refresh(find: (program: Program) => Promise<Program | undefined>): Promise<void> {
    const pools = this.#pools.values();
    const refreshing = async () => {
      for (const pool of pools) {
        const program = await find(pool.program);
        if (program) pool.update(program);
        else pool.dismiss("not configured any more");
      }
    };
    await Promise.all(Array.from({ length: LOOKUPS_AT_ONCE }, refreshing));
  }

  /** Programs that have processes, or had some a moment ago. */
  get programs(): number {
    return this.#pools.size;
  }

  /** Processes of all programs, stopping ones included. */
  get processes(): number {
    return this.#sharing.total;
  }

  /** How many more processes this program may have of what all may have together, less what it must leave to the others. */
  roomFor(program: Program): number {
    const pool = this.#pools.get(program.key);
    return pool ? this.#sharing.roomFor(pool) : this.#sharing.room;
  }

  /** Another cap and another machine from now on. Surplus processes go when they are free, the idlest first. */
  reload(maxProcesses: number, machine: Machine): void {
    this.#sharing.cap = maxProcesses;
    this.#machine = machine;
    // Those that wait for a process may have one now.
    for (const pool of this.#pools.values()) this.#changed.add(pool);
    this.#passSoon();
  }

  onChange(pool: Pool): void {
    this.#changed.add(pool);
    this.#passSoon();
  }

  onTraffic(pool: Pool, now: number): void {
    this.#changed.add(pool);
    if (this.#isPassDue) return;
    if (now - this.#passedAt < PASS_EVERY_MS) this.#nextPass.within(PASS_EVERY_MS, now);
    else this.#passSoon();
  }

  mustGiveUp(pool: Pool): boolean {
    return this.#sharing.mustGiveUp(pool);
  }

  /** Ends every backend; settles when all have gone. */
  async stopAll(): Promise<void> {
    this.#isStopping = true;
    this.#ticker.cancel();
    this.#nextPass.cancel();
    await Promise.all([...this.#pools.values()].map((pool) => pool.stopAll()));
  }

  #passSoon(): void {
    if (this.#isPassDue) return;
    this.#isPassDue = true;
    this.#deps.clock.soon(() => this.#pass());
  }

  /** Once a turn of the event loop, however much has happened in it: what pools want is worked out, and given out as far as there is room. */
  #pass(): void {
    this.#isPassDue = false;
    this.#passedAt = this.#deps.clock.now();
    this.#review();
    if (this.#isStopping) return;
    this.#sharing.hasOthers = this.#pools.size + this.tallies.goneCount > 1;
    const againMs = this.#sharing.giveOut(this.#passedAt);
    if (againMs === 0) this.#passSoon();
    else this.#nextPass.within(againMs);
  }

  #review(): void {
    let looks = 0;
    // One that changes while it is reviewed is for the next turn.
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const pool of changed) {
      if (looks < LOOKS_A_TURN) {
        looks += this.#alone(() => pool.review());
        this.#sharing.note(pool);
      } else this.onChange(pool);
    }
  }

  /** A round over all pools, in as many turns of the event loop as it takes. */
  #onSecond(): void {
    this.#deps.memoryKiller.look();
    // One that takes longer than a second is not overtaken.
    if (this.#round) return;
    this.#round = this.#pools.entries();
    this.#goRound();
  }

  #goRound(): void {
    const now = this.#deps.clock.now();
    for (let looks = 0; looks < LOOKS_A_TURN; ) {
      const next = this.#round?.next();
      if (!next || next.done || this.#isStopping) {
        this.#round = undefined;
        return;
      }
      const [key, pool] = next.value;
      looks += this.#alone(() => pool.onSecond(now));
      if (pool.isEmpty) this.#remove(key, pool);
    }
    this.#deps.clock.soon(() => this.#goRound());
  }

  #remove(key: string, pool: Pool): void {
    this.#pools.delete(key);
    this.tallies.putBack(pool.program, pool.tally);
  }

  /** A look at one pool: whatever it runs into, the others are looked at. Returns how many files of /proc were read. */
  #alone(look: () => number): number {
    try {
      return look();
    } catch (bug) {
      this.#bugs.add((times) => tellBug(this.#deps.log, bug, times));
      return 1;
    }
  }
}
