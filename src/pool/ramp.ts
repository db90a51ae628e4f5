/** How many boots of one program may be in flight, and what that was last decided by. */
export interface Ramp {
  readonly atOnce: number;
  /** When `atOnce` was last looked at; monotonic milliseconds. */
  readonly since: number;
  /** How many requests waited then. */
  readonly waiting: number;
}

/** The first boots in flight: no more than can make use of the cores at once. */
export function firstRamp(cores: number): Ramp {
  return { atOnce: Math.max(2, Math.floor(cores / 2)), since: 0, waiting: 0 };
}

/**
 * The ramp at `now`: boots in flight double each time a boot has passed and the queue is not shorter than before.
 * `bootMs`: undefined until a boot was seen; nothing doubles before.
 */
export function nextRamp(
  ramp: Ramp,
  now: number,
  waiting: number,
  bootMs: number | undefined,
  cores: number,
): Ramp {
  if (waiting === 0) return ramp.waiting === 0 ? ramp : firstRamp(cores);
  if (ramp.waiting === 0) return { ...firstRamp(cores), since: now, waiting };
  if (bootMs === undefined || now - ramp.since < bootMs) return ramp;
  return { atOnce: waiting >= ramp.waiting ? ramp.atOnce * 2 : ramp.atOnce, since: now, waiting };
}
