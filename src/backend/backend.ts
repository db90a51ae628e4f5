import { unlinkSync } from "node:fs";
import type { Subprocess } from "bun";
import type { Clock } from "../base/clock.ts";
import { FpmError } from "../base/errors.ts";
import { closeFd, connectUnix, hasUnaccepted, listenUnix } from "../base/libc.ts";
import type { Log } from "../base/log.ts";
import { Timers } from "../base/timers.ts";
import type { Exit, StopReason } from "./exit.ts";
import { Link } from "./link.ts";
import { OutputReader } from "./output.ts";
import type { Program } from "./program.ts";
import { spawnProgram } from "./spawn.ts";
import { type BackendEvent, type BackendState, nextState } from "./states.ts";

/** Connections that may wait on a backend's socket: the one of its request, and one that wakes its accept(). */
const BACKLOG = 16;
/** How often a program that boots is looked at: at first often, then less. */
const FIRST_LOOK_MS = 1;
const LAST_LOOK_MS = 20;
/** A program that sits in accept() and did not leave on SIGTERM is woken by a connection after this time. */
const WAKE_AFTER_MS = 500;
/** How long what a program sent before it ended may take to arrive. */
const LINK_GRACE_MS = 1000;
/** How long descendants may go on printing into the pipes of a program that has ended. */
const OUTPUT_GRACE_MS = 200;

/** Hears of a backend's life: its pool. */
export interface BackendOwner {
  /** The first connection was accepted. */
  onBackendReady(backend: Backend): void;
  /** The process has ended; what it printed last may still come until `backend.finished`. */
  onBackendExit(backend: Backend, exit: Exit): void;
}

/** What backends need of their surroundings. */
export interface BackendDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Marks every child of this daemon. */
  readonly instance: string;
  /** A new path for a backend's socket. */
  nextSocketPath(): string;
}

/** One process of a program, its listening socket and its one connection. */
export class Backend {
  readonly program: Program;
  readonly startedAt: number;
  /** When it last became free; orders idle backends. */
  idleSince: number;
  /** Requests answered. */
  served = 0;
  /** Memory it was last seen to hold, in bytes; undefined while it was not looked at. */
  memoryBytes: number | undefined;
  /** Called at once when the process has ended: set by the relay of the request it works on. */
  onGone: (() => void) | undefined;
  /** The last line it printed on stderr. */
  lastStderr = "";
  readonly #deps: BackendDeps;
  readonly #owner: BackendOwner;
  readonly #socketPath: string;
  readonly #listenFd: number;
  readonly #process: Subprocess;
  readonly #outputs: OutputReader[];
  readonly #timers: Timers<"look" | "start" | "wake" | "kill">;
  readonly #finished = Promise.withResolvers<void>();
  #state: BackendState = "starting";
  #stopReason: StopReason | undefined;
  /** When its first connection was accepted. */
  #readyAt: number | undefined;
  /** The silent connection by which a boot is noticed. */
  #bootFd: number | undefined;
  #link: Link | undefined;

