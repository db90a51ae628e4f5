import { type Detail, reportOf, type Table } from "./report.ts";
import type { Snapshot } from "./snapshot.ts";
import { type Column, endOf, renderTable, widthOf } from "./table.ts";

/** What is left out first where there is little room. */
const DISPENSABLE = ["CPU", "B", "S", "P90", "ALONE", "LEAVE", "START", "SLOW", "IDLE", "MEM", "P50"];
/** A name has so many places at least, where there is room for that. */
const NAME_PLACES = 24;
const LETTERS: Readonly<Record<string, string>> = {
  ALONE: "ALONE: processes that are not back from a request that is over",
  P50: "P50, P90, P99: within what time so many in a hundred requests ended, since the start",
  S: "S: time of a request",
  B: "B: time of a start",
  CPU: "CPU: of a core, while at work",
  MEM: "MEM: of one process, without what it shares",
};

/**
 * The snapshot as a page of text: the daemon, a line a program, its processes where they are listed, and what went wrong last. In a terminal
 * of so many `places` a line has no more, and the letters are explained.
 */
export function renderText(snapshot: Snapshot, places = Number.POSITIVE_INFINITY): string {
  const { head, programs, refused, details } = reportOf(snapshot);
  const { columns, rows } = fitting(programs, places);
  const lines = [...head, "", ...renderTable(columns, rows), ""];
  if (Number.isFinite(places)) lines.push(...columns.flatMap((column) => LETTERS[column.head] ?? []), "");
  if (refused) lines.push(`refused before they came to a program: ${refused}`, "");
  for (const detail of details) lines.push(...detailLines(detail));
  return `${lines.join("\n").trimEnd()}\n`;
}

/** As many columns as there is room for, and of names their ends. */
function fitting({ columns, rows }: Table, places: number): Table {
  const last = columns.length - 1;
  const names = rows.map((row) => row[last] ?? "");
  const longest = names.reduce((width, name) => Math.max(width, widthOf(name)), 0);
  const isKept = columns.map(() => true);
  const narrowed = (): Table => {
    const pick = <Cell>(cells: readonly Cell[]) => cells.filter((_, index) => isKept[index] && index < last);
    return { columns: pick(columns), rows: rows.map(pick) };
  };
  for (const dispensable of ["", ...DISPENSABLE]) {
    isKept[columns.findIndex(({ head }) => head === dispensable)] = false;
    const numbers = narrowed();
    const room = places - widthOf(renderTable(numbers.columns, numbers.rows)[0] ?? "") - 2;
    if (room < Math.min(longest, NAME_PLACES) && dispensable !== DISPENSABLE.at(-1)) continue;
    const named = numbers.rows.map((row, index) => [...row, endOf(names[index] ?? "", room)]);
    return { columns: [...numbers.columns, columns[last] as Column], rows: named };
  }
  return { columns, rows };
}

function detailLines({ name, processes, notes }: Detail): string[] {
  const table = processes ? renderTable(processes.columns, processes.rows) : [];
  return [name, ...[...table, ...notes].map((line) => `  ${line}`), ""];
}
