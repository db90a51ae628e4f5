import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Config } from "../config/config.ts";
import type { BoundSocket } from "../front/bind.ts";
import type { Policy } from "../pool/policy.ts";
import type { Inheritance } from "./handover.ts";
import type { Operator } from "./operator.ts";
import type { ConfigSource } from "./reloader.ts";

export interface DaemonOptions {
  readonly config: Config;
  readonly log: Log;
  readonly clock?: Clock;
  /** When processes are started; another one than ours is for comparison. */
  readonly policy?: Policy;
  /** What an earlier daemon hands over; it goes on until this one serves. */
  readonly inheritance?: Inheritance | undefined;
  /** Sockets that the service manager made; they take the place of `listen`. */
  readonly activated?: readonly BoundSocket[];
  /** Where `reload` finds the configuration; without it there is nothing to reload. */
  readonly source?: ConfigSource;
  /** How `handOver` starts the executable. */
  readonly command?: readonly string[];
  /** Stops, reloads and hands over for those who ask by the admin socket; without it the daemon itself. */
  readonly operator?: Operator;
}

/** How a daemon ended: with nothing left, with something that the log names, or with another one in its place. */
export type DaemonEnd = "stopped" | "incomplete" | "handed over";

/** A daemon that serves. */
export interface RunningDaemon {
  /** Finishes what is in flight, then ends every backend; a second call does not wait for requests any more. */
  stop(reason: string): Promise<void>;
  /** Reads the configuration again and goes on with it; a bad one changes nothing. Never rejects. */
  reload(): Promise<void>;
  /**
   * Starts the executable again, which gets the listening sockets; when it serves, this daemon finishes what is in flight
   * and ends. Settles with the new one's pid; with undefined when it does not come to serve, and everything stays as it was. Never rejects.
   */
  handOver(): Promise<number | undefined>;
  /** Goes on in new log files: the old ones were renamed. Gives why some are not open within a few seconds, a line each. Never rejects. */
  reopenLogs(): Promise<string[]>;
  /** What it is at, in a line. */
  readonly status: string;
  /** How long a stop may take. */
  readonly stopTimeoutMs: number;
  /** Settles when all that is this daemon's own has gone. */
  readonly finished: Promise<DaemonEnd>;
}
