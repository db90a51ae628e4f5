import { type Detail, reportOf } from "./report.ts";
import type { Snapshot } from "./snapshot.ts";
import { renderTable } from "./table.ts";

/** The snapshot as a page of text: the daemon, a line a program, its processes where they are listed, and what went wrong last. */
export function renderText(snapshot: Snapshot): string {
  const { head, programs, refused, details } = reportOf(snapshot);
  const lines = [...head, "", ...renderTable(programs.columns, programs.rows), ""];
  if (refused) lines.push(`refused before they came to a program: ${refused}`, "");
  for (const detail of details) lines.push(...detailLines(detail));
  return `${lines.join("\n").trimEnd()}\n`;
}

function detailLines({ name, processes, notes }: Detail): string[] {
  const table = processes ? renderTable(processes.columns, processes.rows) : [];
  return [name, ...[...table, ...notes].map((line) => `  ${line}`), ""];
}
