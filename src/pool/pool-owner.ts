import type { Pool } from "./pool.ts";

/** What a pool may use of the whole, and tells it. */
export interface PoolOwner {
  /** How many more backends all programs together may have. */
  room(): number;
  /** How many boots of one program may be in flight. */
  readonly startsAtOnce: number;
  /** The pool has requests that wait and no room: an idle backend of another program may go. */
  wantRoom(pool: Pool): void;
  /** A backend has been started. */
  onStart(): void;
  /** A backend has gone. */
  onRoom(): void;
}