  /** @throws FpmError SPAWN_FAILED, SYSTEM_CALL. */
  constructor(program: Program, owner: BackendOwner, deps: BackendDeps) {
    this.program = program;
    this.#owner = owner;
    this.#deps = deps;
    this.#timers = new Timers(deps.clock);
    this.startedAt = deps.clock.now();
    this.idleSince = this.startedAt;
    this.#socketPath = deps.nextSocketPath();
    this.#listenFd = listenUnix(this.#socketPath, BACKLOG);
    try {
      this.#bootFd = this.#connectSilently();
      const spawned = spawnProgram(program, this.#listenFd, deps.instance, () => this.#onExit());
      this.#process = spawned.process;
      this.#outputs = [
        new OutputReader(spawned.stdoutFd, (line) => this.#logLine("stdout", line)),
        new OutputReader(spawned.stderrFd, (line) => this.#logLine("stderr", line)),
      ];
    } catch (error) {
      this.closeLink();
      this.#closeSocket();
      throw error;
    }
    this.#watchBoot();
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Program and pid, as messages name it. */
  get label(): string {
    return `${this.program.name} (pid ${this.pid})`;
  }

  /** Settles when the process has ended and everything it printed was logged. */
  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  get state(): BackendState {
    return this.#state;
  }

  /** Whether a connection waits that the program has not accepted: what was sent on it was never seen. */
  get hasUnaccepted(): boolean {
    return hasUnaccepted(this.#listenFd);
  }

  /** The one mutator of `state`. */
  #enter(event: BackendEvent): void {
    this.#state = nextState(this.#state, event);
  }

  /** The backend now works on a request. */
  lend(): void {
    this.#enter("lent");
  }

  /** It was lent and not used. */
  giveBack(): void {
    this.#enter("returned");
    this.#dropSilentLink();
  }

  /** Its client left; it still works on that request and must not be lent. */
  abandon(): void {
    this.#enter("abandoned");
  }

  /** Its request is over; with `keepLink` the connection is fit for the next one. */
  returnToIdle(keepLink: boolean): void {
    if (!keepLink) this.closeLink();
    this.#link?.use(undefined);
    this.served++;
    this.idleSince = this.#deps.clock.now();
    this.#enter("returned");
  }

  /** The open connection, or a new one; with `fresh` always a new one. The request's bytes must follow at once. */
  connect(fresh: boolean): Link | FpmError {
    if (!fresh && this.#link?.isOpen) return this.#link;
    const bootFd = this.#bootFd;
    this.#bootFd = undefined;
    this.closeLink();
    const link = bootFd === undefined ? Link.connect(this.#socketPath) : Link.adopt(bootFd);
    if (link instanceof Link) this.#link = link;
    return link;
  }

  /** Closes the connection to the program. */
  closeLink(): void {
    this.#link?.close();
    this.#link = undefined;
    if (this.#bootFd !== undefined) closeFd(this.#bootFd);
    this.#bootFd = undefined;
  }

  /**
   * The stop ladder: close the connection, SIGTERM to the group, wake its accept(), SIGKILL after `stopTimeoutMs`. At once
   * SIGKILL when that is 0.
   */
  stop(reason: StopReason, stopTimeoutMs: number): void {
    if (this.#state === "gone") return;
    this.#stopReason ??= reason;
    this.#enter("stop");
    // Whoever uses the link must hear of it: nobody else will tell.
    this.#link?.onClosed(`stopped: ${reason}`);
    this.closeLink();
    if (stopTimeoutMs === 0) {
      this.#signalGroup("SIGKILL");
      return;
    }
    this.#signalGroup("SIGTERM");
    // Told to stop once more, it gets no more time.
    if (this.#timers.has("kill")) return;
    this.#timers.set("wake", Math.min(WAKE_AFTER_MS, stopTimeoutMs / 2), () => this.#wake());
    this.#timers.set("kill", stopTimeoutMs, () => this.#signalGroup("SIGKILL"));
  }

  #dropSilentLink(): void {
    if (this.#bootFd !== undefined) this.closeLink();
  }

  /**
   * Notices the program's first accept(): a connection without a byte waits on its socket, and our own descriptor of
   * that socket polls readable until it is taken.
   */
  #watchBoot(): void {
    const look = (delayMs: number) => {
      this.#timers.set("look", delayMs, () => {
        if (this.#state !== "starting") return;
        if (this.hasUnaccepted) look(Math.min(delayMs * 1.2, LAST_LOOK_MS));
        else this.#onAccepted();
      });
    };
    look(FIRST_LOOK_MS);
    this.#timers.set("start", this.program.app.startTimeoutMs, () => {
      if (this.#state === "starting") this.stop("start timeout", 0);
    });
  }

  #onAccepted(): void {
    this.#readyAt = this.#deps.clock.now();
    this.#enter("accepted");
    this.#owner.onBackendReady(this);
    // Nobody had a request for it: a silent connection would keep the program from accepting another.
    if (this.#state === "idle") this.#dropSilentLink();
  }

  #connectSilently(): number {
    const connected = connectUnix(this.#socketPath);
    if (connected.kind === "connected") return connected.fd;
    throw new FpmError("CONNECT_FAILED", "backend", `Connecting to ${this.#socketPath} failed.`);
  }

  #wake(): void {
    const connected = connectUnix(this.#socketPath);
    if (connected.kind === "connected") closeFd(connected.fd);
  }

  #signalGroup(signal: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, signal);
    } catch {
      // ESRCH: the whole group has ended already.
    }
  }

  #onExit(): void {
    const wasStarted = this.#readyAt !== undefined;
    // What it left behind in its group goes with it.
    this.#signalGroup("SIGKILL");
    this.#timers.cancelAll();
    this.#enter("exited");
    const { exitCode, signalCode } = this.#process;
    this.onGone?.();
    this.#owner.onBackendExit(this, {
      code: exitCode,
      signal: signalCode,
      wasStarted,
      reason: this.#stopReason,
    });
    this.#dropSilentLink();
    this.#closeSocket();
    // A descendant outside its group may hold the connection open; nobody answers on it any more.
    this.#deps.clock.after(LINK_GRACE_MS, () => this.#link?.onClosed("its process has ended"));
    void this.#finishOutput();
  }

  async #finishOutput(): Promise<void> {
    const timer = this.#deps.clock.after(OUTPUT_GRACE_MS, () => {
      for (const output of this.#outputs) output.cancel();
    });
    await Promise.all(this.#outputs.map((output) => output.ended));
    timer.cancel();
    this.#finished.resolve();
  }

  #closeSocket(): void {
    closeFd(this.#listenFd);
    try {
      unlinkSync(this.#socketPath);
    } catch {
      // Somebody removed it already.
    }
  }

  #logLine(stream: "stdout" | "stderr", line: string): void {
    if (stream === "stderr" && line !== "") this.lastStderr = line;
    this.#deps.log.warn(line, { program: this.program.name, pid: this.pid, stream });
  }
}
