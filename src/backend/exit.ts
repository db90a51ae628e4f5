/** Why a backend was stopped by us. */
export type StopReason =
  | "idle"
  | "surplus"
  | "room for others"
  | "max_requests"
  | "max_age"
  | "max_memory"
  | "max_memory_hard"
  | "new version"
  | "shutdown"
  | "start timeout"
  | "request timeout"
  | "abort timeout"
  | "bad answer";

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | number | null;
  /** It had accepted its first connection before. */
  readonly wasStarted: boolean;
  readonly reason: StopReason | undefined;
}
