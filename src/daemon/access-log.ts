import { residentOf } from "../backend/usage.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { LogFile } from "../base/log-file.ts";
import { type AccessFormat, fieldsOf } from "../config/access-format.ts";
import type { AccessLogConfig } from "../config/config.ts";
import { WantedNames } from "../fcgi/head.ts";
import type { Outcome } from "../fcgi/outcome.ts";
import type { AnswerHead } from "../relay/answer-head.ts";
import { statusOf } from "../reply/error-reply.ts";
import { type AccessRecord, createAccessLine, parametersOf } from "../status/access-line.ts";
import type { Journey } from "./journey.ts";

/** How long lines are gathered. */
const GATHER_MS = 1000;
/** What nginx says of a client that left before it got an answer. */
const CLIENT_CLOSED_REQUEST = 499;

/** A format, ready for use. */
interface Renderer {
  readonly line: (record: AccessRecord) => string;
  readonly parameters: WantedNames;
  /** Looking these up takes a read from /proc. */
  readonly needsCpu: boolean;
  readonly needsMemory: boolean;
}

/** A line for each request that was worked on. Costs nothing while it is off, and no request waits for it. */
export class AccessLog {
  readonly #clock: Clock;
  readonly #log: Log;
  #settings: AccessLogConfig | undefined;
  #file: LogFile | undefined;
  #renderer: Renderer | undefined;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Other settings from now on. */
  use(settings: AccessLogConfig): void {
    const before = this.#settings;
    this.#settings = settings;
    if (settings.file !== (before?.file ?? "")) {
      void this.#file?.close();
      const onTrouble = (what: string) => this.#log.error(`access log: ${what}`);
      const options = { onTrouble, gatherMs: GATHER_MS, clock: this.#clock };
      this.#file = settings.file === "" ? undefined : new LogFile(settings.file, options);
    }
    this.#renderer = this.#file && rendererOf(settings.format);
  }

  /** Whether requests that begin now get a line. */
  get isOn(): boolean {
    return this.#file !== undefined;
  }

  /** A request was lent a process. */
  onLent(journey: Journey): void {
    if (this.#renderer?.needsCpu) journey.cpuBeforeMs = journey.lease?.backend.usage?.runMs;
  }

  /** A request is over. One that began before there was an access log has no line. */
  add(journey: Journey, outcome: Outcome): void {
    if (!this.#file || !this.#renderer || !journey.isLogged) return;
    this.#file.write(this.#renderer.line(this.#recordOf(journey, outcome, this.#renderer)));
  }

  async reopen(): Promise<void> {
    await this.#file?.reopen();
  }

  /** Writes what waits. */
  async close(): Promise<void> {
    await this.#file?.close();
  }

  #recordOf(journey: Journey, outcome: Outcome, renderer: Renderer): AccessRecord {
    const { client, answer, lease, route } = journey;
    const now = this.#clock.now();
    const tookMs = now - journey.startedAt;
    const parameters = client.head.parameters(renderer.parameters);
    const endedAt = Date.now();
    const cpuMs = renderer.needsCpu ? cpuSince(journey) : undefined;
    return {
      parameters,
      answer,
      startedAt: endedAt - tookMs,
      endedAt,
      status: statusFor(outcome, client.isAnswered ? answer : undefined),
      bytes: answer?.bodyBytes ?? 0,
      program: route?.program.name,
      pid: lease?.pid || undefined,
      ownPid: process.pid,
      outcome: outcome.kind,
      errorCode: "error" in outcome ? outcome.error.code : undefined,
      tookMs,
      waitedMs: journey.waitedMs(now),
      cpuMs,
      memoryBytes: renderer.needsMemory && lease?.pid ? residentOf(lease.pid) : undefined,
    };
  }
}

function rendererOf(format: AccessFormat): Renderer {
  const fields = fieldsOf(format);
  return {
    line: createAccessLine(format, (at) => new Date(at)),
    parameters: new WantedNames(parametersOf(format)),
    needsCpu: fields.some(
      ({ kind, ...field }) => kind === "cpu share" || ("of" in field && field.of === "cpu"),
    ),
    needsMemory: fields.some(({ kind }) => kind === "memory"),
  };
}

function statusFor(outcome: Outcome, answer: AnswerHead | undefined): number | undefined {
  if (outcome.kind === "refused") return statusOf(outcome.error);
  return answer?.status ?? (outcome.kind === "client-left" ? CLIENT_CLOSED_REQUEST : undefined);
}

function cpuSince({ lease, cpuBeforeMs }: Journey): number | undefined {
  const nowMs = lease?.backend.usage?.runMs;
  return nowMs === undefined || cpuBeforeMs === undefined ? undefined : nowMs - cpuBeforeMs;
}
