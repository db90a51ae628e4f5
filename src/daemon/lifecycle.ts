import { systemClock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { BugOwner } from "./bug-owner.ts";
import type { Operator } from "./operator.ts";
import { ServiceManager } from "./service-manager.ts";

/** What signals act upon: a daemon, or the development front. */
export interface Signalled {
  stop(reason: string): Promise<unknown>;
  /**
   * Settles when nothing is left; with "incomplete" when something is, and with "handed over" when another process goes on, which must
   * outlive this one.
   */
  readonly finished: Promise<unknown>;
  /** SIGHUP, SIGUSR1 and SIGUSR2. Where one is missing its signal is ignored. */
  reload?(): Promise<void>;
  reopenLogs?(): Promise<unknown>;
  /** Settles with the pid of the process that goes on; undefined: there is none, and this one does. */
  handOver?(): Promise<number | undefined>;
  /** What it is at, in a line. */
  readonly status?: string;
  /** How long it may take to stop. */
  readonly stopTimeoutMs?: number;
}

/** What else there is beside what runs. */
export interface Surroundings {
  readonly manager?: ServiceManager;
  /** The log's file: the end writes what is left. */
  readonly logs?: { close(): Promise<void> };
}

/** sysexits.h: an internal software error. */
const EX_SOFTWARE = 70;
const STOP_SIGNALS = ["SIGTERM", "SIGINT", "SIGQUIT"] as const;
const OTHER_SIGNALS = ["SIGHUP", "SIGUSR1", "SIGUSR2"] as const;
type OtherSignal = (typeof OTHER_SIGNALS)[number];

/** Signals that come when everything has ended, and the process soon will: its exit status is settled. */
export function outlastSignals(): void {
  for (const signal of STOP_SIGNALS) process.on(signal, () => {});
}

/**
 * Starts what is to be signalled and hands it the process's signals until it has finished: SIGTERM, SIGINT and SIGQUIT
 * drain, a second one ends at once; SIGHUP reloads, SIGUSR1 reopens the logs, SIGUSR2 hands over. Returns the exit status. The signals are caught
 * before the start: none of them ends a process that serves already. Exceptions and rejections that nobody else catches are logged; they end
 * nothing.
 */
export async function runUntilSignalled(
  start: (operator: Operator) => Promise<Signalled>,
  log: Log,
  { manager = new ServiceManager({}, process.pid), logs }: Surroundings = {},
): Promise<number> {
  const bugs = new BugOwner(log);
  let running: Signalled | undefined;
  let stopAsked: string | undefined;
  const stop = (reason: string) => {
    if (running) {
      const { stopTimeoutMs = 0 } = running;
      bugs.onStop(stopTimeoutMs);
      manager.stopping(stopTimeoutMs);
      void running.stop(reason);
    } else stopAsked ??= reason;
  };
  const reload = async () => {
    // Before the start is over it is not ready, and must not say so.
    if (!running) return;
    manager.reloading();
    await running.reload?.();
    manager.ready();
  };
  const handOver = async () => {
    const pid = await running?.handOver?.();
    if (pid !== undefined) manager.handOver(pid);
    return pid;
  };
  const operator: Operator = {
    stop,
    reload,
    handOver,
    get isStarting() {
      return running === undefined;
    },
  };
  const onOther = (signal: OtherSignal) => {
    if (signal === "SIGHUP" && running?.reload) void reload();
    else if (signal === "SIGUSR2" && running?.handOver) void handOver();
    else if (signal === "SIGUSR1" && running?.reopenLogs) void running.reopenLogs();
    else log.warn(`${signal} is not acted upon ${running ? "by this command" : "before the start is over"}`);
  };
  for (const signal of STOP_SIGNALS) process.on(signal, stop);
  for (const signal of OTHER_SIGNALS) process.on(signal, onOther);
  bugs.begin();
  try {
    running = await start(operator);
    const { status: line } = running;
    manager.ready();
    if (line !== undefined) manager.begin(systemClock, () => running?.status ?? "");
    if (stopAsked !== undefined) stop(stopAsked);
    const end = await Promise.race([running.finished, bugs.gaveUp]);
    await logs?.close();
    if (end === "incomplete") return EX_SOFTWARE;
  } finally {
    manager.end();
    for (const signal of STOP_SIGNALS) process.off(signal, stop);
    for (const signal of OTHER_SIGNALS) process.off(signal, onOther);
    bugs.end();
  }
  return 0;
}
