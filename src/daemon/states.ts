import { nextOf, type StateTable } from "../base/state-table.ts";

/**
 * The life of the daemon.
 *
 *     running ──stop──► draining ──drained──► stopping ──ended──► stopped
 *                          └────── stop (a second one), or drain_timeout ──────►┘ stopping
 */
export type DaemonState = "running" | "draining" | "stopping" | "stopped";

export type DaemonEvent = "stop" | "drained" | "ended";

const TABLE: StateTable<DaemonState, DaemonEvent> = {
  running: { stop: "draining" },
  draining: { stop: "stopping", drained: "stopping" },
  stopping: { stop: "stopping", drained: "stopping", ended: "stopped" },
  stopped: { stop: "stopped" },
};

/** The state after `event`. @throws BugError where the table has no arrow. */
export function nextDaemonState(state: DaemonState, event: DaemonEvent): DaemonState {
  return nextOf(TABLE, "A daemon", state, event);
}
