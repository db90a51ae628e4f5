import { nextOf, type StateTable } from "../base/state-table.ts";

/**
 * What a backend is doing. Why it stops is another question: see `StopReason`.
 *
 *     starting ──accepted──► idle ──lent──► busy ──returned──► idle
 *        │                    │              │
 *        │                    │              └──abandoned──► aborting ──returned──► idle
 *        └───────────┬────────┴──────────────┴──────────────────┘
 *                    ├── stop ──► stopping ──exited──► gone
 *                    └── exited ────────────────────► gone
 */
export type BackendState = "starting" | "idle" | "busy" | "aborting" | "stopping" | "gone";

export type BackendEvent =
  /** Its first connection was accepted: the program has started. */
  | "accepted"
  /** It works on a request. */
  | "lent"
  /** END_REQUEST has come, its request is over. */
  | "returned"
  /** Its client left; it still works on the request. */
  | "abandoned"
  /** The stop ladder has begun. */
  | "stop"
  /** The process has ended. */
  | "exited";

const TABLE: StateTable<BackendState, BackendEvent> = {
  starting: { accepted: "idle", stop: "stopping", exited: "gone" },
  idle: { lent: "busy", stop: "stopping", exited: "gone" },
  busy: { returned: "idle", abandoned: "aborting", stop: "stopping", exited: "gone" },
  aborting: { returned: "idle", stop: "stopping", exited: "gone" },
  stopping: {
    accepted: "stopping",
    returned: "stopping",
    abandoned: "stopping",
    stop: "stopping",
    exited: "gone",
  },
  gone: { returned: "gone", abandoned: "gone", stop: "gone" },
};

/** The state after `event`. @throws BugError where the table has no arrow. */
export function nextState(state: BackendState, event: BackendEvent): BackendState {
  return nextOf(TABLE, "A backend", state, event);
}
