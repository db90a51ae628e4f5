import { escapeControls } from "../base/escape-controls.ts";
import { failuresOf, processesOf, requestsOf } from "./activity.ts";
import type { Numbers, ProcessStatus, ProgramStatus, Snapshot } from "./snapshot.ts";
import type { Column } from "./table.ts";
import { formatBytes, formatCores, formatSeconds, formatShare } from "./units.ts";

/*
 * A snapshot in words and tables, for a page of any kind: row by row, so that whoever makes a page of very many may do it in pieces.
 * No text in it has control characters.
 */

export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
}

/** More of one program. */
export interface Detail {
  readonly name: string;
  /** Undefined where none are listed. */
  readonly processes: Table | undefined;
  /** What went wrong last, a line each. */
  readonly notes: readonly string[];
}

const right = (head: string): Column => ({ head, align: "right" });
const left = (head: string): Column => ({ head, align: "left" });

/** Of the rows of programs. */
export const PROGRAM_COLUMNS: readonly Column[] = [
  ...[
    "START",
    "IDLE",
    "BUSY",
    "ALONE",
    "LEAVE",
    "QUEUE",
    "REQUESTS",
    "FAILED",
    "SLOW",
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

/** A row a program, and one for all together. */
export function* programRows({ programs, total }: Snapshot): Generator<string[]> {
  for (const program of programs) yield programRow(program);
  yield totalRow(total);
}

/** What was refused before it came to a program; undefined when nothing was. */
export function refusedOf({ others }: Snapshot): string | undefined {
  const refused = Object.entries(others.failures).map(([code, count]) => `${code} ${count}`);
  return refused.length === 0 ? undefined : refused.join(", ");
}

/** More of the programs of which there is more to say. */
export function* detailsOf({ programs }: Snapshot): Generator<Detail> {
  for (const program of programs) {
    const detail = detailOf(program);
    if (detail.processes || detail.notes.length > 0) yield detail;
  }
}

/** What concerns the daemon as a whole, in a few lines. */
export function headLines(snapshot: Snapshot): string[] {
  const { version, pid, state, uptime_seconds, total, connections, max_processes, cores } = snapshot;
  const left = snapshot.left_behind === 0 ? "" : `, ${snapshot.left_behind} left behind by programs`;
  return [
    `std-fpm ${version}, pid ${pid}: ${state} for ${formatSeconds(uptime_seconds)}`,
    `${processesOf(total)} of ${max_processes} processes on ${formatCores(cores)} cores${left}, ${connections} connections, ` +
      `${total.in_flight} requests at work, ${total.queue_length} waiting, ${requestsOf(total)} since the start`,
  ];
}

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
  const { starting, idle, busy, on_its_own, retiring, stopping } = processes;
  const leaving = retiring + stopping;
  const counts = [
    starting,
    idle,
    busy,
    on_its_own,
    leaving,
    queue_length,
    requestsOf(numbers),
    failuresOf(numbers),
    numbers.slow,
  ];
  const times = [latency.p50_seconds, latency.p90_seconds, latency.p99_seconds];
  return [...counts.map(String), ...times.map(formatSeconds)];
}

function detailOf(program: ProgramStatus): Detail {
  const { name, last_error, process_list = [], next_start_seconds, failed_in_a_row } = program;
  const notes: string[] = [];
  if (failed_in_a_row > 0)
    notes.push(
      `${failed_in_a_row} starts failed in a row; the next one is tried in ${formatSeconds(next_start_seconds)}`,
    );
  if (last_error)
    notes.push(
      `${formatSeconds(last_error.age_seconds)} ago: ${last_error.code}: ${escapeControls(last_error.message)}`,
    );
  const processes =
    process_list.length === 0 ? undefined : { columns: PROCESS_COLUMNS, rows: process_list.map(processRow) };
  return { name: escapeControls(name), processes, notes };
}

function processRow({
  pid,
  children,
  age_seconds,
  served,
  cpu_seconds,
  memory_bytes,
  state,
  requests,
}: ProcessStatus): string[] {
  const atWork = requests.map(
    ({ method, uri, age_seconds: age }) => `${escapeControls(`${method} ${uri}`)} (${formatSeconds(age)})`,
  );
  return [
    children.length > 0 ? `${pid}+${children.length}` : String(pid),
    formatSeconds(age_seconds),
    String(served),
    formatSeconds(cpu_seconds),
    formatBytes(memory_bytes),
    state,
    atWork.join(", "),
  ];
}
