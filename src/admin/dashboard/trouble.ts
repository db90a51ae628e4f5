import { processesOf } from "../../status/activity.ts";
import type { ProgramStatus, Snapshot } from "../../status/snapshot.ts";
import { countOf, formatSeconds } from "../../status/units.ts";
import { History, type LastMinute } from "./history.ts";
import { memoryOf } from "./numbers.ts";

/** What a program is at, in a word; the worst first. */
export const STATES = ["failing", "saturated", "slow", "busy", "quiet"] as const;
export type State = (typeof STATES)[number];

/** A program, and what is to be thought of it. */
export interface Judged {
  readonly key: string;
  readonly program: ProgramStatus;
  readonly history: History;
  readonly state: State;
  /** Why, in words; "" where it is in no trouble. */
  readonly reason: string;
  /** For how long it has been so, as far as anybody knows. */
  readonly forSeconds: number;
}

interface Verdict {
  readonly state: State;
  readonly reason: string;
  /** Orders programs of one state. */
  readonly weight: number;
  /** How long it is known to have been so, from the snapshot alone. */
  readonly forSeconds: number;
}

/** In the last minute so many of all answers may be errors. */
const ERRORS_SHARE = 0.05;
/** An error of a program that has gone is news for so long. */
const RECENT_SECONDS = 60;
/** A request may wait as long as that. */
const WAIT_SECONDS = 1;
const LONGEST_MESSAGE = 160;

/** The programs of one snapshot after the other, those in trouble first: the order and the rates of the dashboard and of `status --watch`. */
export class Troubles {
  #histories = new Map<string, History>();
  /** Since when each is what it is, in seconds after the daemon's start. */
  #since = new Map<string, { readonly state: State; readonly atSeconds: number }>();
  #judged: readonly Judged[] = [];
  /** When the last snapshot was taken, and by whom. */
  #last: { readonly pid: number; readonly atSeconds: number } | undefined;

  /** In the order of trouble; those of equal trouble by name, those without processes at the end. */
  get judged(): readonly Judged[] {
    return this.#judged;
  }

  /** Those that somebody should look at. */
  get inTrouble(): readonly Judged[] {
    return this.#judged.filter(({ reason }) => reason !== "");
  }

