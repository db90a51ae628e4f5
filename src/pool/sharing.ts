/** One program, as the cap of all programs together sees it. */
export interface Sharer {
  /** All its processes. */
  readonly size: number;
  /** Without those that are on their way out. */
  readonly living: number;
  /** How many are kept, even if idle. */
  readonly kept: number;
  /** Since when the idlest has been idle, by the clock; undefined when none is idle. */
  readonly idleSince: number | undefined;
  /** How many more it would have now, had it room. */
  readonly wanted: number;
  /** Since when its oldest request waits, by the clock. */
  readonly waitingSince: number;
  /** Starts one of those that it wants; where that fails it wants none for now. */
  start(): void;
  /** Ends its idlest process, for the sake of another program. */
  giveUpIdlest(): void;
  /** There is no room for what it wants. */
  onHeldBack(): void;
  /** Ends the process that has been at work for nobody for longest; false where none has been for long, or could be ended without other requests. */
  giveUpLoneliest(): boolean;
}

/** What a program finds that wants one more process. */
export interface ReserveView {
  /** Its processes, without those that are on their way out. */
  readonly living: number;
  /** How many are kept, even if idle. */
  readonly kept: number;
  /** The cap of all programs. */
  readonly cap: number;
  /** Whether any other program is known. */
  readonly hasOthers: boolean;
}

/** How many places must be left to the others when a program takes one. */
export type Reserve = (view: ReserveView) => number;

/** Starts of all programs in one turn of the event loop: each makes a socket, two pipes and an order for a starter's thread. */
const STARTS_A_TURN = 4;
/** Processes that are told to end in one turn. */
const EVICTIONS_A_TURN = 32;
/** A program that has processes takes no other's that was used within this time: the two would take turns. */
const RECENTLY_USED_MS = 1000;
/** The part of the cap that is kept free, so that a program in need does not wait until another's process has ended. */
const FREE_PART = 1 / 16;
/** A program leaves one place to the others for so many processes that it has. */
const PROCESSES_PER_PLACE_LEFT = 3;

/**
 * A program without any process takes what there is. One that has some leaves the part of the cap that is kept free, and a place for every
 * few processes that it has: requests that never end would take all there is. It leaves no more than that part while no other program is known.
 */
export function reserveOf({ living, kept, cap, hasOthers }: ReserveView): number {
  if (living === 0 || living < kept) return 0;
  const least = Math.floor(cap * FREE_PART);
  return hasOthers ? Math.max(1, least, Math.floor(living / PROCESSES_PER_PLACE_LEFT)) : least;
}

/** Sorts programs that have processes by who gets room first: the one with the fewest, then the one that waits longest. */
export function byNeed(
  a: Pick<Sharer, "living" | "waitingSince">,
  b: Pick<Sharer, "living" | "waitingSince">,
): number {
  return a.living - b.living || a.waitingSince - b.waitingSince;
}

/** Whose idlest process is idle longest, of those programs that have more than they keep; undefined where none is idle. */
export function idlestOf<Pool extends Pick<Sharer, "living" | "kept" | "idleSince">>(
  pools: Iterable<Pool>,
): Pool | undefined {
  let idlest: Pool | undefined;
  let since = Number.POSITIVE_INFINITY;
  for (const pool of pools) {
    const { idleSince } = pool;
    if (idleSince === undefined || idleSince >= since || pool.living <= pool.kept) continue;
    idlest = pool;
    since = idleSince;
  }
  return idlest;
}

/**
 * The cap of all programs together, and who gets what is left of it. A program is noted when something has changed with it; what all of them
 * want is given out in one pass.
 */
export class Sharing<Pool extends Sharer> {
  /** Most processes of all programs. */
  cap: number;
  /** Whether more than one program is known. */
  hasOthers = false;
  readonly #reserve: Reserve;
  /** Programs that have processes, with how many there were when they were noted. */
  readonly #counted = new Map<Pool, { readonly size: number; readonly leaving: number }>();
  /** Programs that want processes and have none, in the order in which that began. */
  readonly #newcomers = new Set<Pool>();
  /** Programs that want more processes than they have. */
  readonly #growing = new Set<Pool>();
  #total = 0;
  /** How many of these are on their way out. */
  #leaving = 0;
  /** For whom others give up processes that become free, one for each, the neediest first; undefined: for a cap that is lower now. */
  #debts: (Pool | undefined)[] = [];
  /** How many may still be told to end in this turn. */
  #evictionsLeft = 0;
  /** None is idle, and none has been on its own for long; looked for once a turn. */
  #isNoneIdle = false;
  #isNoneLone = false;
  /** Before this time none will have been idle for long enough: whatever is idle then is so now, or not yet for that long. */
  #noneRestedBefore = Number.NEGATIVE_INFINITY;

  constructor(cap: number, reserve: Reserve = reserveOf) {
    this.cap = cap;
    this.#reserve = reserve;
  }

  /** Processes of all programs, those included that are on their way out. */
  get total(): number {
    return this.#total;
  }

  /** How many more processes the cap allows; below 0 when it was lowered. */
  get room(): number {
    return this.cap - this.#total;
  }

