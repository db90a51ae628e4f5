import { BugError } from "./errors.ts";

/** For each state the state that follows an event; an event that is left out cannot happen there. */
export type StateTable<State extends string, Event extends string> = Readonly<
  Record<State, Readonly<Partial<Record<Event, State>>>>
>;

/** The state after `event`. @throws BugError where the table has no arrow; `who` is named in it. */
export function nextOf<State extends string, Event extends string>(
  table: StateTable<State, Event>,
  who: string,
  state: State,
  event: Event,
): State {
  const next = table[state][event];
  if (!next) throw new BugError(`${who} that is ${state} cannot be ${event}.`);
  return next;
}
