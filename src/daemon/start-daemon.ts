import { fullGC, heapSize } from "bun:jsc";
import { AdminServers } from "../admin/admin-servers.ts";
import { Acceptor } from "../backend/acceptor.ts";
import { KeptOutputs } from "../backend/kept-outputs.ts";
import { Pipes } from "../backend/pipes.ts";
import { UnreadWatch } from "../backend/unread-watch.ts";
import { groupId } from "../base/accounts.ts";
import { ByteBudget } from "../base/byte-budget.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { Deadlines } from "../base/deadlines.ts";
import { restDescriptorLimit } from "../base/descriptor-limit.ts";
import { DiskThreads } from "../base/disk-threads.ts";
import { FpmError } from "../base/errors.ts";
import {
  createExecutableLookup,
  createFileLookup,
  createTrailLookup,
  createVersionLookup,
} from "../base/file-facts.ts";
import { type Collector, Garbage } from "../base/garbage.ts";
import { adoptOrphans } from "../base/libc.ts";
import { LimitedLog } from "../base/limited-log.ts";
import type { Log } from "../base/log.ts";
import { procProblem } from "../base/proc-folder.ts";
import { Turns } from "../base/turns.ts";
import type { Config } from "../config/config.ts";
import { RequestNaming } from "../fcgi/request-naming.ts";
import { LEARNED } from "../pool/policy.ts";
import type { PoolDeps } from "../pool/pool.ts";
import { Registry } from "../pool/registry.ts";
import { SpoolSpace } from "../relay/spool-space.ts";
import { Router } from "../route/router.ts";
import { Reaper } from "../start/reaper.ts";
import { Starter } from "../start/starter.ts";
import { AccessLog } from "./access-log.ts";
import { Administration, operatorOf } from "./administration.ts";
import { Daemon } from "./daemon.ts";
import { frontOptionsOf } from "./front-options.ts";
import { type Limits, limitFields, limitsOf } from "./limits.ts";
import { MachineLook, ownMemoryKiller } from "./machine-look.ts";
import { MachineWatch } from "./machine-watch.ts";
import { OwnAnswers } from "./own-answers.ts";
import type { DaemonOptions, RunningDaemon } from "./running-daemon.ts";
import { RuntimeDir } from "./runtime-dir.ts";
import { SlowLog, type SlowLogDeps } from "./slow-log.ts";
import { keepWarm } from "./warm.ts";

/**
 * Builds the services and begins to serve; the only place where they are made. With an inheritance the last steps follow one
 * another without a turn of the event loop: either no connection has come here and the earlier daemon goes on, or it
 * knows that this one serves.
 * @throws FpmError PROC_MISSING, RUNTIME_DIR, ALREADY_RUNNING, LISTEN_IN_USE, LISTEN_FAILED, CONFIG_INVALID.
 */
