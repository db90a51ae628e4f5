import type { BackendDeps } from "../backend/backend.ts";
import type { Machine } from "./cap.ts";
import type { Policy } from "./policy.ts";
import type { Pool } from "./pool.ts";

/** What pools need of their surroundings. */
export interface PoolDeps extends Omit<BackendDeps, "outputLimit" | "conduct"> {
  /** When to start a process. */
  readonly policy: Policy;
}

/** What a pool may use of the whole, and tells it. */
export interface PoolOwner {
  /** How many more backends all programs together may have. */
  room(): number;
  readonly machine: Machine;
  /** The pool would start one more, had it room: a backend of another program may have to go. */
  wantRoom(pool: Pool): void;
  /** A backend has been started. */
  onStart(): void;
  /** A backend has gone. */
  onRoom(): void;
}
