import { basename } from "node:path";
import type { AdminServers } from "../admin/admin-servers.ts";
import { tellBug } from "../base/bug.ts";
import { type ErrorCode, messageOf } from "../base/errors.ts";
import { closeFd } from "../base/libc.ts";
import type { Config } from "../config/config.ts";
import { formatListenAddress } from "../config/listen-address.ts";
import type { RequestHead } from "../fcgi/head.ts";
import type { Outcome } from "../fcgi/outcome.ts";
import type { FrontLimits } from "../front/connections.ts";
import { Front, type FrontOptions } from "../front/front.ts";
import type { FrontRequest } from "../front/request.ts";
import type { Reaper } from "../start/reaper.ts";
import { countOf } from "../status/units.ts";
import { Dispatch, type DispatchDeps } from "./dispatch.ts";
import { drain } from "./drain.ts";
import { frontLimitsOf } from "./front-options.ts";
import { type Inheritance, reportReady } from "./handover.ts";
import { keptFiles } from "./kept-files.ts";
import { type Limits, limitFields, limitsOf } from "./limits.ts";
import type { MachineWatch } from "./machine-watch.ts";
import { waitForPredecessor } from "./predecessor.ts";
import { type ConfigSource, type Reloaded, Reloader } from "./reloader.ts";
import { recordDismissed } from "./request-end.ts";
import type { DaemonEnd, DaemonOptions, RunningDaemon } from "./running-daemon.ts";
import type { RuntimeDir } from "./runtime-dir.ts";
import { type DaemonState, nextDaemonState } from "./states.ts";
import { endLeftBehind, endStraysOf } from "./strays.ts";
import { type Started, Successor, whyNoSuccessor } from "./successor.ts";
import { Upkeep } from "./upkeep.ts";
import { keepWarm } from "./warm.ts";

/** What a stop takes beside the requests and the programs. */
const STOP_MARGIN_MS = 5000;

export interface DaemonDeps extends DispatchDeps {
  readonly reaper: Reaper;
  readonly machine: MachineWatch;
}

/** What serves: it accepts, dispatches, reloads, hands over and stops. */
export class Daemon implements RunningDaemon {
  #config: Config;
  #limits: Limits;
  #frontLimits: FrontLimits;
  readonly #deps: DaemonDeps;
  readonly #runtimeDir: RuntimeDir;
  readonly #front: Front;
  readonly #admin: AdminServers;
  readonly #upkeep: Upkeep;
  readonly #reloader: Reloader | undefined;
  readonly #command: readonly string[] | undefined;
  readonly #source: ConfigSource | undefined;
  /** Whose place this one has taken. */
  readonly #predecessor: number | undefined;
  readonly #finished = Promise.withResolvers<DaemonEnd>();
  #state: DaemonState = "running";
  #inFlight = 0;
  /** Who is to take this one's place. */
  #successor: Successor | undefined;
  #handOverProblem: string | undefined;
  /** Settles when nothing is waited for any more. */
  readonly #hurry = Promise.withResolvers<void>();
  #isHurried = false;
  /** Something could not be ended or removed. */
  #isIncomplete = false;

