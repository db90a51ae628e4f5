import { nextOf, type StateTable } from "../base/state-table.ts";

/**
 * The life of a process. Which requests it works on is another question: see its leases. Why it stops as well: see
 * `StopReason`.
 *
 *     starting ──accepted──► ready ──retire──► retiring ───┐
 *        │                     ├───────ending──► ending ─────┤
 *        └─────────────────────┴─────────────────────────────┤
 *                                                            ├── stop ──► stopping ──exited──► gone
 *                                                            └── exited ────────────────────► gone
 */
export type BackendState = "starting" | "ready" | "retiring" | "ending" | "stopping" | "gone";

export type BackendEvent =
  /** Its first connection was accepted: the program has started. */
  | "accepted"
  /** It takes no more requests; those it works on go on. */
  | "retire"
  /** It ends by itself; its exit is about to be reported. */
  | "ending"
  /** The stop ladder has begun. */
  | "stop"
  /** The process has ended. */
  | "exited";

const TABLE: StateTable<BackendState, BackendEvent> = {
  starting: { accepted: "ready", stop: "stopping", exited: "gone" },
  ready: { retire: "retiring", ending: "ending", stop: "stopping", exited: "gone" },
  retiring: { retire: "retiring", stop: "stopping", exited: "gone" },
  ending: { retire: "ending", stop: "stopping", exited: "gone" },
  stopping: { accepted: "stopping", retire: "stopping", stop: "stopping", exited: "gone" },
  gone: { retire: "gone", stop: "gone" },
};

/** The state after `event`. @throws BugError where the table has no arrow. */
export function nextState(state: BackendState, event: BackendEvent): BackendState {
  return nextOf(TABLE, "A backend", state, event);
}
