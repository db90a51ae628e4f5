import { residentOf } from "../backend/usage.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { LogFile } from "../base/log-file.ts";
import { type AccessFormat, fieldsOf } from "../config/access-format.ts";
import type { AccessLogConfig } from "../config/config.ts";
import type { RequestHead } from "../fcgi/head.ts";
import type { Outcome } from "../fcgi/outcome.ts";
import type { AnswerHead } from "../relay/answer-head.ts";
import { refusalBytes, statusOf } from "../reply/error-reply.ts";
import { type AccessLine, type AccessRecord, createAccessLine } from "../status/access-line.ts";
import type { Journey } from "./journey.ts";

/** How long lines are gathered. */
const GATHER_MS = 1000;
/** What nginx says of a client that left before it got an answer. */
const CLIENT_CLOSED_REQUEST = 499;

/** A format, ready for use. */
interface Renderer {
  readonly line: AccessLine;
  /** Whether the CPU time of the process is wanted, which takes reads from /proc. */
  readonly needsCpu: boolean;
  /** Whether header fields of the answer are. */
  readonly needsHeader: boolean;
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
      const options = {
        onTrouble: (what: string) => this.#log.error(`access log: ${what}`),
        onRecovery: (what: string) => this.#log.warn(`access log: ${what}`),
        gatherMs: GATHER_MS,
        clock: this.#clock,
      };
      this.#file = settings.file === "" ? undefined : new LogFile(settings.file, options);
    }
    this.#renderer = this.#file && rendererOf(settings.format);
  }

  /** Whether requests that begin now get a line. */
  get isOn(): boolean {
    return this.#file !== undefined;
  }

  /** Whether lines have header fields of the answer. */
  get needsHeader(): boolean {
    return this.#renderer?.needsHeader ?? false;
  }

  /** A request was lent a process. */
  onLent(journey: Journey): void {
    if (this.#renderer?.needsCpu) journey.cpuBeforeMs = journey.lease?.backend.usage?.runMs;
  }

  /** A request is over, at `now`. One that began before there was an access log has no line. */
  add(journey: Journey, outcome: Outcome, now: number): void {
    if (!this.#file || !this.#renderer || !journey.isLogged) return;
    const to = this.#file.beginLine();
    if (!to) return;
    this.#renderer.line.write(new EndedRequest(journey, outcome, now), to);
    this.#file.endLine();
  }

  /** The file was renamed: goes on in a new one. Gives why there is none yet; undefined: it is open. */
  async reopen(): Promise<string | undefined> {
    return await this.#file?.reopen();
  }

  /** Writes what waits. */
  async close(): Promise<void> {
    await this.#file?.close();
  }
}

/** What is known of a request that is over; looked up when a line asks for it. */
class EndedRequest implements AccessRecord {
  readonly ownPid = process.pid;
  readonly endedAt = Date.now();
  readonly tookMs: number;
  readonly #journey: Journey;
  readonly #outcome: Outcome;
  readonly #now: number;

  constructor(journey: Journey, outcome: Outcome, now: number) {
    this.#journey = journey;
    this.#outcome = outcome;
    this.#now = now;
    this.tookMs = now - journey.startedAt;
  }

  get head(): RequestHead {
    return this.#journey.client.head;
  }

  get answer(): AnswerHead | undefined {
    return this.#journey.answer;
  }

  get startedAt(): number {
    return this.endedAt - this.tookMs;
  }

  get status(): number | undefined {
    const { client, answer } = this.#journey;
    return statusFor(this.#outcome, client.isAnswered ? answer : undefined);
  }

  get bytes(): number {
    if (this.#outcome.kind === "refused") return refusalBytes(this.#outcome.error);
    return this.#journey.answer?.bodyBytes ?? 0;
  }

  get program(): string | undefined {
    return this.#journey.route?.program.name;
  }

  get pid(): number | undefined {
    return this.#journey.lease?.pid || undefined;
  }

  get outcome(): Outcome["kind"] {
    return this.#outcome.kind;
  }

  get errorCode(): string | undefined {
    return "error" in this.#outcome ? this.#outcome.error.code : undefined;
  }

  get waitedMs(): number {
    return this.#journey.waitedMs(this.#now);
  }

  get cpuMs(): number | undefined {
    const { lease, cpuBeforeMs } = this.#journey;
    const nowMs = lease?.backend.usage?.runMs;
    return nowMs === undefined || cpuBeforeMs === undefined ? undefined : nowMs - cpuBeforeMs;
  }

  get memoryBytes(): number | undefined {
    return this.pid === undefined ? undefined : residentOf(this.pid);
  }
}

function rendererOf(format: AccessFormat): Renderer {
  const fields = fieldsOf(format);
  return {
    line: createAccessLine(format, (at) => new Date(at)),
    needsCpu: fields.some(
      ({ kind, ...field }) => kind === "cpu share" || ("of" in field && field.of === "cpu"),
    ),
    needsHeader: fields.some(({ kind }) => kind === "header"),
  };
}

function statusFor(outcome: Outcome, answer: AnswerHead | undefined): number | undefined {
  if (outcome.kind === "refused") return statusOf(outcome.error);
  return answer?.status ?? (outcome.kind === "client-left" ? CLIENT_CLOSED_REQUEST : undefined);
}
