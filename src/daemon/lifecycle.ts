import { systemClock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { exitAlone } from "../base/libc.ts";
import type { Log } from "../base/log.ts";
import type { Operator } from "./operator.ts";
import { ServiceManager } from "./service-manager.ts";

/** What signals act upon: a daemon, or the development front. */
export interface Signalled {
  stop(reason: string): Promise<unknown>;
  /** Settles when nothing is left; with "handed over" when another process goes on, which must outlive this one. */
  readonly finished: Promise<unknown>;
  /** SIGHUP, SIGUSR1 and SIGUSR2. Where one is missing its signal is ignored. */
  reload?(): Promise<void>;
  reopenLogs?(): Promise<void>;
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
 * before the start: none of them ends a process that serves already.
 */
export async function runUntilSignalled(
  start: (operator: Operator) => Promise<Signalled>,
  log: Log,
  { manager = new ServiceManager({}, process.pid), logs }: Surroundings = {},
): Promise<number> {
  let status = 0;
  let running: Signalled | undefined;
  let stopAsked: string | undefined;
  const stop = (reason: string) => {
    if (running) {
      manager.stopping(running.stopTimeoutMs ?? 0);
      void running.stop(reason);
    } else stopAsked ??= reason;
  };
  const reload = async () => {
    manager.reloading();
    await running?.reload?.();
    manager.ready();
  };
  const handOver = async () => {
    const pid = await running?.handOver?.();
    if (pid !== undefined) manager.handOver(pid);
    return pid;
  };
  const operator = { stop, reload, handOver };
  const onOther = (signal: OtherSignal) => {
    if (signal === "SIGHUP" && running?.reload) void reload();
    else if (signal === "SIGUSR2" && running?.handOver) void handOver();
    else if (signal === "SIGUSR1" && running?.reopenLogs) void running.reopenLogs();
    else log.warn(`${signal} is not acted upon ${running ? "by this command" : "before the start is over"}`);
  };
  // Nobody knows what state it left: finish what can be finished and let the service manager start anew.
  const onBug = (error: unknown) => {
    const stack = error instanceof Error ? error.stack : undefined;
    log.error(`a bug in std-fpm, stopping: ${messageOf(error)}`, { stack });
    status = EX_SOFTWARE;
    stop("a bug");
  };
  for (const signal of STOP_SIGNALS) process.on(signal, stop);
  for (const signal of OTHER_SIGNALS) process.on(signal, onOther);
  process.on("uncaughtException", onBug);
  try {
    running = await start(operator);
    const { status: line } = running;
    manager.ready();
    if (line !== undefined) manager.begin(systemClock, () => running?.status ?? "");
    if (stopAsked !== undefined) stop(stopAsked);
    const end = await running.finished;
    await logs?.close();
    if (end === "handed over") exitAlone(status);
  } finally {
    manager.end();
    for (const signal of STOP_SIGNALS) process.off(signal, stop);
    for (const signal of OTHER_SIGNALS) process.off(signal, onOther);
    process.off("uncaughtException", onBug);
  }
  return status;
}
