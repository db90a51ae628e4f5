import type { Judged } from "../admin/dashboard/trouble.ts";
import { escapeControls } from "../base/escape-controls.ts";
import { headLines } from "../status/report.ts";
import type { ProcessStatus, Snapshot } from "../status/snapshot.ts";
import { type Column, endOf, renderTable } from "../status/table.ts";
import { formatBytes, formatSeconds } from "../status/units.ts";
import { programLines, SORTS, type SortKey } from "./watch-programs.ts";

/** A line of the screen, and how it stands out. */
export interface Line {
  readonly text: string;
  readonly style?: "head" | "faint" | "alarm";
}

/** What is shown below the programs, in the order of the Tab key. */
export const DETAILS = ["requests", "processes", "errors"] as const;
export type Detail = (typeof DETAILS)[number];

/** What the person at the keyboard has chosen. */
export interface View {
  readonly sort: SortKey;
  readonly detail: Detail;
}

/** What there is to be shown. */
export interface Seen {
  /** Undefined before the first one. */
  readonly now: Snapshot | undefined;
  /** The one before it, of the same daemon. */
  readonly before: Snapshot | undefined;
  /** Why there is no newer one. */
  readonly trouble: string | undefined;
  /** The programs in the order of trouble. */
  readonly judged?: readonly Judged[];
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

const PROCESS_COLUMNS: readonly Column[] = [
  ...["PID", "AGE", "SERVED", "CPU", "MEM"].map((head): Column => ({ head, align: "right", minWidth: 7 })),
  { head: "STATE", align: "left", minWidth: 8 },
  { head: "PROGRAM", align: "left" },
];
const REQUEST_COLUMNS: readonly Column[] = [
  ...["FOR", "PID"].map((head): Column => ({ head, align: "right", minWidth: 7 })),
  { head: "REQUEST", align: "left" },
  { head: "PROGRAM", align: "left" },
];
/** The lower list has this part of the screen at least, if it needs it. */
const DETAIL_SHARE = 1 / 3;
/** So many programs in trouble have a line of their own. */
const MOST_TROUBLES = 3;
const NAME_PLACES = 40;

/** The screen, no line too long and no line too many. */
export function renderWatch(seen: Seen, view: View, size: Size): Line[] {
  const { now, trouble } = seen;
  const head: Line[] = (now ? headLines(now) : ["std-fpm"]).map((text) => ({ text }));
  if (trouble !== undefined) head.push({ text: trouble, style: "alarm" });
  head.push(...troubleLines(seen.judged ?? []));
  const foot: Line = { text: keysLine(view, size.columns), style: "faint" };
  const room = { columns: size.columns, rows: Math.max(0, size.rows - head.length - 2) };
  const body = now ? bodyLines(now, seen, view, room) : [];
  const lines = [...head, { text: "" }, ...body].slice(0, Math.max(0, size.rows - 1));
  while (lines.length < size.rows - 1) lines.push({ text: "" });
  return [...lines, foot].map(({ text, ...line }) => ({ ...line, text: cut(text, size.columns) }));
}

function bodyLines(now: Snapshot, seen: Seen, view: View, { columns, rows }: Size): Line[] {
  const { before, judged } = seen;
  const details = detailLines(now, view.detail);
  const forDetails = Math.min(details.length + 1, Math.ceil(rows * DETAIL_SHARE));
  const [head = "", ...programs] = programLines(now, before, view.sort, columns, judged);
  const shown: Line[] = programs.slice(0, Math.max(1, rows - forDetails - 1)).map((text) => ({ text }));
  const left = programs.length - shown.length;
  if (left > 0) shown.splice(-1, 1, { text: `… and ${left + 1} more`, style: "faint" });
  return [{ text: head, style: "head" }, ...shown, { text: "" }, ...details];
}

function detailLines(now: Snapshot, detail: Detail): Line[] {
  if (detail === "errors") return errorLines(now);
  const processes = now.programs.flatMap((program) =>
    (program.process_list ?? []).map((process) => ({ ...process, program: program.name })),
  );
  const [columns, cells] =
    detail === "processes"
      ? ([PROCESS_COLUMNS, processes.map(processCells)] as const)
      : ([REQUEST_COLUMNS, requestCells(processes)] as const);
  if (cells.length === 0) return [{ text: `no ${detail}`, style: "faint" }];
  const [head = "", ...lines] = renderTable(columns, cells);
  return [{ text: head, style: "head" }, ...lines.map((text) => ({ text }))];
}

function processCells(process: ProcessStatus & { readonly program: string }): string[] {
  const { pid, age_seconds, served, cpu_seconds, memory_bytes, state, program } = process;
  const [age, cpu] = [age_seconds, cpu_seconds].map(formatSeconds);
  const name = escapeControls(program);
  return [String(pid), age ?? "", String(served), cpu ?? "", formatBytes(memory_bytes), state, name];
}

/** Those that take longest first. */
function requestCells(processes: readonly (ProcessStatus & { readonly program: string })[]): string[][] {
  const running = processes.flatMap(({ requests, pid, program }) =>
    requests.map((request) => ({ ...request, pid, program })),
  );
  running.sort((a, b) => b.age_seconds - a.age_seconds);
  return running.map(({ age_seconds, pid, method, uri, program }) => [
    formatSeconds(age_seconds),
    String(pid),
    escapeControls(`${method} ${uri}`),
    escapeControls(program),
  ]);
}

/** What went wrong last with each program, the newest first. */
function errorLines(now: Snapshot): Line[] {
  const errors = now.programs.flatMap(({ name, last_error }) =>
    last_error ? [{ name, ...last_error }] : [],
  );
  if (errors.length === 0) return [{ text: "no errors", style: "faint" }];
  errors.sort((a, b) => a.age_seconds - b.age_seconds);
  const lines = errors.map(({ name, code, message, age_seconds }) => {
    return `${formatSeconds(age_seconds)} ago  ${escapeControls(name)}: ${code}: ${escapeControls(message)}`;
  });
  return [{ text: "LAST ERRORS", style: "head" }, ...lines.map((text) => ({ text }))];
}

/** Which programs are in trouble, and why; the worst first. */
function troubleLines(judged: readonly Judged[]): Line[] {
  const all = judged.filter(({ reason }) => reason !== "");
  const lines = all.slice(0, MOST_TROUBLES).map(({ state, program, reason }): Line => {
    return {
      text: `${state}  ${escapeControls(endOf(program.name, NAME_PLACES))}: ${escapeControls(reason)}`,
      style: "alarm",
    };
  });
  const left = all.length - lines.length;
  return left > 0 ? [...lines, { text: `… and ${left} more in trouble`, style: "alarm" }] : lines;
}

function keysLine({ detail }: View, columns: number): string {
  const sorts = Object.entries(SORTS).map(([key, { head }]) => `${key} ${head.toLowerCase()}`);
  const next = DETAILS[(DETAILS.indexOf(detail) + 1) % DETAILS.length];
  const line = `q quit  Tab ${next}  sort by: ${sorts.join("  ")}`;
  // The letters are those of the columns.
  return line.length <= columns
    ? line
    : `q quit  Tab ${next}  sort by: ${Object.keys(SORTS).join(" ")} (x trouble)`;
}

/** As much of a text as fits into so many columns; some characters take two. */
function cut(text: string, columns: number): string {
  if (Bun.stringWidth(text) <= columns) return text;
  let [kept, width] = ["", 0];
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    width += Bun.stringWidth(segment);
    if (width > columns) break;
    kept += segment;
  }
  return kept;
}