  /** Its processes, or what it wants, have changed. */
  note(pool: Pool): void {
    const { size, living } = pool;
    const counted = this.#counted.get(pool);
    this.#total += size - (counted?.size ?? 0);
    this.#leaving += size - living - (counted?.leaving ?? 0);
    if (size === 0) this.#counted.delete(pool);
    else this.#counted.set(pool, { size, leaving: size - living });
    const isInNeed = pool.wanted > 0;
    put(pool, this.#newcomers, isInNeed && living === 0);
    put(pool, this.#growing, isInNeed && living > 0);
  }

  /**
   * Gives out what there is: programs in need start processes, those without any first, then those with the fewest. For what lacks, the
   * idlest processes are ended, then those that nobody waits for; where there are none, those that become free are given up by whoever has
   * more, until both are even.
   * Returns after how many milliseconds to call it again though nothing has happened: 0 = in the next turn of the event loop, as this was
   * as much as one turn is for; Infinity = not before something happens.
   */
  giveOut(now: number): number {
    const needy = [...this.#newcomers, ...[...this.#growing].sort(byNeed)];
    if (!this.#start(needy)) return 0;
    this.#evictionsLeft = EVICTIONS_A_TURN;
    this.#isNoneIdle = false;
    this.#isNoneLone = false;
    this.#makeRoom(needy, now);
    if (this.#evictionsLeft === 0) return 0;
    if (this.#debts.length === 0) return Number.POSITIVE_INFINITY;
    return this.#noneRestedBefore > now ? this.#noneRestedBefore - now : RECENTLY_USED_MS;
  }

  /** How many more processes a program may start now; below 1: none. */
  roomFor(pool: Pool): number {
    return this.room - this.#reserveOf(pool);
  }

  /** Whether a program ends the process that has become free, for another one that has at least two fewer. */
  mustGiveUp({ living, kept }: Pool): boolean {
    // The need may have ended in this turn.
    while (this.#debts[0]?.wanted === 0) this.#debts.shift();
    if (this.#debts.length === 0) return false;
    const least = this.#debts[0] ? this.#debts[0].living + 1 : 0;
    if (living <= Math.max(kept, least)) return false;
    this.#debts.shift();
    return true;
  }

  /** One each in turn. False when more may start than one turn is for. */
  #start(needy: readonly Pool[]): boolean {
    let left = STARTS_A_TURN;
    for (let round = needy; round.length > 0; ) {
      const again: Pool[] = [];
      for (const pool of round) {
        if (this.room <= 0) return true;
        if (pool.wanted === 0 || this.roomFor(pool) <= 0) continue;
        if (left-- === 0) return false;
        pool.start();
        this.note(pool);
        again.push(pool);
      }
      round = again;
    }
    return true;
  }

  #makeRoom(needy: readonly Pool[], now: number): void {
    this.#debts = [];
    for (let lacking = -this.#coming; lacking > 0; lacking--) {
      if (!this.#evictIdle()) this.#debts.push(undefined);
    }
    let promised = 0;
    for (const pool of needy) {
      if (pool.wanted === 0) continue;
      pool.onHeldBack();
      const least = promised + this.#reserveOf(pool);
      const isNew = pool.living === 0;
      while (
        this.#coming <= least &&
        ((isNew ? this.#evictIdle() : this.#evictRested(now)) || this.#evictLone())
      );
      if (this.#coming > least) promised++;
      else this.#debts.push(pool);
    }
    const kept = Math.floor(this.cap * FREE_PART);
    while (this.#coming - promised < kept && this.#evictRested(now));
  }

  /** Ends the process that is idle longest. False where none is. */
  #evictIdle(): boolean {
    if (this.#isNoneIdle || this.#evictionsLeft === 0) return false;
    const idlest = idlestOf(this.#counted.keys());
    this.#isNoneIdle = !idlest;
    idlest?.giveUpIdlest();
    return this.#evicted(idlest);
  }

  /** The same, but only one that was not used a moment ago. */
  #evictRested(now: number): boolean {
    if (now < this.#noneRestedBefore || this.#evictionsLeft === 0) return false;
    const idlest = idlestOf(this.#counted.keys());
    const since = idlest?.idleSince ?? now;
    if (!idlest || now - since < RECENTLY_USED_MS) {
      this.#noneRestedBefore = since + RECENTLY_USED_MS;
      return false;
    }
    idlest.giveUpIdlest();
    return this.#evicted(idlest);
  }

  #evicted(pool: Pool | undefined): boolean {
    if (!pool) return false;
    this.#evictionsLeft--;
    this.note(pool);
    return true;
  }

  /** Ends a process that nobody waits for. False where none has been on its own for long. */
  #evictLone(): boolean {
    if (this.#isNoneLone || this.#evictionsLeft === 0) return false;
    for (const pool of this.#counted.keys()) if (pool.giveUpLoneliest()) return this.#evicted(pool);
    this.#isNoneLone = true;
    return false;
  }

  /** How much room there is when those have ended that are on their way out. */
  get #coming(): number {
    return this.room + this.#leaving;
  }

  #reserveOf({ living, kept }: Pool): number {
    return this.#reserve({ living, kept, cap: this.cap, hasOthers: this.hasOthers });
  }
}

function put<Item>(item: Item, into: Set<Item>, isIn: boolean): void {
  if (isIn) into.add(item);
  else into.delete(item);
}
