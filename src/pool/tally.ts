import { Conduct } from "../backend/conduct.ts";
import type { Exit, ExitCause } from "../backend/exit.ts";
import { causeOf } from "../backend/exit.ts";
import type { ErrorCode } from "../base/errors.ts";
import { Histogram } from "../base/histogram.ts";
import type { Outcome } from "../fcgi/outcome.ts";

/** The last thing that went wrong with a program. */
export interface LastError {
  readonly code: ErrorCode;
  readonly message: string;
  /** When, by the clock. */
  readonly at: number;
}

/** Longer messages are cut. */
const LONGEST_MESSAGE = 500;

/** What has happened to the requests and processes of one program: plain counters that only grow. */
export class Tally {
  readonly exits: Record<ExitCause, number> = {
    "asked for": 0,
    "of its own will": 0,
    crash: 0,
    "boot failure": 0,
  };
  readonly outcomes: Record<Outcome["kind"], number> = {
    answered: 0,
    refused: 0,
    truncated: 0,
    "client-left": 0,
  };
  /** Answers of the program by the class of their status: the first number has those of 1xx. */
  readonly statusClasses: number[] = [0, 0, 0, 0, 0];
  /** How many were refused, or broke off, for each reason; there are as many as there are codes. */
  readonly failures = new Map<ErrorCode, number>();
  /** From the head, and the body where it is small, to the end of the answer. */
  readonly latency = new Histogram();
  /** From asking for a process to having one. */
  readonly wait = new Histogram();
  started = 0;
  failedStarts = 0;
  /** Requests that found no process free. */
  queued = 0;
  /** Times that it wanted a process more and there was no room among all programs. */
  heldBack = 0;
  /** Second attempts. */
  retries = 0;
  /** Those among them that were taken back from a process that works on after its answer. */
  takenBack = 0;
  /** Requests that took longer than `[slow_log] after`. */
  slow = 0;
  /** Bytes of records to and from the processes. */
  bytesIn = 0;
  bytesOut = 0;
  /** What the processes used of the CPU, as far as they were looked at. */
  cpuMs = 0;
  /** Records of earlier requests that were dropped. */
  staleRecords = 0;
  lastError: LastError | undefined;
  /** What was learned of the program; it is not added up. */
  readonly conduct = new Conduct();

  onExit(exit: Exit): void {
    this.exits[causeOf(exit)]++;
  }

  /** Something that came to no program was refused. */
  onRejected(code: ErrorCode): void {
    this.outcomes.refused++;
    this.#onFailure(code);
  }

  /** A request has ended. */
  onOutcome(outcome: Outcome, tookMs: number, now: number): void {
    this.outcomes[outcome.kind]++;
    this.latency.observe(tookMs);
    if (outcome.kind === "answered" && outcome.status !== undefined) this.#onStatus(outcome.status);
    if (outcome.kind !== "refused" && outcome.kind !== "truncated") return;
    const { error } = outcome;
    this.#onFailure(error.code);
    if (error.fault !== "client") this.onError(error, now);
  }

  #onStatus(status: number): void {
    const index = Math.floor(status / 100) - 1;
    const before = this.statusClasses[index];
    if (before !== undefined) this.statusClasses[index] = before + 1;
  }

  onError({ code, message }: { readonly code: ErrorCode; readonly message: string }, at: number): void {
    const cut = message.length > LONGEST_MESSAGE ? `${message.slice(0, LONGEST_MESSAGE)}…` : message;
    this.lastError = { code, message: cut, at };
  }

  #onFailure(code: ErrorCode): void {
    this.failures.set(code, (this.failures.get(code) ?? 0) + 1);
  }

  /** Adds what another one has counted. */
  add(other: Tally): void {
    for (const cause in other.exits) this.exits[cause as ExitCause] += other.exits[cause as ExitCause];
    for (const kind in other.outcomes)
      this.outcomes[kind as Outcome["kind"]] += other.outcomes[kind as Outcome["kind"]];
    for (const [code, count] of other.failures)
      this.failures.set(code, (this.failures.get(code) ?? 0) + count);
    this.latency.add(other.latency);
    this.wait.add(other.wait);
    this.started += other.started;
    this.failedStarts += other.failedStarts;
    this.queued += other.queued;
    this.heldBack += other.heldBack;
    for (const [index, count] of other.statusClasses.entries())
      this.statusClasses[index] = (this.statusClasses[index] as number) + count;
    this.retries += other.retries;
    this.takenBack += other.takenBack;
    this.slow += other.slow;
    this.bytesIn += other.bytesIn;
    this.bytesOut += other.bytesOut;
    this.cpuMs += other.cpuMs;
    this.staleRecords += other.staleRecords;
    if (other.lastError && other.lastError.at >= (this.lastError?.at ?? 0)) this.lastError = other.lastError;
  }
}
