import { memoryOf } from "../admin/dashboard/numbers.ts";
import { type Judged, keyOf } from "../admin/dashboard/trouble.ts";
import { escapeControls } from "../base/escape-controls.ts";
import { type Activity, activityBetween } from "../status/activity.ts";
import type { Numbers, ProgramStatus, Snapshot } from "../status/snapshot.ts";
import { endOf, renderTable, widthOf } from "../status/table.ts";
import { formatBytes, formatSeconds } from "../status/units.ts";

export type SortKey = keyof typeof SORTS;

/** A program, or all together, as a line shows it. */
interface Row {
  readonly name: string;
  readonly numbers: Numbers;
  readonly activity: Activity;
  /** What its processes hold together. */
  readonly memoryBytes: number;
  /** What it is at in a word, and its place in the order of trouble. */
  readonly state: string;
  readonly rank: number;
}

interface NumberColumn {
  readonly head: string;
  readonly minWidth: number;
  /** In a narrow terminal those with the highest go first. */
  readonly dispensable: number;
  readonly cell: (row: Row) => string;
}

/** It is shown where it decides, and nowhere else. */
const STATE = "STATE";

const COLUMNS: readonly NumberColumn[] = [
  column(STATE, Number.POSITIVE_INFINITY, 9, ({ state }) => state),
  column("START", 9, 5, ({ numbers }) => String(numbers.processes.starting)),
  column("IDLE", 5, 4, ({ numbers }) => String(numbers.processes.idle)),
  column("BUSY", 1, 4, ({ numbers }) => String(numbers.processes.busy)),
  column("ALONE", 10, 5, ({ numbers }) => String(numbers.processes.on_its_own)),
  column("LEAVE", 8, 5, ({ numbers }) => String(numbers.processes.retiring + numbers.processes.stopping)),
  column("QUEUE", 1, 5, ({ numbers }) => String(numbers.queue_length)),
  column("REQ/S", 1, 6, ({ activity }) => rate(activity.requestsPerSecond)),
  column("FAIL/S", 6, 6, ({ activity }) => rate(activity.failuresPerSecond)),
  column("P50", 2, 6, ({ activity }) => formatSeconds(activity.p50Seconds)),
  column("P90", 7, 6, ({ activity }) => formatSeconds(activity.p90Seconds)),
  column("P99", 1, 6, ({ activity }) => formatSeconds(activity.p99Seconds)),
  column("CPU", 3, 5, ({ activity }) => `${Math.round(activity.cores * 100)} %`),
  column("MEM", 4, 7, ({ memoryBytes }) => formatBytes(memoryBytes)),
];
const NAME = "PROGRAM";
/** A program's name has this many columns at least, where the terminal allows it. */
const NAME_COLUMNS = 26;
/** For so long a program that has ended with an error is shown. */
const NEWS_SECONDS = 60;

/** What programs may be sorted by: the key to press, the column, and what comes first with more of it. */
export const SORTS = {
  x: { head: STATE, value: ({ rank }: Row) => -rank },
  r: { head: "REQ/S", value: ({ activity }: Row) => activity.requestsPerSecond },
  f: { head: "FAIL/S", value: ({ activity }: Row) => activity.failuresPerSecond },
  b: { head: "BUSY", value: ({ numbers }: Row) => numbers.processes.busy },
  w: { head: "QUEUE", value: ({ numbers }: Row) => numbers.queue_length },
  t: { head: "P99", value: ({ activity }: Row) => activity.p99Seconds ?? 0 },
  c: { head: "CPU", value: ({ activity }: Row) => activity.cores },
  m: { head: "MEM", value: ({ memoryBytes }: Row) => memoryBytes },
  n: { head: NAME, value: () => 0 },
} as const;

/** A table with a line for all together and one a program; the first line is its head. `before` is what was so a moment ago. */
export function programLines(
  now: Snapshot,
  before: Snapshot | undefined,
  sort: SortKey,
  width: number,
  judged: readonly Judged[] = [],
): string[] {
  const ranks = new Map(judged.map((each, rank) => [each.key, { state: each.state, rank }]));
  const elapsed = Math.max(0.001, now.uptime_seconds - (before?.uptime_seconds ?? 0));
  const earlier = new Map(before?.programs.map((program) => [keyOf(program), program]));
  const rows = now.programs.filter(isShown).map((program) => {
    const key = keyOf(program);
    return rowOf(program, earlier.get(key), elapsed, ranks.get(key));
  });
  const { value } = SORTS[sort];
  rows.sort((a, b) => value(b) - value(a) || (a.name < b.name ? -1 : 1));
  rows.unshift({
    name: "all together",
    numbers: now.total,
    activity: activityBetween(before?.total, now.total, elapsed),
    memoryBytes: rows.reduce((sum, row) => sum + row.memoryBytes, 0),
    state: "",
    rank: 0,
  });
  return tableOf(rows, SORTS[sort].head, width);
}

/** Also one without processes, where it was to have some a moment ago: it may be crashing again and again. */
function isShown({ is_gone, last_error }: ProgramStatus): boolean {
  return !is_gone || (last_error !== null && last_error.age_seconds < NEWS_SECONDS);
}

function rowOf(
  numbers: ProgramStatus,
  before: ProgramStatus | undefined,
  elapsedSeconds: number,
  { state, rank }: Pick<Row, "state" | "rank"> = { state: "", rank: 0 },
): Row {
  return {
    name: escapeControls(numbers.name),
    numbers,
    activity: activityBetween(before, numbers, elapsedSeconds),
    memoryBytes: memoryOf(numbers) ?? 0,
    state,
    rank,
  };
}

/** As many columns as there is room for; the one that decides has an asterisk, and always stays. */
function tableOf(rows: readonly Row[], sortedBy: string, width: number): string[] {
  const dispensable = COLUMNS.filter(({ head }) => head !== sortedBy && head !== STATE).sort(
    (a, b) => a.dispensable - b.dispensable,
  );
  const mark = (head: string) => (head === sortedBy ? `*${head}` : head);
  for (;;) {
    const kept = COLUMNS.filter((each) => each.head === sortedBy || dispensable.includes(each));
    const columns = kept.map(({ head, minWidth }) => ({
      head: mark(head),
      align: "right" as const,
      minWidth,
    }));
    const numbers = renderTable(
      columns,
      rows.map((row) => kept.map(({ cell }) => cell(row))),
    );
    const room = width - widthOf(numbers[0] ?? "") - 2;
    if (room >= NAME_COLUMNS || dispensable.pop() === undefined)
      return numbers.map((line, index) => {
        const row = rows[index - 1];
        return `${line}  ${row ? endOf(row.name, room) : mark(NAME)}`;
      });
  }
}

function column(
  head: string,
  dispensable: number,
  minWidth: number,
  cell: (row: Row) => string,
): NumberColumn {
  return { head, minWidth, dispensable, cell };
}

function rate(perSecond: number): string {
  return perSecond >= 10 || perSecond === 0 ? String(Math.round(perSecond)) : perSecond.toFixed(1);
}
