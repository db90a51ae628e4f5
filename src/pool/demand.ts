/** How many processes of one program were at work in the last minute: a mean for each of its seconds, the newest last. */
export type Demand = readonly number[];

const SECONDS = 60;

/** Adds the mean number at work in the second that has passed: time at work of all processes, divided by the time. */
export function withMean(demand: Demand, mean: number): Demand {
  return [...demand.slice(1 - SECONDS), mean];
}

/** Adds seconds in which none was at work. */
export function withQuiet(demand: Demand, seconds: number): Demand {
  return seconds >= SECONDS ? [] : [...demand, ...Array<number>(seconds).fill(0)].slice(-SECONDS);
}

/** How many processes to keep at hand: the highest mean of the last minute, and its square root for chance. */
export function keptAtHand(demand: Demand): number {
  const highest = Math.max(0, ...demand);
  return Math.ceil(highest + Math.sqrt(highest));
}

/** After how many seconds without any at work there will be fewer to keep at hand; Infinity when there are none now. */
export function fadesAfter(demand: Demand): number {
  const highest = Math.max(0, ...demand);
  return highest === 0 ? Number.POSITIVE_INFINITY : SECONDS - demand.length + demand.lastIndexOf(highest) + 1;
}