  /** @throws FpmError LISTEN_IN_USE, LISTEN_FAILED. */
  constructor(
    { config, inheritance, activated = [], source, command }: DaemonOptions,
    deps: DaemonDeps,
    runtimeDir: RuntimeDir,
    frontOptions: FrontOptions,
    admin: AdminServers,
  ) {
    this.#config = config;
    this.#limits = limitsOf(config.server, deps.machine.facts);
    this.#frontLimits = frontOptions;
    this.#admin = admin;
    this.#command = command;
    this.#source = source;
    this.#deps = deps;
    this.#runtimeDir = runtimeDir;
    this.#predecessor = inheritance?.pid;
    const { clock, log, clientLog, buffers } = deps;
    const apply = (next: Config) => this.#reconfigure(next);
    this.#reloader =
      source && new Reloader({ source, log, isWanted: () => this.#state === "running", apply });
    const onRequest = (request: FrontRequest) => this.#onRequest(request);
    const onRejected = (code: ErrorCode) => deps.registry.tallies.others.onRejected(code);
    const onDismissed = (request: FrontRequest, outcome: Outcome) =>
      recordDismissed(request, outcome, clock.now(), deps);
    const isStreamed = (head: RequestHead) => this.#config.hasStreams && deps.router.isStreamed(head);
    const frontDeps = { clock, log, clientLog, buffers, onRejected, onDismissed, isStreamed, onRequest };
    const inherited = inheritance?.sockets ?? activated;
    this.#front = new Front(config.server.listen, frontOptions, inherited, frontDeps);
    this.#upkeep = this.#createUpkeep();
    for (const socket of this.#front.sockets)
      log.info("listening", {
        listen: formatListenAddress(socket.address),
        inherited: inherited.includes(socket),
      });
    deps.machine.watch(() => this.#onMachine());
  }

  get state(): DaemonState {
    return this.#state;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get connections(): number {
    return this.#front.connections;
  }

  /** What holds now of the settings and the machine. */
  get limits(): Limits {
    return this.#limits;
  }

  get places(): Front["places"] {
    return this.#front.places;
  }

  get lastReload(): Reloaded | undefined {
    return this.#reloader?.last;
  }

  get unreachable(): string | undefined {
    return this.#front.isHeld ? "it ends what an earlier daemon left" : this.#upkeep.problem;
  }

  get handOverProblem(): string | undefined {
    return this.#handOverProblem;
  }

  get status(): string {
    const { programs, processes } = this.#deps.registry;
    const now = [countOf(programs, "program"), countOf(processes, "process", "processes")];
    return `${this.#state}: ${now.join(", ")}, ${countOf(this.#inFlight, "request")} in flight`;
  }

  get stopTimeoutMs(): number {
    const { server, app } = this.#config;
    return server.drainTimeoutMs + app.stopTimeoutMs + STOP_MARGIN_MS;
  }

  get finished(): Promise<DaemonEnd> {
    return this.#finished.promise;
  }

  /**
   * Takes the runtime folder, and ends what an earlier daemon left there. Every address is ours by now, so it is not at work any more, whatever
   * became of its pid file; nobody is accepted meanwhile. @throws the system's error; then no socket is left.
   */
  async claim(): Promise<void> {
    const { clock, log } = this.#deps;
    const { previousInstance: instance } = this.#runtimeDir;
    try {
      this.#runtimeDir.writePid();
      if (instance !== undefined) await this.#front.acceptAfter(() => endStraysOf(instance, clock, log));
      this.#runtimeDir.claim();
    } catch (error) {
      this.#front.undo();
      throw error;
    }
  }

  /** Lets the earlier daemon go. @throws FpmError LISTEN_FAILED; the system's error when the pid file cannot be written. */
  takeOver(inheritance: Inheritance, isElsewhere: boolean): void {
    try {
      if (!isElsewhere) this.#runtimeDir.claim();
      this.#admin.publish();
    } catch (error) {
      this.#front.undo();
      throw error;
    }
    if (isElsewhere) closeFd(inheritance.lock.fd);
    reportReady(inheritance, isElsewhere);
    this.#front.dropUnwanted();
    this.#deps.log.info("took over", { from: inheritance.pid });
  }

  /** Looks after what it has on the disk from now on. */
  keepUp(): void {
    this.#upkeep.begin();
  }

  /** A path for the next backend's socket, in a folder that is there if that can be helped. */
  nextSocketPath(): string {
    // After a hand-over the folder is another daemon's.
    if (this.#state === "running" && !this.#runtimeDir.isIntact) this.#upkeep.mend();
    return this.#runtimeDir.nextSocketPath();
  }

  async stop(reason: string): Promise<void> {
    const before = this.#state;
    this.#state = nextDaemonState(before, "stop");
    if (before === "running") {
      this.#successor?.kill("std-fpm was told to stop");
      this.#front.close();
      void this.#shutDown(reason, "stopped");
    } else if (before === "retiring")
      this.#deps.log.info("finishing the requests in flight already", { reason });
    else {
      this.#isHurried = true;
      this.#hurry.resolve();
    }
    await this.finished;
  }

  async reopenLogs(): Promise<string[]> {
    const { accessLog, log } = this.#deps;
    const [ofAccess, ofLog] = await Promise.all([accessLog.reopen(), this.#source?.reopenLog()]);
    const problems: string[] = [];
    if (ofAccess !== undefined) problems.push(`access_log.file: ${ofAccess}`);
    if (ofLog !== undefined) problems.push(`log.file: ${ofLog}`);
    for (const problem of problems) log.error(`a log was not opened anew: ${problem}`);
    if (problems.length === 0) log.info("reopened the logs");
    return problems;
  }

  async reload(): Promise<void> {
    if (this.#state === "running" && this.#reloader) await this.#reloader.reload();
    else {
      const why = this.#reloader ? "std-fpm is stopping" : "it comes from no file";
      this.#deps.log.warn(`not reloading the configuration: ${why}`);
    }
  }

  async handOver(): Promise<number | undefined> {
    const { log } = this.#deps;
    const command = this.#command;
    const problem = whyNoSuccessor(command, this.#state === "running", this.#successor);
    if (problem !== undefined || !command) {
      this.#handOverProblem = problem;
      log.warn(`not starting a new executable: ${problem}`);
      return undefined;
    }
    const executable = command[0];
    log.info("starting the new executable", { executable });
    // What it inherits must be found.
    this.#upkeep.mend();
    const started = await this.#startSuccessor(command);
    if (started.kind === "serving") {
      this.#retire(started.isElsewhere);
      return started.pid;
    }
    this.#successor = undefined;
    this.#handOverProblem = started.why;
    log.error(`the new executable does not serve: ${started.why}`, { code: "HANDOVER", executable });
    if (this.#state !== "running") return undefined;
    // It may have got that far.
    this.#runtimeDir.writePid();
    log.info("going on as before");
    return undefined;
  }

  #createUpkeep(): Upkeep {
    const { clock, log, registry } = this.#deps;
    return new Upkeep({
      clock,
      log,
      kept: keptFiles(this.#runtimeDir, this.#front, this.#admin),
      isWanted: () => this.#state === "running" && !this.#successor,
      retireUnreachable: () => {
        const names = registry.processes > 0 ? this.#runtimeDir.socketNames : undefined;
        return names ? registry.retireUnreachable((path) => names.has(basename(path))) : 0;
      },
    });
  }

  async #startSuccessor(command: readonly string[]): Promise<Started> {
    const { path: runtimeDir, lock } = this.#runtimeDir;
    const bequest = { pid: process.pid, runtimeDir, lock, sockets: this.#front.sockets };
    try {
      this.#successor = new Successor(command, bequest, this.#deps.clock, this.#deps.reaper);
    } catch (error) {
      return { kind: "failed", why: messageOf(error) };
    }
    return await this.#successor.started;
  }

  /** Another daemon serves: what is in flight here is finished. */
  #retire(keepsRuntimeDir: boolean): void {
    this.#state = nextDaemonState(this.#state, "handed over");
    this.#front.yield();
    this.#admin.yield();
    if (!keepsRuntimeDir) this.#runtimeDir.yield();
    void this.#shutDown(`pid ${this.#successor?.pid} has taken over`, "handed over");
  }

  /** Other settings for what comes from now on; the addresses and the runtime folder are as before. */
  #reconfigure(config: Config): void {
    const limits = limitsOf(config.server, this.#deps.machine.facts);
    this.#frontLimits = frontLimitsOf(config, limits);
    this.#config = config;
    this.#deps.accessLog.use(config.accessLog);
    this.#deps.ownAnswers.use(config.server);
    this.#deps.spoolSpace.use(config.server);
    this.#deps.slowLog.use(config.slowLog);
    this.#deps.naming.use(config.log.requestFields);
    this.#deps.router.reload(config.appFor, config.authorizerFor);
    this.#limit(limits);
    void this.#refreshPools(config);
  }

  /** A control group has other limits, or it is another group. */
  #onMachine(): void {
    if (this.#state !== "running") return;
    const limits = limitsOf(this.#config.server, this.#deps.machine.facts);
    this.#limit(limits);
    this.#deps.log.info("cores, memory or processes have other limits", limitFields(limits));
  }

  #limit(limits: Limits): void {
    const { maxConnections, descriptors, bufferLimitBytes, maxProcesses, machine } = limits;
    this.#limits = limits;
    this.#frontLimits = { ...this.#frontLimits, maxConnections, descriptors };
    this.#front.limit(this.#frontLimits);
    this.#deps.buffers.limit(bufferLimitBytes);
    this.#deps.registry.reload(maxProcesses, machine);
  }

  /** Programs that nobody asks for meanwhile take the settings on, too. */
  async #refreshPools(config: Config): Promise<void> {
    const { router, registry, log } = this.#deps;
    await registry.refresh((program) => router.findAgain(program));
    if (this.#state === "running" && this.#config === config) await keepWarm(config, router, registry, log);
  }

  #onRequest(request: FrontRequest): void {
    this.#inFlight++;
    new Dispatch(request, this.#deps, this.#onRequestOver).start();
  }

  readonly #onRequestOver = () => {
    this.#inFlight--;
  };

  /** Ends what is this daemon's own; the runtime folder, too, unless the one after it goes on with it. */
  async #shutDown(reason: string, end: DaemonEnd): Promise<void> {
    const { log, registry, clock } = this.#deps;
    this.#upkeep.end();
    log.info("stopping", { reason, in_flight: this.#inFlight });
    await drain({
      front: this.#front,
      // Where another one serves already, what programs do of their own has time, too.
      inFlight: () => this.#inFlight + (end === "handed over" ? registry.alone : 0),
      timeoutMs: this.#config.server.drainTimeoutMs,
      clock,
      hurry: this.#hurry.promise,
    });
    this.#state = nextDaemonState(this.#state, "drained");
    if (this.#inFlight > 0)
      log.warn("requests were still in flight and are given up", { in_flight: this.#inFlight });
    await this.#attempt(() => registry.stopAll());
    await this.#attempt(() => this.#deps.slowLog.close());
    await this.#attempt(() => this.#front.abandon());
    this.#deps.clientLog.close();
    // One that was killed while it started.
    await this.#successor?.started;
    // Its backends have their sockets in the runtime folder, too.
    if (this.#predecessor !== undefined)
      await waitForPredecessor(this.#predecessor, clock, () => this.#isHurried);
    await this.#attempt(() => this.#admin.close());
    if (end === "stopped") await this.#attempt(() => this.#endLeftBehind());
    for (const problem of this.#runtimeDir.release()) this.#leaveBehind(`not removed: ${problem}`);
    await this.#attempt(() => this.#deps.accessLog.close());
    this.#deps.machine.close();
    this.#deps.reaper.close();
    this.#state = nextDaemonState(this.#state, "ended");
    log.info("stopped");
    this.#finished.resolve(end === "stopped" && this.#isIncomplete ? "incomplete" : end);
  }

  /** Jobs that programs have left on purpose. */
  async #endLeftBehind(): Promise<void> {
    const { reaper, clock, log } = this.#deps;
    const timeoutMs = this.#isHurried ? 0 : this.#config.app.stopTimeoutMs;
    await endLeftBehind({ reaper, instance: this.#runtimeDir.lock.instance, timeoutMs, clock, log });
  }

  /** A step of the end: those after it are done whatever comes of it. */
  async #attempt(step: () => unknown): Promise<void> {
    try {
      await step();
    } catch (bug) {
      this.#isIncomplete = true;
      tellBug(this.#deps.log, bug);
    }
  }

  #leaveBehind(what: string): void {
    this.#isIncomplete = true;
    this.#deps.log.warn(what);
  }
}
