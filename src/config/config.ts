import type { LogFormat, LogLevel } from "../base/log.ts";
import type { AccessFormat } from "./access-format.ts";

/**
 * The settings of the program at a path. A file has many names, and the path without links is one of them: the tables that match that hold, too.
 * @throws FpmError SCRIPT_FORBIDDEN where tables name another user for the one than for the other.
 */
export interface AppFor {
  (path: string, realPath?: string): AppConfig;
  /** False where no table says `any_path`. */
  readonly servesAnyPath?: boolean;
}

/** The resolved configuration: defaults filled in, durations in milliseconds, sizes in bytes, includes read. */
export interface Config {
  readonly server: ServerConfig;
  readonly log: LogConfig;
  readonly accessLog: AccessLogConfig;
  readonly slowLog: SlowLogConfig;
  readonly admin: AdminConfig;
  /** `[app]`: what holds for every program that no `[[apps]]` table changes. */
  readonly app: AppConfig;
  /** The program settings that hold for an absolute path; the same object for the same set of matching tables. */
  readonly appFor: AppFor;
  /** The same for requests to authorizers. */
  readonly authorizerFor: AppFor;
  /** Whether any table says `spool = "never"`. */
  readonly hasStreams: boolean;
  /** The paths that `[[apps]]` tables name as they are, without * and the like. */
  readonly literalMatches: readonly string[];
  /** The files that were read, in order; empty when the bundled default stands alone. */
  readonly files: readonly string[];
}

/** A listening address: a Unix socket's path, or a TCP address. */
export type ListenAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

export interface ServerConfig {
  readonly listen: readonly ListenAddress[];
  readonly listenMode: number;
  /** User name or number; "" leaves the owner as it is. */
  readonly listenOwner: string;
  readonly listenGroup: string;
  readonly listenBacklog: number;
  /** IP addresses and networks that may connect over TCP; empty: any. */
  readonly allowedClients: readonly string[];
  /** Users (names or numbers) that may connect to Unix sockets; empty: any. */
  readonly allowedUsers: readonly string[];
  readonly runtimeDir: string;
  /** For bodies that are taken whole. */
  readonly spoolDir: string;
  /** Of all of them together; 0 = half of what is free. */
  readonly spoolLimitBytes: number;
  /** 0 = from memory (then at least 64), descriptors and tasks. */
  readonly maxProcesses: number;
  /** 0 = from the descriptor limit. */
  readonly maxConnections: number;
  /** 0 = from the machine's memory, or the control group's. */
  readonly bufferLimitBytes: number;
  /** What SCRIPT_NAME must be; "" for none. */
  readonly statusPath: string;
  readonly pingPath: string;
  readonly headTimeoutMs: number;
  readonly drainTimeoutMs: number;
}

export interface AdminConfig {
  /** Unix or of this machine alone; empty: nowhere. */
  readonly listen: readonly ListenAddress[];
  /** Of every Unix socket but the first one, on which one may act. "" leaves it as it is. */
  readonly listenGroup: string;
  readonly listenMode: number;
}

export interface LogConfig {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** "" = stderr. */
  readonly file: string;
  /** Parameters of a request that lines about it name. */
  readonly requestFields: readonly string[];
}

export interface AccessLogConfig {
  /** "" = no access log. */
  readonly file: string;
  readonly format: AccessFormat;
}

export interface SlowLogConfig {
  /** 0 = no reports. */
  readonly afterMs: number;
  /** A tracer and its arguments, `{pid}` among them; empty: none. */
  readonly command: readonly string[];
}

/** setrlimit(2): numbers, bytes and seconds. What is left out stays as it is. */
export interface ResourceLimits {
  readonly nofile?: number;
  readonly nproc?: number;
  readonly core?: number;
  readonly as?: number;
  readonly cpu?: number;
}

/** Settings of one program, `[app]` with every matching `[[apps]]` table laid over it. */
export interface AppConfig {
  /**
   * Which `[[apps]]` tables are in it, by their names (`table-names`): "app" for none, else like "php" or "php + /srv/shop/**". Pools of a
   * `command` are told apart by it.
   */
  readonly id: string;
  /** Whether one of them has a `name`: then pools of a `command` need no more to be known by. */
  readonly isNamed: boolean;
  /** With a leading dot an ending, without a whole name, "" any. */
  readonly extensions: readonly string[];
  readonly extensionsIgnoreCase: boolean;
  /** Whether a table in it names one path as it is: that path is a program whatever its ending. */
  readonly namesPath: boolean;
  /** Whether every path is the `command`'s, without a look at the disk. */
  readonly anyPath: boolean;
  readonly roots: readonly string[];
  readonly protocol: "fastcgi" | "cgi";
  /** The interpreter and its arguments; undefined when the program itself is executed. */
  readonly command: readonly string[] | undefined;
  /** Working folder; "" = the program's folder, or "/" with `command`. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** A file with more of them, for secrets; "" = none. */
  readonly envFile: string;
  /** Names of variables of the daemon's own environment that are passed on. */
  readonly envPass: readonly string[];
  /** Put in front of the program's command. */
  readonly wrapper: readonly string[];
  /** User name or number; "" = the daemon's own, "owner" = that of the program's file. */
  readonly user: string;
  /** Group name or number; "" = the user's own. */
  readonly group: string;
  /** With `user` = "owner": files of users below this number do not run. */
  readonly lowestUid: number;
  /** 0 leaves it as it is. */
  readonly nice: number;
  /** Folder of a control group; "" = the daemon's own. */
  readonly cgroup: string;
  /** Undefined: that of the daemon. */
  readonly umask: number | undefined;
  readonly noNewPrivileges: boolean;
  readonly limits: ResourceLimits;
  /** Requests that one process serves at once, each on a connection of its own; 1 with `protocol` = "cgi". */
  readonly concurrency: number;
  /** Processes that each process starts to share its work, and its concurrency then; 0 = none. */
  readonly children: number;
  /** Files that count as part of the program; relative ones are in its working folder. */
  readonly restartOnChange: readonly string[];
  /** 0 = automatic. */
  readonly maxProcesses: number;
  readonly minProcesses: number;
  /** 0 = never; a process draws its own number, up to a tenth less or more. */
  readonly maxRequests: number;
  readonly maxAgeMs: number;
  /** 0 = no limit. */
  readonly maxMemoryBytes: number;
  readonly maxMemoryHardBytes: number;
  /** 0 = 1024. */
  readonly queueLength: number;
  readonly keepConnection: boolean;
  readonly idleTimeoutMs: number;
  readonly queueTimeoutMs: number;
  readonly startTimeoutMs: number;
  /** 0 = none. */
  readonly requestTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  /** Which bodies are taken whole before a process gets them: those of unknown length and of plain CGI programs, all, none. */
  readonly spool: "auto" | "always" | "never";
  /** 0 = no limit. */
  readonly maxBodyBytes: number;
  /** 0 = none. */
  readonly abortTimeoutMs: number;
  readonly stopTimeoutMs: number;
  /** Where a plain CGI program's stderr goes. */
  readonly stderr: "log" | "client" | "both";
  /** Whether FCGI_STDERR of a FastCGI program is logged. */
  readonly logStderr: boolean;
  /** Lines a second; 0 = no limit. */
  readonly outputLimit: number;
}
