import { groupId, userId } from "../base/accounts.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { FpmError, messageOf } from "../base/errors.ts";
import { createFileLookup } from "../base/file-facts.ts";
import { outliveParent } from "../base/libc.ts";
import type { Log } from "../base/log.ts";
import type { Config, ServerConfig } from "../config/config.ts";
import { Listener, type ListenerOptions } from "../front/listener.ts";
import type { FrontRequest } from "../front/request.ts";
import { LEARNED, type Policy } from "../pool/policy.ts";
import { Registry } from "../pool/registry.ts";
import { Router } from "../route/router.ts";
import { type DispatchDeps, dispatch } from "./dispatch.ts";
import { type Limits, limitsOf } from "./limits.ts";
import { RuntimeDir } from "./runtime-dir.ts";
import { type DaemonState, nextDaemonState } from "./states.ts";
import { endStrays } from "./strays.ts";
import { keepWarm } from "./warm.ts";

/** While draining, a kept connection is closed when it has been idle for so long. */
const RETIRE_IDLE_MS = 100;
const DRAIN_LOOK_MS = 10;

export interface DaemonOptions {
  readonly config: Config;
  readonly log: Log;
  readonly clock?: Clock;
  /** When processes are started; another one than ours is for comparison. */
  readonly policy?: Policy;
}

/** A daemon that serves. */
export interface RunningDaemon {
  /** Finishes what is in flight, then ends every backend; a second call does not wait for requests any more. */
  stop(reason: string): Promise<void>;
  /** Settles when nothing is left. */
  readonly finished: Promise<void>;
}

/**
 * Builds the services and begins to serve; the only place where they are made.
 * @throws FpmError RUNTIME_DIR, ALREADY_RUNNING, LISTEN_IN_USE, LISTEN_FAILED, CONFIG_INVALID.
 */
export async function startDaemon({
  config,
  log,
  clock = systemClock,
  policy = LEARNED,
}: DaemonOptions): Promise<RunningDaemon> {
  outliveParent();
  const limits = limitsOf(config.server);
  const listenerOptions = listenerOptionsOf(config.server, limits);
  const runtimeDir = new RuntimeDir(config.server.runtimeDir);
  if (runtimeDir.previousInstance !== undefined) {
    const strays = endStrays(runtimeDir.previousInstance);
    if (strays.length > 0)
      log.warn("ended processes that an earlier daemon left", { pids: strays.join(",") });
  }
  runtimeDir.claim();
  const nextSocketPath = () => runtimeDir.nextSocketPath();
  const poolDeps = { clock, log, instance: runtimeDir.instance, nextSocketPath, policy };
  const registry = new Registry(limits.maxProcesses, limits.machine, poolDeps);
  const router = new Router(
    (path) => config.appFor(path),
    createFileLookup(clock),
    createFileLookup(clock, "all"),
  );
  const daemon = new Daemon(config, { router, registry, clock, log }, runtimeDir);
  try {
    daemon.listen(listenerOptions, limits);
  } catch (error) {
    await daemon.stop("it cannot listen");
    throw error;
  }
  void keepWarm(config, router, registry, log);
  if (process.geteuid?.() === 0)
    log.warn("RUNNING AS ROOT: every program runs as root too; let std-fpm run as another user");
  return daemon;
}

class Daemon implements RunningDaemon {
  readonly #config: Config;
  readonly #deps: DispatchDeps;
  readonly #runtimeDir: RuntimeDir;
  readonly #listeners: Listener[] = [];
  readonly #finished = Promise.withResolvers<void>();
  #state: DaemonState = "running";
  #inFlight = 0;
  /** Ends the wait for requests in flight. */
  #hurry: (() => void) | undefined;

