import type { Scenario } from "./scenario.ts";
import type { Result } from "./simulation.ts";

/** What one manager came to. */
export interface Row {
  readonly manager: string;
  readonly result: Result;
}

type Column = readonly [title: string, value: (result: Result) => string];

const COLUMNS: readonly Column[] = [
  ["mean wait", (result) => duration(result.meanWaitMs)],
  ["p99 wait", (result) => duration(result.p99WaitMs)],
  ["mean answer", (result) => duration(result.meanAnswerMs)],
  ["p99 answer", (result) => duration(result.p99AnswerMs)],
  ["started", (result) => String(result.started)],
  ["at most", (result) => String(result.peak)],
  ["process-s", (result) => String(Math.round(result.processSeconds))],
  ["refused", (result) => String(result.refused)],
];
const OTHERS: readonly Column[] = [
  ["p99 wait of the others", (result) => duration(result.p99WaitOthersMs)],
  ["others refused", (result) => String(result.refusedOthers)],
];

/** A table in Markdown that also reads well as it is: a row for each manager. */
export function tableOf(scenario: Scenario, rows: readonly Row[]): string {
  const columns = scenario.programs > 1 ? [...COLUMNS.slice(0, 2), ...OTHERS, ...COLUMNS.slice(2)] : COLUMNS;
  const cells = [
    ["", ...columns.map(([title]) => title)],
    ...rows.map(({ manager, result }) => [
      manager,
      ...columns.map(([title, value]) =>
        result.served === 0 && /wait|answer/.test(title) ? "never" : value(result),
      ),
    ]),
  ];
  const widths = cells[0]?.map((_, at) => Math.max(...cells.map((row) => row[at]?.length ?? 0))) ?? [];
  const lines = cells.map((row) => `| ${row.map((cell, at) => pad(cell, at, widths)).join(" | ")} |`);
  const rule = `|${widths.map((width, at) => (at === 0 ? `${"-".repeat(width + 2)}` : `${"-".repeat(width + 1)}:`)).join("|")}|`;
  return `**${scenario.name}**: ${scenario.about}.\n\n${[lines[0], rule, ...lines.slice(1)].join("\n")}\n`;
}

function pad(cell: string, at: number, widths: readonly number[]): string {
  return at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0);
}

function duration(ms: number): string {
  if (ms === Number.POSITIVE_INFINITY) return "never";
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}
