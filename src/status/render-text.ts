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
import { endOf, startOf, tableLines, widthsOf, wrapped } from "./table.ts";

/** How a table becomes narrower. */
interface Narrowing {
  /** The heads of what is left out, in this order, until there is room for the last column. */
  readonly dispensable: readonly string[];
  /** The last column's text in so many places. */
  shorten(text: string, places: number): string;
}

// biome-ignore format: in lines
const OF_PROGRAMS: Narrowing = {
  dispensable: [
    "CPU", "B", "S", "P90", "ALONE", "LEAVE", "START", "SLOW", "IDLE", "MEM", "P50", "P99", "FAILED", "REQUESTS", "QUEUE", "BUSY",
  ],
  shorten: endOf,
};
const OF_PROCESSES: Narrowing = { dispensable: ["CPU", "SERVED", "AGE", "MEM", "STATE"], shorten: startOf };
/** A name has so many places at least, or half of the line. */
const NAME_PLACES = 24;
/** Nobody reads a narrower terminal. */
const FEWEST_PLACES = 20;
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
 * of so many `places` (20 at least) no line has more, and the letters are explained.
 */
export function renderText(snapshot: Snapshot, places = Number.POSITIVE_INFINITY): string {
  return [...textPieces(snapshot, places)].join("");
}

/** The same in pieces; some are empty. */
export function* textPieces(snapshot: Snapshot, wanted = Number.POSITIVE_INFINITY): Generator<string> {
  const places = Math.max(wanted, FEWEST_PLACES);
  yield `${linesOf(headLines(snapshot), places)}\n`;
  const rows: string[][] = [];
  for (const row of programRows(snapshot)) {
    rows.push(row);
    yield "";
  }
  const shown = fitting({ columns: PROGRAM_COLUMNS, rows }, places, OF_PROGRAMS);
  yield* tablePieces(shown, "");
  const letters = Number.isFinite(places) ? shown.columns.flatMap(({ head }) => LETTERS[head] ?? []) : [];
  if (letters.length > 0) yield `\n${linesOf(letters, places)}`;
  const refused = refusedOf(snapshot);
  if (refused) yield `\n${linesOf([`refused before they came to a program: ${refused}`], places)}`;
  for (const detail of detailsOf(snapshot)) yield* detailPieces(detail, places);
}

/** Lines with their ends; what does not fit goes on in the next one. */
function linesOf(texts: readonly string[], places: number, indent = ""): string {
  return texts
    .flatMap((text) => wrapped(text, places, indent))
    .map((line) => `${line}\n`)
    .join("");
}

/** As many columns as there is room for, and of the last one as much. */
function fitting({ columns, rows }: Table, places: number, { dispensable, shorten }: Narrowing): Table {
  if (!Number.isFinite(places)) return { columns, rows };
  const widths = widthsOf(columns, rows);
  const last = columns.length - 1;
  const least = Math.min(Math.max(columns[last]?.head.length ?? 0, NAME_PLACES), Math.floor(places / 2));
  const needed = Math.min(widths[last] ?? 0, least);
  const leftOut = new Set<string>();
  const isShown = (index: number) => index === last || !leftOut.has(columns[index]?.head ?? "");
  const room = () =>
    widths.reduce((left, width, at) => (at < last && isShown(at) ? left - width - 2 : left), places);
  for (const head of dispensable) {
    if (room() >= needed) break;
    leftOut.add(head);
  }
  const lastPlaces = room();
  const shownOf = (row: readonly string[]) =>
    row
      .map((cell, index) => (index === last ? shorten(cell, lastPlaces) : cell))
      .filter((_, at) => isShown(at));
  return { columns: columns.filter((_, index) => isShown(index)), rows: rows.map(shownOf) };
}

function* detailPieces({ name, processes, notes }: Detail, places: number): Generator<string> {
  yield `\n${endOf(name, places)}\n`;
  if (processes) yield* tablePieces(fitting(processes, places - 2, OF_PROCESSES), "  ");
  for (const note of notes) yield linesOf([note], places, "  ");
}

function* tablePieces({ columns, rows }: Table, indent: string): Generator<string> {
  for (const line of tableLines(columns, rows)) yield line === undefined ? "" : `${indent}${line}\n`;
}
