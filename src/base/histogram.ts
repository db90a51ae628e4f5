/** The upper bounds of the buckets, in milliseconds: from a quarter of one up to two minutes, each the double of the one before. */
export const BOUNDS_MS: readonly number[] = Array.from({ length: 20 }, (_, index) => 0.25 * 2 ** index);

/** How long things took: a count for each bucket, and the sum. Of fixed size, whatever it counts. */
export class Histogram {
  /** How many fell into each bucket; the last one has those above the last bound. */
  readonly counts: Float64Array = new Float64Array(BOUNDS_MS.length + 1);
  #sumMs = 0;
  #maxMs = 0;

  /** The longest of all. */
  get maxMs(): number {
    return this.#maxMs;
  }

  get sumMs(): number {
    return this.#sumMs;
  }

  get count(): number {
    return this.counts.reduce((sum, each) => sum + each, 0);
  }

  observe(ms: number): void {
    let bucket = 0;
    while (bucket < BOUNDS_MS.length && ms > (BOUNDS_MS[bucket] as number)) bucket++;
    this.counts[bucket] = (this.counts[bucket] as number) + 1;
    this.#sumMs += ms;
    if (ms > this.#maxMs) this.#maxMs = ms;
  }

  /** Adds what another one has counted. */
  add(other: Histogram): void {
    // Not by an iterator, which takes longer: each snapshot adds up those of all programs.
    const { counts } = this;
    for (let bucket = 0; bucket < counts.length; bucket++)
      counts[bucket] = (counts[bucket] as number) + (other.counts[bucket] as number);
    this.#sumMs += other.sumMs;
    this.#maxMs = Math.max(this.#maxMs, other.maxMs);
  }
}

/**
 * The time within which a part of all were done, `part` being 0 to 1; evenly spread within a bucket. Undefined when nothing was
 * counted; never above the longest of all, nor the last bound.
 */
export function quantileMs(
  counts: ArrayLike<number>,
  part: number,
  maxMs: number = Number.POSITIVE_INFINITY,
): number | undefined {
  let total = 0;
  for (let bucket = 0; bucket < counts.length; bucket++) total += counts[bucket] as number;
  if (total === 0) return undefined;
  const wanted = part * total;
  let before = 0;
  for (let bucket = 0; bucket < BOUNDS_MS.length; bucket++) {
    const count = counts[bucket] as number;
    if (count > 0 && before + count >= wanted) {
      const lower = bucket === 0 ? 0 : (BOUNDS_MS[bucket - 1] as number);
      const quantile = lower + ((BOUNDS_MS[bucket] as number) - lower) * ((wanted - before) / count);
      // The longest of all is in this bucket or above.
      return Math.min(quantile, Math.max(lower, maxMs));
    }
    before += count;
  }
  return BOUNDS_MS.at(-1) as number;
}
