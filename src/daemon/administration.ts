import { hostname } from "node:os";
import packageJson from "../../package.json" with { type: "json" };
import type { ActionResult, Control } from "../admin/control.ts";
import { ownTreeMemoryOf } from "../backend/process-tree.ts";
import { residentOf } from "../backend/usage.ts";
import type { ByteBudget } from "../base/byte-budget.ts";
import type { Clock } from "../base/clock.ts";
import { descriptorLimit } from "../base/descriptor-limit.ts";
import { messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { openDescriptors } from "../base/open-descriptors.ts";
import type { Turns } from "../base/turns.ts";
import type { Pool } from "../pool/pool.ts";
import type { Registry } from "../pool/registry.ts";
import { TRIAL_MS } from "../pool/relief.ts";
import type { SpoolSpace } from "../relay/spool-space.ts";
import type { Reaper } from "../start/reaper.ts";
import { type Pieces, StatusAnswers } from "../status/answers.ts";
import type { StatusSource } from "../status/collect.ts";
import type { FormName } from "../status/forms.ts";
import { countOf } from "../status/units.ts";
import type { Limits } from "./limits.ts";
import type { Operator } from "./operator.ts";
import type { Reloaded } from "./reloader.ts";
import type { RunningDaemon } from "./running-daemon.ts";
import type { DaemonState } from "./states.ts";

/** What is administered: the daemon. */
export interface Administered {
  readonly state: DaemonState;
  readonly inFlight: number;
  readonly connections: number;
  readonly limits: Limits;
  /** Most connections that are served at once; how many wait for a place, and how many had to. */
  readonly places: { readonly limit: number; readonly waiting: number; readonly waited: number };
  /** How the last reload came out; undefined where there is nothing to reload. */
  readonly lastReload: Reloaded | undefined;
  /** Why web servers cannot reach it, or no process can be started; undefined: they can. */
  readonly unreachable: string | undefined;
  /** Why the last hand-over failed. */
  readonly handOverProblem: string | undefined;
  /** Gives why some are not open, a line each. */
  reopenLogs(): Promise<string[]>;
}

export interface AdministrationDeps {
  daemon(): Administered;
  readonly operator: Operator;
  readonly registry: Registry;
  readonly buffers: ByteBudget;
  readonly spoolSpace: SpoolSpace;
  readonly reaper: Reaper;
  readonly turns: Turns;
  readonly clock: Clock;
  readonly log: Log;
}

/** How long a process may take to end after SIGKILL. */
const KILL_MS = 5000;
/** What a restart may take beside `start_timeout`. */
const RESTART_MARGIN_MS = 1000;

/** The daemon as people see it and steer it. */
export class Administration implements Control {
  readonly #deps: AdministrationDeps;
  readonly #startedAt: number;
  readonly #hostname = hostname();
  readonly #startedDate = new Date();
  readonly #answers: StatusAnswers;

  constructor(deps: AdministrationDeps) {
    this.#deps = deps;
    this.#answers = new StatusAnswers(() => this.#source(), deps.turns);
    this.#startedAt = deps.clock.now();
  }

  get unreadiness(): string | undefined {
    const { state, unreachable } = this.#deps.daemon();
    return state === "running" ? unreachable : state;
  }

  status(form: FormName, isFull: boolean): Promise<Pieces> {
    return this.#answers.answer(form, isFull);
  }

  async reload(): Promise<ActionResult> {
    const refusal = this.#refusal();
    if (refusal) return refusal;
    const { lastReload } = this.#deps.daemon();
    if (!lastReload) return no("the configuration comes from no file");
    await this.#deps.operator.reload();
    return this.#deps.daemon().lastReload ?? no("the configuration comes from no file");
  }

  async stop(): Promise<ActionResult> {
    const { state, inFlight } = this.#deps.daemon();
    const isAgain = state === "draining" || state === "stopping";
    // After the answer: there may be no time for it later.
    this.#deps.clock.after(0, () => this.#deps.operator.stop("asked for by std-fpm stop"));
    const message = isAgain
      ? "it was stopping already: ends at once"
      : `finishes ${countOf(inFlight, "request")} in flight, then ends`;
    return { isDone: true, message, pid: process.pid };
  }

  async upgrade(): Promise<ActionResult> {
    const refusal = this.#refusal();
    if (refusal) return refusal;
    const pid = await this.#deps.operator.handOver();
    if (pid !== undefined) return yes(`pid ${pid} has taken over from pid ${process.pid}`);
    return no(
      `pid ${process.pid} goes on: ${this.#deps.daemon().handOverProblem ?? "it was not handed over"}`,
    );
  }

  async reopenLogs(): Promise<ActionResult> {
    const problems = await this.#deps.daemon().reopenLogs();
    return problems.length === 0 ? yes("the logs were opened anew") : no(problems.join("\n"));
  }

  async restart(name: string): Promise<ActionResult> {
    return await this.#withPool(name, async (pool) => {
      const { size, program } = pool;
      this.#deps.log.info("restarting, as asked for", { program: program.name, processes: size });
      const restarted = pool.restart();
      const { startTimeoutMs, children } = program.app;
      const waitMs = startTimeoutMs + (children > 0 ? TRIAL_MS : 0) + RESTART_MARGIN_MS;
      const error = await Promise.race([restarted, this.#after(waitMs, "late" as const)]);
      if (error === "late") return no("no new process is ready yet; the present ones go on");
      if (error) return no(`no new process can be started, the present ones go on: ${messageOf(error)}`);
      return yes(size === 0 ? "none of its processes ran" : `new processes take the place of ${size}`);
    });
  }

  async drain(name: string): Promise<ActionResult> {
    return await this.#withPool(name, async (pool) => {
      const { size } = pool;
      pool.dismiss("drained by hand");
      const what = size === 1 ? "1 process ends when it is free" : `${size} processes end when they are free`;
      return yes(`${what}; a new request starts new ones`);
    });
  }

  async kill(pid: number): Promise<ActionResult> {
    const backend = this.#deps.registry.backendOf(pid);
    if (!backend) return no(`${pid} is no process of a program here`);
    const { label, busy } = backend;
    this.#deps.log.info("killing a process, as asked for", { program: backend.program.name, pid });
    if (backend.pid !== pid) {
      backend.killChild(pid, "killed by hand");
      return yes(`${pid}, a child of ${label}, was killed`);
    }
    backend.stop("killed by hand", 0);
    const ended = backend.finished.then(() => "ended" as const);
    if ((await Promise.race([ended, this.#after(KILL_MS, "late" as const)])) === "late")
      return no(`${label} was sent SIGKILL and has not ended yet`);
    const atWork = busy === 0 ? "" : ` while it was at work on ${countOf(busy, "request")}`;
    return yes(`${label} was killed${atWork}`);
  }

  async #withPool(name: string, act: (pool: Pool) => Promise<ActionResult>): Promise<ActionResult> {
    const refusal = this.#refusal();
    if (refusal) return refusal;
    const pool = this.#deps.registry.find(name);
    if (!pool) return no(`no process of ${JSON.stringify(name)} runs: std-fpm status shows the names`);
    const { isDone, message } = await act(pool);
    return { isDone, message: `${pool.program.name}: ${message}` };
  }

  #refusal(): ActionResult | undefined {
    if (this.#deps.operator.isStarting) return no("std-fpm is starting");
    const { state } = this.#deps.daemon();
    return state === "running" ? undefined : no(`std-fpm is ${state}`);
  }

  #after<Value>(ms: number, value: Value): Promise<Value> {
    return new Promise((resolve) => void this.#deps.clock.after(ms, () => resolve(value)));
  }

  #source(): StatusSource {
    const { registry, clock, buffers, spoolSpace, reaper } = this.#deps;
    const { state, connections, places, limits } = this.#deps.daemon();
    const { tallies } = registry;
    const { user, system } = process.cpuUsage();
    const now = clock.now();
    const daemon = {
      version: packageJson.version,
      hostname: this.#hostname,
      pid: process.pid,
      state,
      startedAt: this.#startedDate.toISOString(),
      startSeconds: Math.round(this.#startedDate.getTime() / 1000),
      uptimeMs: now - this.#startedAt,
      cores: limits.facts.cores,
      memoryLimitBytes: limits.facts.memoryBytes,
      maxProcesses: { value: limits.maxProcesses, from: limits.maxProcessesFrom },
      connections,
      maxConnections: places.limit,
      descriptors: openDescriptors(),
      maxDescriptors: descriptorLimit(),
      connectionsWaiting: places.waiting,
      connectionsWaited: places.waited,
      bufferedBytes: buffers.heldBytes,
      bufferLimitBytes: buffers.limitBytes,
      spooledBytes: spoolSpace.usedBytes,
      leftBehind: reaper.orphans().length,
      memoryBytes: residentOf(process.pid) ?? 0,
      cpuMs: (user + system) / 1000,
    };
    const { others, forgotten } = tallies;
    const gone = [...tallies.gone];
    const pools = registry.status;
    return { now: () => clock.now(), daemon, pools, gone, others, forgotten, memoryOf: ownTreeMemoryOf };
  }
}

/** Where no signals are heard: the daemon does it itself. */
export function operatorOf(daemon: () => Pick<RunningDaemon, "stop" | "reload" | "handOver">): Operator {
  return {
    isStarting: false,
    stop: (reason) => void daemon().stop(reason),
    reload: () => daemon().reload(),
    handOver: () => daemon().handOver(),
  };
}

function yes(message: string): ActionResult {
  return { isDone: true, message };
}

function no(message: string): ActionResult {
  return { isDone: false, message };
}
