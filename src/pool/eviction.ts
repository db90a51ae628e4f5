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

/** All programs together, at one moment. */
export interface RoomView {
  /** How many more processes the cap of all programs allows. */
  readonly room: number;
  /** Processes that are stopping, and those that are owed. */
  readonly leaving: number;
  /** Programs that would start a process, had they room. */
  readonly inNeed: number;
  /** The cap of all programs together. */
  readonly cap: number;
}

/** The part of the cap that is kept free, so that a program in need does not wait until another's process has ended. */
const FREE_PART = 1 / 16;

/** How many more processes are to leave for programs in need: ask evictionFor for each. */
export function evictionsInNeed({ room, leaving, inNeed }: RoomView): number {
  return Math.max(0, inNeed - Math.max(0, room) - leaving);
}

/** How many more are to leave ahead of need: only such that evictionFor finds idle, for a program that has one. */
export function evictionsAhead({ room, leaving, inNeed, cap }: RoomView): number {
  return Math.max(0, inNeed + Math.floor(cap * FREE_PART) - Math.max(0, room) - leaving);
}

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
