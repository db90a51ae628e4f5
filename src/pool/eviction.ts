/** What the cap of all programs together needs to know of one program. */
export interface PoolShare {
  /** Its processes, without those that are stopping. */
  readonly living: number;
  readonly minProcesses: number;
  /** How long its idlest process has been idle, in milliseconds; undefined when none is idle. */
  readonly idlestMs: number | undefined;
  /** How many of its processes will go after their request, for the sake of another program. */
  readonly owed: number;
}

/** Which program gives a process up, and when. */
export interface Eviction<Share extends PoolShare> {
  readonly from: Share;
  /** Its idlest process now, or the first one that ends its request. */
  readonly when: "now" | "after its request";
}

/** A program that has processes takes no other's that was used within this time: the two would take turns. */
const RECENTLY_USED_MS = 1000;

/**
 * Who makes room for a program that wants one more process at the cap of all programs; undefined: nobody has to.
 * The idlest process goes; where none is idle, the largest program gives one up, until both are even.
 */
export function evictionFor<Share extends PoolShare>(
  living: number,
  others: readonly Share[],
): Eviction<Share> | undefined {
  const idleLongEnough = living === 0 ? 0 : RECENTLY_USED_MS;
  let idlest: Share | undefined;
  let largest: Share | undefined;
  for (const other of others) {
    if (left(other) <= other.minProcesses) continue;
    const idleMs = other.idlestMs ?? -1;
    if (idleMs >= idleLongEnough && idleMs > (idlest?.idlestMs ?? -1)) idlest = other;
    if (!largest || left(other) > left(largest)) largest = other;
  }
  if (idlest) return { from: idlest, when: "now" };
  if (largest && left(largest) > living + 1) return { from: largest, when: "after its request" };
  return undefined;
}

/** Sorts programs by who gets room first: the one with the fewest processes, then the one that waits longest. */
export function byNeed(
  a: { readonly living: number; readonly oldestWaitMs: number },
  b: { readonly living: number; readonly oldestWaitMs: number },
): number {
  return a.living - b.living || b.oldestWaitMs - a.oldestWaitMs;
}

function left(share: PoolShare): number {
  return share.living - share.owed;
}
