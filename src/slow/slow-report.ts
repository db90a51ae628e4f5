import { countOf } from "../status/units.ts";

/** How long a request was at each stage of its way, in milliseconds. */
export interface StageTimes {
  /** Until its program was known. */
  readonly route: number;
  /** Until its body had come, where that was waited for. */
  readonly body: number;
  /** In the queue, without boots. */
  readonly queue: number;
  /** For a process that was starting. */
  readonly boot: number;
  /** Lent a process. */
  readonly program: number;
}

/** A process that starts, or that is at work on another request. */
export interface OtherProcess {
  readonly pid: number;
  readonly ageMs: number;
  /** What it does, or what it is at. */
  readonly what: string | undefined;
}

/** What holds up a request that waits for a process. */
export interface QueueFacts {
  /** Requests that wait before it. */
  readonly ahead: number;
  /** Processes of the program, those that start or end left out. */
  readonly busy: number;
  /** The process that has been starting for the longest time. */
  readonly starting: OtherProcess | undefined;
  /** The process that has been at one request for the longest time. */
  readonly slowest: OtherProcess | undefined;
  /** Why no more are started. */
  readonly limit: QueueLimit;
}

export type QueueLimit =
  | { readonly kind: "max_processes" | "all programs" | "cores and memory" | "none" }
  | { readonly kind: "failed starts"; readonly retryInMs: number };

/** What a slow request is at. */
export type Present =
  | { readonly stage: "route" | "body" }
  | { readonly stage: "queue"; readonly queue: QueueFacts }
  | {
      readonly stage: "program";
      /** undefined when its process has gone. */
      readonly cause: string | undefined;
      /** The program is known not to have accepted the request's connection. */
      readonly isUnaccepted: boolean;
      readonly hasAnswer: boolean;
      /** Other requests that its process works on. */
      readonly others: number;
    };

/** Shorter stages are not told. */
const TOLD_FROM_MS = 50;

/** The report of a request that is still under way. */
export function slowLine(tookMs: number, times: StageTimes, present: Present): string {
  const past = pastStages({ ...times, [present.stage]: 0 });
  const now = presentStage(times, present);
  return `slow request, ${seconds(tookMs)} so far: ${[...past, now].join(", ")}`;
}

/** The report of its end. `cpuMs`: CPU time of its process while it was at it; undefined when that is not known. */
export function slowEndLine(tookMs: number, times: StageTimes, cpuMs: number | undefined): string {
  const stages = pastStages(times);
  const cpu = cpuMs === undefined ? "" : ` (${seconds(cpuMs)} on the CPU)`;
  if (times.program > 0) stages.push(`${seconds(times.program)} in the program${cpu}`);
  return `slow request ended after ${seconds(tookMs)}: ${stages.join(", ")}`;
}

/** Said of those that were not reported. */
export function leftOutLine(
  count: number,
  programs: readonly (readonly [name: string, count: number])[],
): string {
  const [name, most] = programs[0] ?? ["", 0];
  const where = programs.length === 1 ? `all at ${name}` : `${most} of them at ${name}`;
  return `${count} more slow requests are not reported one by one: ${where}`;
}

function pastStages(times: StageTimes): string[] {
  const stages: [ms: number, words: (time: string) => string][] = [
    [times.route, (time) => `${time} until its program was found`],
    [times.body, (time) => `${time} until its body had come`],
    [times.queue, (time) => `waited ${time} in the queue`],
    [times.boot, (time) => `${time} for a process to start`],
  ];
  return stages.filter(([ms]) => ms >= TOLD_FROM_MS).map(([ms, words]) => words(seconds(ms)));
}

function presentStage(times: StageTimes, present: Present): string {
  switch (present.stage) {
    case "route":
      return `its program has been looked up for ${seconds(times.route)}: the file system does not answer`;
    case "body":
      return `its body has been coming for ${seconds(times.body)}`;
    case "queue":
      return `has waited ${seconds(times.queue)} for a process: ${queueWords(present.queue)}`;
    case "program": {
      const { cause = "its process has ended", isUnaccepted, hasAnswer, others } = present;
      const where = isUnaccepted ? "not accepted by its process" : "in the program";
      const beside = others === 0 ? "" : ` (beside ${countOf(others, "other request")})`;
      const answer = hasAnswer ? "; its answer has begun" : "";
      return `${seconds(times.program)} ${where}${beside}: ${cause}${answer}`;
    }
  }
}

function queueWords({ ahead, busy, starting, slowest, limit }: QueueFacts): string {
  const words: string[] = [];
  if (starting) {
    const { pid, ageMs, what } = starting;
    words.push(`pid ${pid} has been starting for ${seconds(ageMs)}${what ? `: it ${what}` : ""}`);
  }
  if (busy > 0) words.push(busy === 1 ? "the one process is busy" : `all ${busy} processes are busy`);
  const why = limitWords(limit);
  if (why !== "") words.push(why);
  if (ahead > 0) words.push(`${countOf(ahead, "request")} before it`);
  if (slowest) words.push(`pid ${slowest.pid} has been at ${slowest.what} for ${seconds(slowest.ageMs)}`);
  return words.join("; ");
}

function limitWords(limit: QueueLimit): string {
  switch (limit.kind) {
    case "max_processes":
      return "max_processes allows no more";
    case "all programs":
      return "it may have no more of the processes that all programs share";
    case "cores and memory":
      return "the processor and the memory have no room for more";
    case "failed starts":
      return `starts failed, the next try is in ${seconds(limit.retryInMs)}`;
    case "none":
      return "";
  }
}

function seconds(ms: number): string {
  return ms > 0 && ms < 50 ? `${(ms / 1000).toFixed(2)} s` : `${(ms / 1000).toFixed(1)} s`;
}