  /** Takes in the next snapshot. */
  add({ programs, uptime_seconds, pid, max_processes }: Snapshot): void {
    const absentAt = this.#last?.pid === pid ? this.#last.atSeconds : undefined;
    this.#last = { pid, atSeconds: uptime_seconds };
    const [histories, since] = [this.#histories, this.#since];
    this.#histories = new Map();
    this.#since = new Map();
    const weights = new Map<string, number>();
    this.#judged = programs
      .map((program) => {
        const key = keyOf(program);
        const history = histories.get(key) ?? new History(absentAt);
        history.add(uptime_seconds, program, memoryOf(program));
        this.#histories.set(key, history);
        const { state, reason, weight, forSeconds } = verdictOn(program, history.recent, max_processes);
        weights.set(key, weight);
        const known = since.get(key);
        const isSame = known?.state === state && known.atSeconds <= uptime_seconds;
        const began = isSame ? known.atSeconds : uptime_seconds - forSeconds;
        const atSeconds = Math.min(began, uptime_seconds - forSeconds);
        this.#since.set(key, { state, atSeconds });
        return { key, program, history, state, reason, forSeconds: uptime_seconds - atSeconds };
      })
      .sort((a, b) => inOrder(a, b, weights));
  }
}

function inOrder(a: Judged, b: Judged, weights: ReadonlyMap<string, number>): number {
  return (
    STATES.indexOf(a.state) - STATES.indexOf(b.state) ||
    compare(weights.get(b.key) ?? 0, weights.get(a.key) ?? 0) ||
    Number(a.program.is_gone) - Number(b.program.is_gone) ||
    compare(a.key, b.key)
  );
}

/** Also of numbers that are infinite. */
export function compare(a: number | string, b: number | string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Two may have one name, under settings of before and after a reload. */
export function keyOf({ name, settings }: ProgramStatus): string {
  return `${name}\n${settings}`;
}

/** `most`: processes that all programs may have together. */
function verdictOn(program: ProgramStatus, recent: LastMinute, most: number): Verdict {
  return (
    failing(program, recent) ??
    saturated(program, recent, most) ??
    slow(program, recent) ??
    well(program, recent)
  );
}

function failing(program: ProgramStatus, recent: LastMinute): Verdict | undefined {
  const { failed_in_a_row, next_start_seconds, last_error } = program;
  const why = last_error ? `: ${cut(last_error.message)}` : "";
  const verdict = (reason: string, weight: number): Verdict => ({
    state: "failing",
    reason,
    weight,
    forSeconds: 0,
  });
  if (failed_in_a_row > 0) {
    const next = next_start_seconds > 0 ? `, the next is tried in ${formatSeconds(next_start_seconds)}` : "";
    const reason = `${countOf(failed_in_a_row, "start")} failed in a row${next}${why}`;
    return { ...verdict(reason, Number.POSITIVE_INFINITY), forSeconds: last_error?.age_seconds ?? 0 };
  }
  if (program.is_gone && last_error && last_error.age_seconds < RECENT_SECONDS) {
    const reason = `no process of it runs${why}`;
    return { ...verdict(reason, Number.POSITIVE_INFINITY), forSeconds: last_error.age_seconds };
  }
  if (recent.crashes > 0)
    return verdict(
      `${countOf(recent.crashes, "process", "processes")} crashed in the last minute${why}`,
      recent.crashes,
    );
  const share = Math.max(1, recent.requests) * ERRORS_SHARE;
  if (recent.failures > 0 && recent.failures >= share)
    return verdict(
      `${ofAll(recent.failures, recent)} could not be answered in the last minute${why}`,
      recent.failures,
    );
  if (recent.serverErrors > 0 && recent.serverErrors >= share)
    return verdict(
      `${ofAll(recent.serverErrors, recent)} were answered with 5xx in the last minute; its own log says why`,
      recent.serverErrors,
    );
  return undefined;
}

function saturated(program: ProgramStatus, recent: LastMinute, most: number): Verdict | undefined {
  const { queue_length, queue_oldest_seconds, processes } = program;
  if (queue_length === 0 || queue_oldest_seconds < WAIT_SECONDS) return undefined;
  const waits = `${queue_length} ${queue_length === 1 ? "waits" : "wait"}, the oldest for ${formatSeconds(queue_oldest_seconds)}`;
  const verdict = (why: string): Verdict => ({
    state: "saturated",
    reason: `${waits}: ${why}`,
    weight: queue_oldest_seconds,
    forSeconds: queue_oldest_seconds,
  });
  const atWork = processes.busy + processes.on_its_own;
  const all = processesOf(program);
  if (recent.heldBack > 0 && (program.limit === null || all < program.limit))
    return verdict(
      "there is no room for another process among all programs; raise max_processes of [server], or look at the others",
    );
  if (atWork === 0) return verdict(all === 0 ? "no process runs" : "no process is ready yet");
  const busy = `${all === 1 ? "its one process is" : `all ${all} processes are`} busy`;
  const setting = program.limit === most ? "max_processes of [server]" : "max_processes";
  return verdict(`${busy}; raise ${setting}, or look at ${longestOf(program) ?? "what they do"}`);
}

function slow(_program: ProgramStatus, recent: LastMinute): Verdict | undefined {
  if (recent.slow === 0) return undefined;
  const p99 = recent.p99Seconds === null ? "" : `, p99 ${formatSeconds(recent.p99Seconds)}`;
  const reason = `${countOf(recent.slow, "request")} took longer than slow_log.after in the last minute${p99}; the log says what for`;
  return { state: "slow", reason, weight: recent.slow, forSeconds: 0 };
}

function well({ processes, queue_length }: ProgramStatus, { requests }: LastMinute): Verdict {
  const isBusy = processes.busy > 0 || queue_length > 0 || requests > 0;
  return { state: isBusy ? "busy" : "quiet", reason: "", weight: requests, forSeconds: 0 };
}

/** The request that is at work for the longest time, and where. */
function longestOf({ process_list = [] }: ProgramStatus): string | undefined {
  const [oldest] = process_list
    .flatMap(({ pid, requests }) => requests.map((request) => ({ pid, ...request })))
    .sort((a, b) => b.age_seconds - a.age_seconds);
  if (!oldest) return undefined;
  return `${oldest.method} ${cut(oldest.uri)} (pid ${oldest.pid}, at it for ${formatSeconds(oldest.age_seconds)})`;
}

function ofAll(count: number, { requests }: LastMinute): string {
  return `${count} of ${countOf(Math.max(count, requests), "request")}`;
}

function cut(text: string): string {
  return text.length > LONGEST_MESSAGE ? `${text.slice(0, LONGEST_MESSAGE)}…` : text;
}
