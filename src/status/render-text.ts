import { escapeControls } from "../base/escape-controls.ts";
import { failuresOf, requestsOf } from "./activity.ts";
import type { Numbers, ProgramStatus, Snapshot } from "./snapshot.ts";
import { type Column, renderTable } from "./table.ts";
import { formatBytes, formatSeconds, formatShare } from "./units.ts";

const right = (head: string): Column => ({ head, align: "right" });
const left = (head: string): Column => ({ head, align: "left" });

const PROGRAM_COLUMNS = [
  ...[
    "START",
    "IDLE",
    "BUSY",
    "LEAVE",
    "QUEUE",
    "REQUESTS",
    "FAILED",
    "P50",
    "P90",
    "P99",
    "S",
    "B",
    "CPU",
    "MEM",
  ].map(right),
  left("PROGRAM"),
];
const PROCESS_COLUMNS = [
  ...["PID", "AGE", "SERVED", "CPU", "MEM"].map(right),
  left("STATE"),
  left("REQUEST"),
];

/** The snapshot as a page of text: the daemon, a line a program, its processes where they are listed, and what went wrong last. */
export function renderText(snapshot: Snapshot): string {
  const { programs, total, others } = snapshot;
  const rows = [...programs.map(programRow), totalRow(total)];
  const lines = [...headLines(snapshot), "", ...renderTable(PROGRAM_COLUMNS, rows), ""];
  const refused = Object.entries(others.failures).map(([code, count]) => `${code} ${count}`);
  if (refused.length > 0) lines.push(`refused before they came to a program: ${refused.join(", ")}`, "");
  for (const program of programs) lines.push(...detailLines(program));
  return `${lines.join("\n").trimEnd()}\n`;
}

/** What concerns the daemon as a whole, in a few lines. */
export function headLines(snapshot: Snapshot): string[] {
  const { version, pid, state, uptime_seconds, total, connections, max_processes, cores } = snapshot;
  const running = Object.values(total.processes).reduce((sum, each) => sum + each, 0);
  return [
    `std-fpm ${version}, pid ${pid}: ${state} for ${formatSeconds(uptime_seconds)}`,
    `${running} of ${max_processes} processes on ${cores} cores, ${connections} connections, ` +
      `${total.in_flight} requests at work, ${total.queue_length} waiting, ${requestsOf(total)} since the start`,
  ];
}

/** A program's cells under PROGRAM_COLUMNS. */
function programRow(program: ProgramStatus): string[] {
  const { learned, name, is_gone } = program;
  return [
    ...numberCells(program),
    formatSeconds(learned.service_seconds),
    formatSeconds(learned.boot_seconds),
    formatShare(learned.cpu_share),
    formatBytes(learned.memory_bytes),
    `${escapeControls(name)}${is_gone ? " (no processes)" : ""}`,
  ];
}

function totalRow(total: Numbers): string[] {
  return [...numberCells(total), "", "", "", "", "all together"];
}

function numberCells(numbers: Numbers): string[] {
  const { processes, queue_length, latency } = numbers;
  const { starting, idle, busy, retiring, stopping } = processes;
  const leaving = retiring + stopping;
  const counts = [starting, idle, busy, leaving, queue_length, requestsOf(numbers), failuresOf(numbers)];
  const times = [latency.p50_seconds, latency.p90_seconds, latency.p99_seconds];
  return [...counts.map(String), ...times.map(formatSeconds)];
}

function detailLines({
  name,
  last_error,
  process_list,
  next_start_seconds,
  failed_in_a_row,
}: ProgramStatus): string[] {
  const lines: string[] = [];
  if (process_list && process_list.length > 0)
    lines.push(...renderTable(PROCESS_COLUMNS, process_list.map(processRow)));
  if (failed_in_a_row > 0)
    lines.push(
      `${failed_in_a_row} starts failed in a row; the next one is tried in ${formatSeconds(next_start_seconds)}`,
    );
  if (last_error)
    lines.push(
      `${formatSeconds(last_error.age_seconds)} ago: ${last_error.code}: ${escapeControls(last_error.message)}`,
    );
  return lines.length === 0 ? [] : [escapeControls(name), ...lines.map((line) => `  ${line}`), ""];
}

function processRow(process: NonNullable<ProgramStatus["process_list"]>[number]): string[] {
  const { pid, age_seconds, served, cpu_seconds, memory_bytes, state, requests } = process;
  return [
    String(pid),
    formatSeconds(age_seconds),
    String(served),
    formatSeconds(cpu_seconds),
    formatBytes(memory_bytes),
    state,
    requests
      .map(
        ({ method, uri, age_seconds: age }) =>
          `${escapeControls(`${method} ${uri}`)} (${formatSeconds(age)})`,
      )
      .join(", "),
  ];
}