export async function startDaemon(options: DaemonOptions): Promise<RunningDaemon> {
  requireProc();
  adoptOrphans();
  restDescriptorLimit();
  const { config, log, clock = systemClock, policy = LEARNED, inheritance, operator } = options;
  const machine = new MachineWatch(new MachineLook(), clock);
  const limits = limitsOf(config.server, machine.facts);
  const frontOptions = frontOptionsOf(config, limits);
  const isFirstHere = inheritance?.runtimeDir !== config.server.runtimeDir;
  const runtimeDir = new RuntimeDir(config.server.runtimeDir, isFirstHere ? undefined : inheritance?.lock);
  const { instance } = runtimeDir.lock;
  const buffers = new ByteBudget(limits.bufferLimitBytes);
  const reaper = new Reaper(clock, { adopts: true });
  const naming = new RequestNaming(config.log.requestFields);
  const pipes = new Pipes(clock, log);
  const deps = { clock, log, instance, buffers, naming, policy, reaper, pipes };
  const registry = createRegistry(limits, { ...deps, nextSocketPath: () => daemon.nextSocketPath() });
  const router = createRouter(config, clock, log);
  const spoolSpace = new SpoolSpace(config.server, clock);
  const deadlines = new Deadlines(clock);
  const shared = { registry, machine, spoolSpace, buffers, deadlines, reaper, clock, log };
  let admin: AdminServers | undefined;
  let daemon: Daemon;
  try {
    const turns = new Turns(clock);
    const control = new Administration({
      ...shared,
      turns,
      daemon: () => daemon,
      operator: operator ?? operatorOf(() => daemon),
    });
    const mayTakeOver = inheritance !== undefined;
    admin = new AdminServers(config.admin, lookersOf(config), { mayTakeOver, control, clock, log });
    if (!inheritance) admin.publish();
    const ownAnswers = new OwnAnswers((form, isFull) => control.status(form, isFull), turns);
    ownAnswers.use(config.server);
    const { socketFolder: ownSockets } = runtimeDir;
    const logs = createLogs(config, { registry, clock, log, naming, instance, reaper, pipes, ownSockets });
    const daemonDeps = { ...shared, ...logs, router, ownAnswers, garbage: new Garbage(collector, clock) };
    daemon = new Daemon(options, daemonDeps, runtimeDir, frontOptions, admin);
    if (isFirstHere) await daemon.claim();
    if (inheritance) daemon.takeOver(inheritance, isFirstHere);
    daemon.keepUp();
    log.info("serving", { pid: process.pid, ...limitFields(daemon.limits) });
    void keepWarm(config, router, registry, log);
    return daemon;
  } catch (error) {
    await registry.stopAll();
    machine.close();
    reaper.close();
    await admin?.close();
    if (isFirstHere) runtimeDir.release();
    throw error;
  }
}

function requireProc(): void {
  const problem = procProblem();
  if (problem !== undefined) throw new FpmError("PROC_MISSING", "daemon", `${problem}.`);
}

function createRegistry(
  limits: Limits,
  {
    reaper,
    ...deps
  }: Omit<PoolDeps, "machine" | keyof ReturnType<typeof createStarting>> & { reaper: Reaper },
): Registry {
  const starting = createStarting(deps.clock, deps.log, reaper, limits.descriptors);
  return new Registry(limits.maxProcesses, limits.machine, { ...deps, ...starting });
}

/** What pools need in order to start processes, and to follow them. */
function createStarting(clock: Clock, log: Log, reaper: Reaper, descriptors: number) {
  return {
    starter: new Starter({ clock, log, reaper }),
    orphans: () => reaper.orphans(),
    // Others than those of the status, whose answers need not wait until all of them have been looked at.
    turns: new Turns(clock),
    acceptor: new Acceptor(clock, log),
    unread: new UnreadWatch(clock),
    keptOutputs: new KeptOutputs(descriptors, log, clock),
    memoryKiller: ownMemoryKiller(),
  };
}

/** Who may look at the status, beside our own user. */
function lookersOf({ admin }: Config) {
  const gid = admin.listenGroup === "" ? undefined : groupId(admin.listenGroup);
  return { uid: undefined, gid, mode: admin.listenMode };
}

/** What is told of requests. */
function createLogs(config: Config, deps: SlowLogDeps) {
  const { clock, log, naming } = deps;
  const accessLog = new AccessLog(clock, log);
  accessLog.use(config.accessLog);
  const slowLog = new SlowLog(deps);
  slowLog.use(config.slowLog);
  return { accessLog, slowLog, clientLog: new LimitedLog(clock, log), naming };
}

function createRouter({ appFor, authorizerFor }: Config, clock: Clock, log: Log): Router {
  const disk = new DiskThreads(clock, log);
  const lookups = {
    lookup: createFileLookup(clock, (path) => disk.facts(path)),
    watched: createVersionLookup(
      clock,
      (path) => disk.watched(path),
      (path, problem) => log.warn(`restart_on_change: a change of ${path} is not noticed: ${problem}`),
    ),
    executable: createExecutableLookup(clock, (path) => disk.facts(path)),
    trail: createTrailLookup(clock, (path) => disk.trail(path)),
  };
  return new Router(appFor, lookups, authorizerFor);
}

/** JavaScriptCore's. */
const collector: Collector = { hint: () => Bun.gc(false), size: heapSize, full: fullGC };
