import { type Detail, detailsOf, headLines, PROGRAM_COLUMNS, programRows, refusedOf } from "./report.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Column } from "./table.ts";

/** The style sheet of the page, for its Content-Security-Policy. */
export const HTML_STYLE = `
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif; }
body { margin: 1rem; }
h1, h2 { font-size: 1.1rem; overflow-wrap: anywhere; }
div { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .6rem; text-align: left; border-bottom: 1px solid #8886; white-space: nowrap; }
.right { text-align: right; }
`;

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** The snapshot as a page of HTML that stands by itself and runs nothing, in pieces. Names, URIs and messages are shown as text, whatever is in them. */
export function* htmlPieces(snapshot: Snapshot): Generator<string> {
  const [title = "", ...more] = headLines(snapshot);
  yield [
    '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width">',
    `<title>${escapeHtml(title)}</title>\n<style>${HTML_STYLE}</style>`,
    `<h1>${escapeHtml(title)}</h1>`,
    ...more.map(paragraph),
    "",
  ].join("\n");
  yield* tablePieces(PROGRAM_COLUMNS, programRows(snapshot));
  const refused = refusedOf(snapshot);
  if (refused) yield `${paragraph(`refused before they came to a program: ${refused}`)}\n`;
  for (const detail of detailsOf(snapshot)) yield* detailPieces(detail);
  yield "</html>\n";
}

/** Text that means nothing in HTML, neither between tags nor in a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ESCAPES[char] ?? char);
}

function* detailPieces({ name, processes, notes }: Detail): Generator<string> {
  yield `<h2>${escapeHtml(name)}</h2>\n`;
  if (processes) yield* tablePieces(processes.columns, processes.rows);
  for (const note of notes) yield `${paragraph(note)}\n`;
}

function paragraph(text: string): string {
  return `<p>${escapeHtml(text)}</p>`;
}

function* tablePieces(columns: readonly Column[], rows: Iterable<readonly string[]>): Generator<string> {
  const cell = (tag: "th" | "td") => (text: string, index: number) => {
    const isRight = columns[index]?.align === "right";
    return `<${tag}${isRight ? ' class="right"' : ""}>${escapeHtml(text)}</${tag}>`;
  };
  const row = (cells: readonly string[], tag: "th" | "td") => `<tr>${cells.map(cell(tag)).join("")}</tr>\n`;
  yield `<div><table>\n${row(
    columns.map((column) => column.head),
    "th",
  )}`;
  for (const cells of rows) yield row(cells, "td");
  yield "</table></div>\n";
}
