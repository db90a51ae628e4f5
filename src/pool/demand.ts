/** How many processes of one program were at work in the last minute: a mean for each of its seconds, the newest last. */
export type Demand = readonly number[];

const SECONDS = 60;

/** Adds the mean number at work in the second that has passed: time at work of all processes, divided by the time. */
export function withMean(demand: Demand, mean: number): Demand {
  return [...demand.slice(1 - SECONDS), mean];
}

/** How many processes to keep at hand: the highest mean of the last minute, and its square root for chance. */
export function keptAtHand(demand: Demand): number {
  const highest = Math.max(0, ...demand);
  return Math.ceil(highest + Math.sqrt(highest));
}
