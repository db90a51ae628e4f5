import type { Lease } from "../../src/backend/backend.ts";
import type { FpmError } from "../../src/base/errors.ts";
import type { Log, LogFields } from "../../src/base/log.ts";
import type { AppConfig } from "../../src/config/config.ts";
import { LEARNED } from "../../src/pool/policy.ts";
import { Pool, type PoolDeps, type PoolOwner } from "../../src/pool/pool.ts";
import type { Waiter } from "../../src/pool/queue.ts";
import { Tally } from "../../src/pool/tally.ts";
import type { Program } from "../../src/start/program.ts";
import { FakeBackend, fakeProgram } from "./fake-backend.ts";
import { FakeClock } from "./fake-clock.ts";

/** A log that keeps its lines: "LEVEL MESSAGE". */
export class KeptLog implements Log {
  readonly isDebug = false;
  readonly lines: string[] = [];
  readonly fields: (LogFields | undefined)[] = [];
  readonly debug = (message: string, fields?: LogFields) => this.#add("debug", message, fields);
  readonly info = (message: string, fields?: LogFields) => this.#add("info", message, fields);
  readonly warn = (message: string, fields?: LogFields) => this.#add("warn", message, fields);
  readonly error = (message: string, fields?: LogFields) => this.#add("error", message, fields);

  #add(level: string, message: string, fields: LogFields | undefined): void {
    this.lines.push(`${level} ${message}`);
    this.fields.push(fields);
  }
}

/** A request that asks a pool for a process. */
export class FakeWaiter implements Waiter {
  previous: Waiter | undefined = undefined;
  next: Waiter | undefined = undefined;
  readonly waitingSince: number;
  lease: Lease | undefined;
  refused: FpmError | undefined;

  constructor(waitingSince: number) {
    this.waitingSince = waitingSince;
  }

  /** The process that it was lent. */
  get backend(): FakeBackend {
    if (!this.lease) throw new Error("it was lent no process");
    return this.lease.backend as FakeBackend;
  }

  onLease(lease: Lease): void {
    this.lease = lease;
  }

  onRefused(error: FpmError): void {
    this.refused = error;
  }
}

/** What pools need, with processes that do what a test says; `made`: these, in the order of their starts. */
export function fakeDeps() {
  const clock = new FakeClock();
  const log = new KeptLog();
  const made: FakeBackend[] = [];
  /** While it is set every start fails with it. */
  const hindrance: { error: FpmError | undefined } = { error: undefined };
  const machine = { cores: 64, memoryBudgetBytes: 2 ** 40 };
  const deps = {
    clock,
    log,
    policy: LEARNED,
    machine: () => machine,
    memoryKiller: { look: () => undefined },
    makeBackend(...given: ConstructorParameters<typeof FakeBackend>) {
      if (hindrance.error) throw hindrance.error;
      const backend = new FakeBackend(...given);
      made.push(backend);
      return backend;
    },
  } as unknown as PoolDeps;
  return { clock, log, made, hindrance, deps };
}

/** What a pool tells of itself to what it is a part of. */
class NotedOwner implements PoolOwner {
  changes = 0;
  traffic = 0;
  isOverdrawn = false;

  onChange(): void {
    this.changes++;
  }

  onTraffic(): void {
    this.traffic++;
  }

  mustGiveUp(): boolean {
    return this.isOverdrawn;
  }
}

/** The pool of one program, and what its requests do. `settle`: it is reviewed, and starts what it wants, as if there were room for all. */
export function fakePool(app: Partial<AppConfig> = {}, program: Program = fakeProgram(app)) {
  const surroundings = fakeDeps();
  const { clock, deps, made } = surroundings;
  const owner = new NotedOwner();
  const pool = new Pool(program, owner, deps, new Tally());
  const settle = () => {
    for (pool.review(); pool.wanted > 0; pool.review()) pool.start();
  };
  const ask = () => {
    const waiter = new FakeWaiter(clock.now());
    waiter.lease = pool.lease(waiter, clock.now());
    settle();
    return waiter;
  };
  const end = ({ lease }: FakeWaiter, how: "kept" | "over" | "left" = "kept") => {
    if (lease) pool.release(lease, how, clock.now());
    settle();
  };
  /** So many requests at once, each with a process of its own that has started. */
  const serve = (count: number) => {
    const waiters = Array.from({ length: count }, ask);
    for (let next = 0; next < made.length; next++) {
      if (made[next]?.state === "starting") made[next]?.accept();
      settle();
    }
    return waiters;
  };
  /** A second passes; how many files of /proc it took. The pool is reviewed where it asks for that. */
  const second = () => {
    clock.advance(1000);
    const { changes, traffic } = owner;
    const looks = pool.onSecond(clock.now());
    if (owner.changes + owner.traffic > changes + traffic) settle();
    return looks;
  };
  return { ...surroundings, owner, pool, settle, ask, end, serve, second };
}
