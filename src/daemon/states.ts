import { nextOf, type StateTable } from "../base/state-table.ts";

/**
 * The life of the daemon.
 *
 *     running ──stop──────────► draining ──drained, stop (a second one)──► stopping ──ended──► stopped
 *        └────handed over──► retiring ──stop──► draining
 *                               └──drained──► stopping
 *
 * retiring: another daemon accepts; what is in flight is finished. A stop was not asked for yet, so that the first one does not
 * end it at once.
 */
export type DaemonState = "running" | "retiring" | "draining" | "stopping" | "stopped";

export type DaemonEvent = "stop" | "handed over" | "drained" | "ended";

const TABLE: StateTable<DaemonState, DaemonEvent> = {
  running: { stop: "draining", "handed over": "retiring" },
  retiring: { stop: "draining", drained: "stopping" },
  draining: { stop: "stopping", drained: "stopping" },
  stopping: { stop: "stopping", drained: "stopping", ended: "stopped" },
  stopped: { stop: "stopped" },
};

/** The state after `event`. @throws BugError where the table has no arrow. */
export function nextDaemonState(state: DaemonState, event: DaemonEvent): DaemonState {
  return nextOf(TABLE, "A daemon", state, event);
}
