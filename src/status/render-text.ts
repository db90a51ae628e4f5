import {
  type Detail,
  detailsOf,
  headLines,
  PROGRAM_COLUMNS,
  programRows,
  refusedOf,
  type Table,
} from "./report.ts";
import type { Snapshot } from "./snapshot.ts";
import { type Column, endOf, tableLines, widthOf, widthsOf } from "./table.ts";

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
  return [...textPieces(snapshot, places)].join("");
}

/** The same in pieces; some are empty. */
export function* textPieces(snapshot: Snapshot, places = Number.POSITIVE_INFINITY): Generator<string> {
  yield `${headLines(snapshot).join("\n")}\n\n`;
  const rows: string[][] = [];
  for (const row of programRows(snapshot)) {
    rows.push(row);
    yield "";
  }
  const all = { columns: PROGRAM_COLUMNS, rows };
  const shown = Number.isFinite(places) ? fitting(all, places) : all;
  yield* tablePieces(shown, "");
  const letters = Number.isFinite(places) ? shown.columns.flatMap(({ head }) => LETTERS[head] ?? []) : [];
  if (letters.length > 0) yield `\n${letters.join("\n")}\n`;
  const refused = refusedOf(snapshot);
  if (refused) yield `\nrefused before they came to a program: ${refused}\n`;
  for (const detail of detailsOf(snapshot)) yield* detailPieces(detail);
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
    const widths = widthsOf(numbers.columns, numbers.rows);
    const room = widths.reduce((left, width) => left - width - 2, places);
    if (room < Math.min(longest, NAME_PLACES) && dispensable !== DISPENSABLE.at(-1)) continue;
    const named = numbers.rows.map((row, index) => [...row, endOf(names[index] ?? "", room)]);
    return { columns: [...numbers.columns, columns[last] as Column], rows: named };
  }
  return { columns, rows };
}

function* detailPieces({ name, processes, notes }: Detail): Generator<string> {
  yield `\n${name}\n`;
  if (processes) yield* tablePieces(processes, "  ");
  for (const note of notes) yield `  ${note}\n`;
}

function* tablePieces({ columns, rows }: Table, indent: string): Generator<string> {
  for (const line of tableLines(columns, rows)) yield line === undefined ? "" : `${indent}${line}\n`;
}
