import { type Detail, reportOf, type Table } from "./report.ts";
import type { Snapshot } from "./snapshot.ts";

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

/** The snapshot as a page of HTML that stands by itself and runs nothing. Names, URIs and messages are shown as text, whatever is in them. */
export function renderHtml(snapshot: Snapshot): string {
  const { head, programs, refused, details } = reportOf(snapshot);
  const [title = "", ...more] = head;
  return [
    '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width">',
    `<title>${escapeHtml(title)}</title>\n<style>${HTML_STYLE}</style>`,
    `<h1>${escapeHtml(title)}</h1>`,
    ...more.map(paragraph),
    tableOf(programs),
    ...(refused ? [paragraph(`refused before they came to a program: ${refused}`)] : []),
    ...details.map(detailOf),
    "</html>\n",
  ].join("\n");
}

/** Text that means nothing in HTML, neither between tags nor in a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => ESCAPES[char] ?? char);
}

function detailOf({ name, processes, notes }: Detail): string {
  return [
    `<h2>${escapeHtml(name)}</h2>`,
    ...(processes ? [tableOf(processes)] : []),
    ...notes.map(paragraph),
  ].join("\n");
}

function paragraph(text: string): string {
  return `<p>${escapeHtml(text)}</p>`;
}

function tableOf({ columns, rows }: Table): string {
  const cell = (tag: "th" | "td") => (text: string, index: number) => {
    const isRight = columns[index]?.align === "right";
    return `<${tag}${isRight ? ' class="right"' : ""}>${escapeHtml(text)}</${tag}>`;
  };
  const row = (cells: readonly string[], tag: "th" | "td") => `<tr>${cells.map(cell(tag)).join("")}</tr>`;
  const head = columns.map((column) => column.head);
  return ["<div><table>", row(head, "th"), ...rows.map((cells) => row(cells, "td")), "</table></div>"].join(
    "\n",
  );
}
