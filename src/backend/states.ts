import { nextOf, type StateTable } from "../base/state-table.ts";

/**
 * The life of a backend. Why it leaves is another question: see `StopReason`.
 *
 *     starting ──accepted──► free ◄──freed, lent──► lent
 *        │                    │ ▲                     │
 *        │          left alone│ │accepted             │left alone
 *        │                    ▼ │                     │
 *        │                  on its own ◄──────────────┘
 *        └────────┬───────────┴──────────────┬────────┘
 *               leave                      exited
 *                 ▼                          ▼
 *              leaving ───────exited──────► gone
 *
 * free: it can take a request now, as far as anybody knows. lent: it works on as many as it can take. on its own: no request of ours
 * is at work, and it has not come back yet: its client has left, or it works on after its answer. leaving: it takes no more.
 */
export type BackendState = "starting" | "free" | "lent" | "on its own" | "leaving" | "gone";

export type BackendEvent =
  /** It sits in accept(): it has taken a connection without a byte. */
  | "accepted"
  /** It has its last request. */
  | "lent"
  /** One of its requests is over. */
  | "freed"
  /** It may still work on, without us. */
  | "left alone"
  /** It takes no more requests; those it works on go on, unless it is stopped. */
  | "leave"
  /** The process has ended. */
  | "exited";

const TABLE: StateTable<BackendState, BackendEvent> = {
  starting: { accepted: "free", leave: "leaving", exited: "gone" },
  free: { lent: "lent", "left alone": "on its own", leave: "leaving", exited: "gone" },
  lent: { freed: "free", "left alone": "on its own", leave: "leaving", exited: "gone" },
  "on its own": { accepted: "free", leave: "leaving", exited: "gone" },
  leaving: { leave: "leaving", exited: "gone" },
  gone: {},
};

/** The state after `event`. @throws BugError where the table has no arrow. */
export function nextState(state: BackendState, event: BackendEvent): BackendState {
  return nextOf(TABLE, "A backend", state, event);
}
