import type { Socket } from "bun";
import type { Clock } from "../base/clock.ts";
import type { ErrorCode } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Connection } from "./connection.ts";
import type { FrontRequest } from "./request.ts";

/** A Bun socket; its types lack `fd` (Bun 1.4.5). */
export type FrontSocket = Socket<Connection> & { readonly fd: number };

/** What connections need of their surroundings. */
export interface ConnectionDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly headTimeoutMs: number;
  /** How long a client may send no byte of a body, or take no byte of its answer. */
  readonly bodyTimeoutMs: number;
  readonly maxConns: number;
  /** A request was refused, or a connection closed, before there was anything to work on. */
  onRejected(code: ErrorCode): void;
  /** A request can be worked on. */
  onRequest(request: FrontRequest): void;
  /** The connection is over. */
  onClosed(connection: Connection): void;
}
