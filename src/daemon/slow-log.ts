import type { Lease } from "../backend/backend.ts";
import type { PipeCalls } from "../backend/pipes.ts";
import { cpuTimeOf } from "../backend/usage.ts";
import { tellBug } from "../base/bug.ts";
import type { Clock } from "../base/clock.ts";
import { kernelProcessor } from "../base/kernel-processor.ts";
import type { Log, LogFields } from "../base/log.ts";
import type { SlowLogConfig } from "../config/config.ts";
import type { Outcome } from "../fcgi/outcome.ts";
import type { RequestNaming } from "../fcgi/request-naming.ts";
import type { Registry } from "../pool/registry.ts";
import { AgeWatch } from "../slow/age-watch.ts";
import { causeOf } from "../slow/cause.ts";
import { Lanes } from "../slow/lanes.ts";
import { lookAt } from "../slow/process-look.ts";
import { ReportLimit } from "../slow/report-limit.ts";
import { leftOutLine, type Present, slowEndLine, slowLine } from "../slow/slow-report.ts";
import { Tracer } from "../slow/tracer.ts";
import type { Reaper } from "../start/reaper.ts";
import type { Journey } from "./journey.ts";
import { oldestStart, queueFactsOf } from "./queue-facts.ts";

export interface SlowLogDeps {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  readonly naming: RequestNaming;
  /** Marks every child of this daemon. */
  readonly instance: string;
  readonly reaper: Pick<Reaper, "leave">;
  readonly pipes: PipeCalls;
  /** The folder of the sockets that programs listen on. */
  readonly ownSockets: string;
}

/** From this age on the CPU time of a request's process is noted: earlier would cost every request a read from /proc. */
const NOTICE_MS = 100;
/** Between two looks at a process. */
const BETWEEN_LOOKS_MS = 200;
const MOST_TRIES = 3;
const LOOKS_AT_ONCE = 4;
const LOOKS_WAITING = 8;
const REPORTS_A_SECOND = { ofAll: 8, ofOne: 4 };

/** A request that has taken a while. */
interface Noticed {
  /** CPU time that its process had used when it was lent, or when this was noted. */
  cpuBeforeMs: number | undefined;
  /** It is slow, and the limits let it be reported. */
  isReported: boolean;
  /** The process that was found to work on it when it was reported. */
  pid: number | undefined;
}

/** Reports requests that take longer than `[slow_log] after`, with what they wait for, and once more when they end. */
export class SlowLog {
  readonly #deps: SlowLogDeps;
  readonly #young: AgeWatch<Journey>;
  readonly #noticed = new Map<Journey, Noticed>();
  readonly #watched: AgeWatch<Journey>;
  readonly #limit: ReportLimit;
  readonly #lanes: Lanes;
  readonly #tracer: Tracer;
  #isOn = false;

