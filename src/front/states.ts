import { nextOf, type StateTable } from "../base/state-table.ts";

/**
 * A connection from a web server.
 *
 *     waiting ──admitted──► open ──finish──► finishing ──flushed──► lingering ──► closed
 *        │                   ├──break──► breaking ─────────┐             │          │
 *        └───────────────────┴─────────────────┴── lost ───┴─────────────┴─────────►┘
 *
 * waiting: there are too many; nothing is read from it. finishing: no more requests are taken, the last bytes of the answer wait for a slow client. lingering: our side
 * is shut down, and what the client still sends is read and dropped until it closes, or has read all and kept silent for a while: a close with unread input makes web
 * servers lose the answer (5 to 70 % of early answers, measured with nginx, Apache and Caddy). breaking: an answer
 * broke off in the middle of a record, and nothing may be written behind that; the client reads what there is, then
 * the connection is closed.
 */
export type ConnectionState = "waiting" | "open" | "finishing" | "lingering" | "breaking" | "closed";

export type ConnectionEvent =
  /** It has a place. */
  | "admitted"
  /** The last answer is complete. */
  | "finish"
  /** An answer broke off. */
  | "break"
  /** The kernel has taken all that was to be sent. */
  | "flushed"
  /** Closed by the client, by a time limit or by a fault of the protocol. */
  | "lost";

const TABLE: StateTable<ConnectionState, ConnectionEvent> = {
  waiting: { admitted: "open", flushed: "waiting", lost: "closed" },
  open: { finish: "finishing", break: "breaking", flushed: "open", lost: "closed" },
  finishing: { finish: "finishing", break: "finishing", flushed: "lingering", lost: "closed" },
  lingering: { finish: "lingering", break: "lingering", flushed: "lingering", lost: "closed" },
  breaking: { finish: "breaking", break: "breaking", flushed: "breaking", lost: "closed" },
  closed: { finish: "closed", break: "closed", flushed: "closed", lost: "closed" },
};

/** The state after `event`. @throws BugError where the table has no arrow. */
export function nextConnectionState(state: ConnectionState, event: ConnectionEvent): ConnectionState {
  return nextOf(TABLE, "A connection", state, event);
}
