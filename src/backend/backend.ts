import type { ByteBudget } from "../base/byte-budget.ts";
import type { ByteQueue } from "../base/byte-queue.ts";
import type { Clock } from "../base/clock.ts";
import type { FpmError } from "../base/errors.ts";
import type { Linked } from "../base/linked-list.ts";
import type { Log } from "../base/log.ts";
import type { RequestNaming } from "../fcgi/request-naming.ts";
import type { Program } from "../start/program.ts";
import type { Starter } from "../start/starter.ts";
import type { Conduct } from "./conduct.ts";
import type { Exit, StopReason } from "./exit.ts";
import type { Ending, Lease } from "./lease.ts";
import type { Link } from "./link.ts";
import type { MemoryKiller } from "./memory-killer.ts";
import type { OutputLimit } from "./output-limit.ts";
import type { BackendState } from "./states.ts";
import type { UnreadWatch } from "./unread-watch.ts";
import type { Usage } from "./usage.ts";
import type { Hindrance } from "./work-signs.ts";

/** Hears of a backend's life: its pool. */
export interface BackendOwner {
  /** It is in another state than `before`. */
  onBackendMoved(backend: Backend, before: BackendState): void;
  /** The first connection was accepted. */
  onBackendReady(backend: Backend): void;
  /** It was on its own, and can take a request again. */
  onBackendBack(backend: Backend): void;
  /** It has read nothing of a request that it was handed, for this reason. */
  onBackendUnread(lease: Lease, hindrance: Hindrance): void;
  /** The process has ended; what it printed last may still come until `backend.finished`. */
  onBackendExit(backend: Backend, exit: Exit): void;
  /** A process has been started; with CGI each request is one. */
  onProcessStarted(): void;
  onProcessExited(pid: number, exit: Exit): void;
  /** A record of an earlier request came on a connection to it, and was dropped. */
  onStaleRecord(): void;
}

/** What backends need of their surroundings. */
export interface BackendDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** What waits towards programs is held of it. */
  readonly buffers: ByteBudget;
  /** Marks every child of this daemon. */
  readonly instance: string;
  readonly starter: Starter;
  /** Looks at requests that were handed over: of all programs. */
  readonly unread: UnreadWatch;
  /** What was learned of the program. */
  readonly conduct: Conduct;
  /** How much of what the program's processes print is logged. */
  readonly outputLimit: OutputLimit;
  readonly memoryKiller: MemoryKiller;
  /** How lines of the log name a request. */
  readonly naming: RequestNaming;
  /** A new path for a backend's socket. */
  nextSocketPath(): string;
}

/** What serves the requests of a program: a FastCGI process, or a place in which one CGI process runs after the other. */
export interface Backend extends Linked<Backend> {
  /** What it was started as; other settings of the same generation may take its place. */
  program: Program;
  readonly startedAt: number;
  readonly state: BackendState;
  /** Whether it was told to end. */
  readonly isStopping: boolean;
  /** Whether its process has ended, or is about to. */
  readonly isDead: boolean;
  /** How its process has ended, in words; of plain CGI the last one. Undefined: nobody has told yet. */
  readonly death: string | undefined;
  /** Since when it has been on its own. */
  readonly aloneSince: number;
  /** 0 while no process runs, or until it has started. */
  readonly pid: number;
  /** Where its listening socket is; undefined: it has none. */
  readonly socketPath: string | undefined;
  /** Program and pid, as messages name it. */
  readonly label: string;
  /** The requests it works on. */
  readonly leases: readonly Lease[];
  /** How many these are. */
  readonly busy: number;
  /** How many more requests it can take. */
  readonly free: number;
  /** When it last became idle; orders idle backends. */
  readonly idleSince: number;
  /** Requests answered. */
  readonly served: number;
  /** Memory it was last seen to hold, in bytes; undefined while it was not looked at. */
  memoryBytes: number | undefined;
  /** What it has used of the CPU; undefined when it has gone. */
  readonly usage: Usage | undefined;
  /** The first line it printed on stdout: a FastCGI program prints nothing there. */
  readonly firstStdout: string;
  /** The last line it printed on stderr. */
  readonly lastStderr: string;
  /** What a tool said that was to start its program: see ProgramProcess. */
  readonly complaint: string;
  /** Settles when it has ended and everything it printed was logged. */
  readonly finished: Promise<void>;
  /** Settles with the processes that it left in the background when it ended before it had started; they have been ended. Empty for others. */
  readonly leftBehind: Promise<readonly number[]>;
  /** What was learned of the program. */
  readonly conduct: Conduct;

  /** It works on one more request. Only while it is `free`. */
  lend(): Lease;
  /** See Lease.open. */
  open(lease: Lease, records: ByteQueue, body: ByteQueue, fresh: boolean): Link | FpmError;
  /** Whether a connection is known to wait for the program to accept it. */
  isUnaccepted(link: Link): boolean;
  /** Whether the program has read nothing of what was sent for the present request of a link. */
  isUnread(link: Link): boolean;
  /** See Lease.takeBack. */
  takeBack(link: Link): boolean;
  /** A request that it was handed is unread after a while; asked again as long as it is. */
  onUnread(lease: Lease): void;
  /** That it is free was a guess of which nobody is sure any more: it counts as on its own until it comes back. */
  doubt(): void;
  /** The request of a lease is over, at `now`. */
  end(lease: Lease, how: Ending, now: number): void;
  /** See Lease.condemn. */
  condemn(lease: Lease, reason: StopReason): void;
  /** Takes no more requests, and is stopped when those it works on are over, and it has come back: at once when it is idle. */
  retire(reason: StopReason, stopTimeoutMs: number): void;
  /** Ends it now: SIGTERM, and SIGKILL after `stopTimeoutMs`; at once when that is 0. */
  stop(reason: StopReason, stopTimeoutMs: number): void;
  /** It has sent some content of FCGI_STDERR records for the request of a lease. */
  onErrorOutput(lease: Lease, bytes: Uint8Array): void;
  /** It answered under the id that it was given, which was not 1. */
  onEcho(): void;
  /** A record of an earlier request came on a connection to it, and was dropped. */
  onStaleRecord(): void;
  /** It has answered under another id than it was given. */
  onIgnoredId(): void;
}
