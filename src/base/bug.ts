import { messageOf } from "./errors.ts";
import type { Log } from "./log.ts";

/** Tells of an exception that cannot be, as a mistake in std-fpm; `times`: how often it came, where it is not told each time. */
export function tellBug(log: Log, bug: unknown, times?: number): void {
  const stack = bug instanceof Error ? bug.stack : undefined;
  log.error(`a bug in std-fpm: ${messageOf(bug)}`, { stack, times });
}