  constructor(deps: SlowLogDeps) {
    const { clock, log } = deps;
    this.#deps = deps;
    this.#young = new AgeWatch(clock, (journey) => this.#notice(journey));
    this.#watched = new AgeWatch(clock, (journey) => this.#onSlow(journey));
    this.#limit = new ReportLimit(clock, REPORTS_A_SECOND, ({ count, programs }) => {
      log.warn(leftOutLine(count, programs), { left_out: count });
    });
    this.#lanes = new Lanes(LOOKS_AT_ONCE, LOOKS_WAITING, (bug) => tellBug(log, bug));
    this.#tracer = new Tracer(deps);
  }

  /** Other settings from now on. Requests that began while it was off are not reported. */
  use({ afterMs, command }: SlowLogConfig): void {
    this.#isOn = afterMs > 0;
    this.#tracer.command = command;
    if (this.#isOn) {
      this.#young.ageMs = Math.min(NOTICE_MS, afterMs / 2);
      this.#watched.ageMs = afterMs;
    } else {
      this.#young.clear();
      this.#watched.clear();
      // Those that were reported get their end.
      for (const [journey, { isReported }] of this.#noticed) if (!isReported) this.#noticed.delete(journey);
    }
  }

  /** A request has begun. */
  add(journey: Journey): void {
    if (this.#isOn) this.#young.add(journey);
  }

  /** It was lent a process. */
  onLent(journey: Journey): void {
    const noticed = this.#noticed.get(journey);
    if (!noticed) return;
    noticed.cpuBeforeMs = cpuOf(journey.lease);
    noticed.pid = undefined;
  }

  /** It is over. */
  end(journey: Journey, outcome: Outcome): void {
    const noticed = this.#noticed.get(journey);
    this.#forget(journey);
    if (!noticed?.isReported) return;
    const { cpuBeforeMs } = noticed;
    const now = this.#deps.clock.now();
    const cpuMs = cpuOf(journey.lease);
    const usedMs =
      cpuMs === undefined || cpuBeforeMs === undefined ? undefined : Math.max(0, cpuMs - cpuBeforeMs);
    const code = "error" in outcome ? outcome.error.code : undefined;
    const line = slowEndLine(now - journey.startedAt, journey.timesAt(now), usedMs);
    const fields = fieldsOf(journey, noticed.pid, this.#deps.naming);
    this.#deps.log.warn(line, { ...fields, outcome: outcome.kind, code });
  }

  /** Nothing more is said of it. */
  #forget(journey: Journey): void {
    if (this.#noticed.delete(journey)) this.#watched.delete(journey);
    else this.#young.delete(journey);
  }

  /** Ends a tracer that is at work. */
  async close(): Promise<void> {
    this.use({ afterMs: 0, command: [] });
    this.#noticed.clear();
    this.#limit.close();
    await this.#tracer.close();
  }

  #notice(journey: Journey): void {
    this.#noticed.set(journey, { cpuBeforeMs: cpuOf(journey.lease), isReported: false, pid: undefined });
    this.#watched.add(journey);
  }

  #onSlow(journey: Journey): void {
    const noticed = this.#noticed.get(journey);
    const program = journey.route?.program.name ?? "no program yet";
    this.#deps.registry.tallyOf(journey.route?.program).slow++;
    if (!noticed || !this.#limit.take(program)) return;
    noticed.isReported = this.#lanes.run(() => this.#report(journey, noticed));
    if (!noticed.isReported) this.#limit.leaveOut(program);
  }

  async #report(journey: Journey, noticed: Noticed): Promise<void> {
    let cause: string | undefined;
    let pid: number | undefined;
    for (let tries = 1; tries <= MOST_TRIES; tries++) {
      pid = this.#pidFor(journey);
      cause = pid === undefined ? undefined : await this.#causeOf(pid, journey);
      if (!this.#noticed.has(journey)) return;
      // It may have gone on to a process, or to another one.
      if (pid === this.#pidFor(journey)) break;
    }
    const now = this.#deps.clock.now();
    const present = this.#presentOf(journey, cause, now);
    noticed.pid = journey.stage === "program" ? pid : undefined;
    const fields = fieldsOf(journey, noticed.pid, this.#deps.naming);
    this.#deps.log.warn(slowLine(now - journey.startedAt, journey.timesAt(now), present), fields);
    const { program, pid: atWork, request } = fields;
    if (program !== undefined && atWork !== undefined && journey.stage === "program")
      this.#tracer.trace({ program, pid: atWork, request });
  }

  /** The process that works on it, or that is being started for the likes of it. */
  #pidFor(journey: Journey): number | undefined {
    if (journey.stage === "program") return workerOf(journey.lease) ?? (journey.lease?.pid || undefined);
    const status = journey.stage === "queue" && this.#statusFor(journey);
    return (status && oldestStart(status)?.pid) || undefined;
  }

  /** undefined when the process has gone. */
  async #causeOf(pid: number, journey: Journey): Promise<string | undefined> {
    const { clock, ownSockets, registry } = this.#deps;
    const isCgi = journey.stage === "program" && journey.lease?.backend.program.app.protocol === "cgi";
    const isShared =
      journey.stage === "program" && (journey.lease?.backend.busy ?? 1) > 1 && !isTree(journey);
    const before = await lookAt(pid, { ownSockets, isCgi, onlyUsage: true });
    const lookedAt = clock.now();
    await new Promise<void>((resolve) => void clock.after(BETWEEN_LOOKS_MS, resolve));
    const elapsedMs = clock.now() - lookedAt;
    const after = await lookAt(pid, { ownSockets, isCgi });
    if (!before || !after) return undefined;
    const requestOf = (other: number) => {
      const backend = registry.backendOf(other);
      const isAtIt = (lease: Lease) => backend?.pid === other || backend?.workerOf(lease) === other;
      return backend?.leases.find(isAtIt)?.head?.label;
    };
    return causeOf({ before, after, elapsedMs, processor: kernelProcessor(), isShared, requestOf });
  }

  #presentOf(journey: Journey, cause: string | undefined, now: number): Present {
    const { stage, lease } = journey;
    if (stage === "program") {
      const isUnaccepted = lease?.isUnaccepted ?? false;
      const others = isTree(journey) ? 0 : (lease?.backend.busy ?? 1) - 1;
      // With CGI the request is there before its process.
      const present = lease?.pid === 0 ? "its process is being started" : cause;
      return { stage, cause: present, isUnaccepted, hasAnswer: journey.client.isAnswered, others };
    }
    const status = stage === "queue" ? this.#statusFor(journey) : undefined;
    if (!status) return { stage: stage === "body" ? "body" : "route" };
    const ahead = journey.queued?.ahead ?? 0;
    const room = this.#deps.registry.roomFor(status.program);
    return { stage: "queue", queue: queueFactsOf(status, ahead, room, now, cause) };
  }

  #statusFor({ route }: Journey) {
    return route && this.#deps.registry.statusOf(route.program);
  }
}

/** With `children` each request has a process to itself. */
function isTree({ lease }: Journey): boolean {
  return lease !== undefined && lease.backend.program.app.children > 0;
}

function workerOf(lease: Lease | undefined): number | undefined {
  return lease?.backend.workerOf(lease);
}

/**
 * CPU time of the process, all its threads; of a CGI program, whose processes come and go, that of their main threads. Not with `children`: which
 * of them works on a request is too much to look for before it is slow.
 */
function cpuOf(lease: Lease | undefined): number | undefined {
  if (!lease || lease.backend.program.app.children > 0) return undefined;
  const { backend } = lease;
  return backend.program.app.protocol === "cgi" ? backend.usage?.runMs : cpuTimeOf(backend.pid);
}

function fieldsOf({ route, lease, client }: Journey, worker: number | undefined, naming: RequestNaming) {
  const program = route?.program.name;
  const request = client.head.label;
  return {
    program,
    pid: worker ?? (lease?.pid || undefined),
    request,
    ...naming.fields(client.head, route?.script, program),
  } satisfies LogFields;
}
