/** A column of a table: its head, and where its cells stand. */
export interface Column {
  readonly head: string;
  readonly align: "left" | "right";
  /** It is this wide at least. */
  readonly minWidth?: number;
}

const ASCII = /^[ -~]*$/;
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const NONE = /^[\p{Mn}\p{Me}\p{Cf}]*$/u;

/** A table as lines of text, its columns as wide as they must be; some characters take two places. No space at the end of a line. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  return [...tableLines(columns, rows)].filter((line) => line !== undefined);
}

/** The same line by line; undefined where there is none yet: every row is looked at first. */
export function* tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): Generator<string | undefined> {
  const widths = headWidths(columns);
  for (const row of rows) {
    widen(widths, row);
    yield undefined;
  }
  yield lineOf(
    columns,
    widths,
    columns.map(({ head }) => head),
  );
  for (const row of rows) yield lineOf(columns, widths, row);
}

/** How wide the columns of a table must be. */
export function widthsOf(columns: readonly Column[], rows: readonly (readonly string[])[]): number[] {
  const widths = headWidths(columns);
  for (const row of rows) widen(widths, row);
  return widths;
}

function headWidths(columns: readonly Column[]): number[] {
  return columns.map(({ head, minWidth = 0 }) => Math.max(head.length, minWidth));
}

function widen(widths: number[], row: readonly string[]): void {
  for (const [index, width] of widths.entries()) widths[index] = Math.max(width, widthOf(row[index] ?? ""));
}

function lineOf(columns: readonly Column[], widths: readonly number[], cells: readonly string[]): string {
  return columns
    .map(({ align }, index) => {
      const [cell, width] = [cells[index] ?? "", widths[index] ?? 0];
      const space = " ".repeat(Math.max(0, width - widthOf(cell)));
      return align === "left" ? `${cell}${space}` : `${space}${cell}`;
    })
    .join("  ")
    .trimEnd();
}

/** The end of a text in so many places: of a path it tells more than the beginning. */
export function endOf(text: string, places: number): string {
  if (widthOf(text) <= places || places < 2) return text;
  let [kept, width] = ["", 1];
  for (const { segment } of [...new Intl.Segmenter().segment(text)].reverse()) {
    width += widthOf(segment);
    if (width > places) break;
    kept = `${segment}${kept}`;
  }
  return `…${kept}`;
}

/** The beginning of a text in so many places, with what stands in parentheses at its end: of a request that is its time. */
export function startOf(text: string, places: number): string {
  if (widthOf(text) <= places) return text;
  const [tail = ""] = / \([^()]*\)$/.exec(text) ?? [];
  const kept = widthOf(tail) + 2 <= places ? tail : "";
  return `${firstPlaces(text, places - 1 - widthOf(kept))}…${kept}`;
}

/** A text in lines of so many places, from its words where these are not longer themselves; what follows the first has two places more before it. */
export function wrapped(text: string, places: number, indent = ""): string[] {
  const lines: string[] = [];
  let line = indent;
  let isBegun = false;
  for (let word of text.split(" ")) {
    if (isBegun && widthOf(line) + 1 + widthOf(word) > places) {
      lines.push(line);
      [line, isBegun] = [`${indent}  `, false];
    }
    while (!isBegun && widthOf(line) + widthOf(word) > places) {
      const part = firstPlaces(word, places - widthOf(line));
      lines.push(line + part);
      [line, word] = [`${indent}  `, word.slice(part.length)];
    }
    line += isBegun ? ` ${word}` : word;
    isBegun = true;
  }
  return [...lines, line];
}

function firstPlaces(text: string, places: number): string {
  let [kept, width] = ["", 0];
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    width += widthOf(segment);
    if (width > places) break;
    kept += segment;
  }
  return kept;
}

/** How many places of a terminal a text takes, as far as its characters tell (Unicode, East Asian Width). */
export function widthOf(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const { segment } of new Intl.Segmenter().segment(text))
    width += WIDE.test(segment) ? 2 : NONE.test(segment) ? 0 : 1;
  return width;
}