  constructor(config: Config, deps: DispatchDeps, runtimeDir: RuntimeDir) {
    this.#config = config;
    this.#deps = deps;
    this.#runtimeDir = runtimeDir;
  }

  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  /** Opens every listening address. */
  listen(options: ListenerOptions, limits: Limits): void {
    const { server, app } = this.#config;
    const { clock, log } = this.#deps;
    for (const address of server.listen) {
      const listener = new Listener(address, options, {
        clock,
        log,
        headTimeoutMs: server.headTimeoutMs,
        bodyTimeoutMs: app.bodyTimeoutMs,
        maxConns: limits.maxConnections,
        onRequest: (request) => this.#onRequest(request),
      });
      this.#listeners.push(listener);
      const where = address.kind === "unix" ? address.path : `${address.host}:${address.port}`;
      log.info("listening", { listen: where, pid: process.pid, max_processes: limits.maxProcesses });
    }
  }

  async stop(reason: string): Promise<void> {
    const isFirst = this.#state === "running";
    this.#state = nextDaemonState(this.#state, "stop");
    if (isFirst) void this.#shutDown(reason);
    else this.#hurry?.();
    await this.finished;
  }

  #onRequest(request: FrontRequest): void {
    this.#inFlight++;
    dispatch(request, this.#deps)
      .catch((error) => {
        this.#deps.log.error(`a bug in std-fpm: ${messageOf(error)}`, { stack: (error as Error).stack });
        if (request.isAnswered) request.truncate();
        else request.refuse(new FpmError("BACKEND_BROKEN", "daemon", "A bug in std-fpm."));
      })
      .finally(() => {
        this.#inFlight--;
      });
  }

  async #shutDown(reason: string): Promise<void> {
    const { log, registry } = this.#deps;
    log.info("stopping", { reason, in_flight: this.#inFlight });
    for (const listener of this.#listeners) listener.close();
    await this.#drain();
    this.#state = nextDaemonState(this.#state, "drained");
    if (this.#inFlight > 0)
      log.warn("requests were still in flight and are given up", { in_flight: this.#inFlight });
    await registry.stopAll();
    for (const listener of this.#listeners) listener.abandon();
    this.#runtimeDir.release();
    this.#state = nextDaemonState(this.#state, "ended");
    log.info("stopped");
    this.#finished.resolve();
  }

  /** Waits until no request is at work and no connection open, for `drain_timeout` at most, or until told to hurry. */
  async #drain(): Promise<void> {
    const { clock } = this.#deps;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#hurry = resolve;
    const startedAt = clock.now();
    const look = () => {
      const elapsedMs = clock.now() - startedAt;
      // A web server that never pauses on a kept connection has to bear a close in the end.
      const idleMs = elapsedMs < this.#config.server.drainTimeoutMs / 2 ? RETIRE_IDLE_MS : 0;
      for (const listener of this.#listeners) listener.retire(idleMs);
      const open = this.#listeners.reduce((sum, listener) => sum + listener.openConnections, 0);
      if ((this.#inFlight === 0 && open === 0) || elapsedMs >= this.#config.server.drainTimeoutMs) resolve();
    };
    const looking = clock.every(DRAIN_LOOK_MS, look);
    look();
    await promise;
    looking.cancel();
  }
}

function listenerOptionsOf(server: ServerConfig, limits: Limits): ListenerOptions {
  const uid = server.listenOwner === "" ? undefined : userId(server.listenOwner);
  const gid = server.listenGroup === "" ? undefined : groupId(server.listenGroup);
  if (server.listenOwner !== "" && uid === undefined)
    throw unknownName("listen_owner", "user", server.listenOwner);
  if (server.listenGroup !== "" && gid === undefined)
    throw unknownName("listen_group", "group", server.listenGroup);
  const { listenMode: mode, listenBacklog: backlog } = server;
  return { mode, uid, gid, backlog, maxConnections: limits.maxConnections };
}

function unknownName(key: string, what: string, name: string): FpmError {
  return new FpmError(
    "CONFIG_INVALID",
    "daemon",
    `server.${key}: there is no ${what} ${JSON.stringify(name)}.`,
  );
}
