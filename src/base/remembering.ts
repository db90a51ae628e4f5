import type { Clock } from "./clock.ts";

/** What is known is asked again in the background from this age on … */
const REFRESH_AFTER_MS = 500;
/** … and not believed any more from this age on. */
const BELIEVE_MS = 1000;
const MAX_ENTRIES = 4096;

interface Entry<Facts> {
  readonly facts: Facts;
  readonly readAt: number;
  readonly refreshAfterMs: number;
}

/** What is known of a path at `now`, which is the present where it is not told. */
export type Remembered<Facts> = (path: string, now?: number) => Facts | Promise<Facts>;

/** Sets a value of `map` that keeps the newest `most`, and gives it back. */
export function remember<Key, Value>(map: Map<Key, Value>, key: Key, value: Value, most: number): Value {
  map.delete(key);
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value as Key);
  return value;
}

/**
 * Remembers for a while what `ask` says of a path, if it `isKept`; of what many want to know at once it is asked once. With `pauses` it is not
 * asked again before so many times of how long that took. What `ask` rejects with goes to whoever waits for it, if anybody does, and is forgotten.
 */
export function remembering<Facts>(
  clock: Clock,
  ask: (path: string) => Promise<Facts>,
  isKept: (facts: Facts) => boolean,
  pauses = 0,
): Remembered<Facts> {
  const known = new Map<string, Entry<Facts>>();
  const pending = new Map<string, Promise<Facts>>();

  function read(path: string): Promise<Facts> {
    const running = pending.get(path);
    if (running) return running;
    const askedAt = clock.now();
    const onAnswer = (facts: Facts) => {
      const readAt = clock.now();
      const refreshAfterMs = Math.max(REFRESH_AFTER_MS, pauses * (readAt - askedAt));
      if (isKept(facts)) remember(known, path, { facts, readAt, refreshAfterMs }, MAX_ENTRIES);
      else known.delete(path);
      return facts;
    };
    const reading = ask(path)
      .then(onAnswer)
      .finally(() => pending.delete(path));
    // Who only compares what is known lets go of the promise.
    reading.catch(() => {});
    pending.set(path, reading);
    return reading;
  }

  return (path, now = clock.now()) => {
    const entry = known.get(path);
    if (!entry) return read(path);
    const age = now - entry.readAt;
    if (age >= entry.refreshAfterMs + BELIEVE_MS - REFRESH_AFTER_MS) return read(path);
    // Whoever asks when it is not believed any more hears why.
    if (age >= entry.refreshAfterMs) void read(path);
    return entry.facts;
  };
}
