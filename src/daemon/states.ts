import { BugError } from "../base/errors.ts";

/**
 * The life of the daemon.
 *
 *     running ──stop──► draining ──drained──► stopping ──ended──► stopped
 *                          └────── stop (a second one), or drain_timeout ──────►┘ stopping
 */
export type DaemonState = "running" | "draining" | "stopping" | "stopped";

export type DaemonEvent = "stop" | "drained" | "ended";

const TABLE: Record<DaemonState, Partial<Record<DaemonEvent, DaemonState>>> = {
  running: { stop: "draining" },
  draining: { stop: "stopping", drained: "stopping" },
  stopping: { stop: "stopping", drained: "stopping", ended: "stopped" },
  stopped: { stop: "stopped" },
};

/** The state after `event`. @throws BugError where the table has no arrow. */
export function nextDaemonState(state: DaemonState, event: DaemonEvent): DaemonState {
  const next = TABLE[state][event];
  if (!next) throw new BugError(`A daemon that is ${state} cannot be ${event}.`);
  return next;
}
