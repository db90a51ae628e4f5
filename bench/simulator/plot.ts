import type { Scenario } from "./scenario.ts";
import type { Sample } from "./simulation.ts";
import type { Row } from "./table.ts";

interface Panel {
  readonly title: string;
  readonly value: (sample: Sample) => number;
  readonly top: number;
}

const WIDTH = 720;
const LEFT = 48;
const RIGHT = 12;
const PANEL_HEIGHT = 150;
const PANELS: readonly Panel[] = [
  { title: "processes", value: (sample) => sample.processes, top: 58 },
  { title: "requests waiting", value: (sample) => sample.waiting, top: 248 },
];
const HEIGHT = 440;
const TICKS = [0, 1, 10, 100, 1000];
const SECOND_STEPS = [1, 2, 5, 10, 15, 30, 60];
/** Colours that can be told apart on white and on black; the dashes tell the lines apart without colour. */
const STYLE = `
    text { font: 12px system-ui, sans-serif; fill: #24292f; }
    .grid { stroke: #8c959f; stroke-opacity: 0.35; }
    .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
    .line0 { stroke: #0969da; stroke-width: 3; } .line1 { stroke: #cf222e; stroke-dasharray: 7 3; }
    .line2 { stroke: #9a6700; stroke-dasharray: 2 3; } .line3 { stroke: #8250df; stroke-dasharray: 9 3 2 3; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .line0 { stroke: #58a6ff; } .line1 { stroke: #ff7b72; } .line2 { stroke: #e3b341; } .line3 { stroke: #d2a8ff; }
    }`;

/** A drawing of a scenario: processes and queue over time, a line for each manager. Both scales are logarithmic. */
export function plotOf(scenario: Scenario, rows: readonly Row[]): string {
  const { plotMs = scenario.lengthMs } = scenario;
  const body = [
    `<title>${escapeXml(`${scenario.name}: processes and waiting requests over time`)}</title>`,
    `<style>${STYLE}\n  </style>`,
    ...rows.flatMap(({ manager }, at) => legend(manager, at)),
    ...PANELS.flatMap((panel) => panelOf(panel, plotMs, rows)),
    text(WIDTH - RIGHT, HEIGHT - 6, "seconds", "end"),
  ];
  const size = `width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img">\n  ${body.join("\n  ")}\n</svg>\n`;
}

function legend(manager: string, at: number): string[] {
  const x = LEFT + at * 160;
  return [`<path class="line line${at}" d="M${x} 18h28"/>`, text(x + 36, 22, manager)];
}

function panelOf({ title, value, top }: Panel, plotMs: number, rows: readonly Row[]): string[] {
  const highest = Math.max(1, ...rows.flatMap(({ result }) => result.trace.map(value)));
  const ceiling = TICKS.find((tick) => tick >= highest) ?? highest;
  const y = (count: number) => top + PANEL_HEIGHT * (1 - Math.log1p(count) / Math.log1p(ceiling));
  const x = (ms: number) => LEFT + ((WIDTH - LEFT - RIGHT) * ms) / plotMs;
  const ticks = TICKS.filter((tick) => tick <= ceiling).flatMap((tick) => [
    `<path class="grid" d="M${LEFT} ${round(y(tick))}H${WIDTH - RIGHT}"/>`,
    text(LEFT - 6, y(tick) + 4, String(tick), "end"),
  ]);
  const stepMs = 1000 * (SECOND_STEPS.find((step) => plotMs / 1000 / step <= 10) ?? 60);
  const times = Array.from({ length: Math.floor(plotMs / stepMs) + 1 }, (_, at) => at * stepMs).flatMap(
    (ms) => [
      `<path class="grid" d="M${round(x(ms))} ${top}v${PANEL_HEIGHT}"/>`,
      text(x(ms), top + PANEL_HEIGHT + 16, String(ms / 1000), "middle"),
    ],
  );
  const lines = rows.map(
    ({ result }, at) =>
      `<path class="line line${at}" d="${stairs(result.trace, (sample) => [x(sample.at), y(value(sample))])}"/>`,
  );
  return [text(LEFT, top - 8, title), ...ticks, ...times, ...lines.reverse()];
}

/** A line with a step at each change. */
function stairs(samples: readonly Sample[], place: (sample: Sample) => readonly [number, number]): string {
  let last = "";
  const parts: string[] = [];
  for (const sample of samples) {
    const [x, y] = place(sample).map(round);
    if (y === last) continue;
    parts.push(last === "" ? `M${x} ${y}` : `H${x}V${y}`);
    last = y as string;
  }
  const end = samples.at(-1);
  if (end) parts.push(`H${round(place(end)[0])}`);
  return parts.join("");
}

function text(x: number, y: number, words: string, anchor = "start"): string {
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escapeXml(words)}</text>`;
}

function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escapeXml(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
