// The policy of src/pool against other ways to run processes, in virtual time. Prints a table for each scenario; with
// --write it also puts them into docs/scaling.md, between the marks, and draws docs/scaling/*.svg. --seed N for other traffic.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dynamic, fixed, ondemand, spawnAtOnce } from "./known-managers.ts";
import { learned } from "./learned-manager.ts";
import type { Manager } from "./manager.ts";
import { plotOf } from "./plot.ts";
import { RESERVE_MANAGERS, RESERVE_PLOTTED, RESERVE_SCENARIOS } from "./reserve-rules.ts";
import { SCENARIOS, type Scenario } from "./scenario.ts";
import { SHARE_MANAGERS, SHARE_SCENARIOS } from "./share-rules.ts";
import { simulate } from "./simulation.ts";
import { type Row, tableOf } from "./table.ts";

const MANAGERS = [learned(), spawnAtOnce, ondemand, dynamic, fixed(8)];
const PLOTTED = [learned(), spawnAtOnce, ondemand, dynamic].map(({ name }) => name);
const PAGE = new URL("../../docs/scaling.md", import.meta.url).pathname;
const DRAWINGS = new URL("../../docs/scaling/", import.meta.url).pathname;
const SEED = 1;

const seed = Number(argument("--seed") ?? SEED);
const compared = runsOf(SCENARIOS, MANAGERS);
const shares = runsOf(SHARE_SCENARIOS, SHARE_MANAGERS);
const reserves = runsOf(RESERVE_SCENARIOS, RESERVE_MANAGERS);
const tables = { scenarios: tablesOf(compared), shares: tablesOf(shares), reserves: tablesOf(reserves) };
process.stdout.write(
  `${tables.scenarios}\n# How the CPU share is measured\n\n${tables.shares}\n# What a program leaves to the others\n\n${tables.reserves}`,
);
if (process.argv.includes("--write")) write();

interface Run {
  readonly scenario: Scenario;
  readonly rows: readonly Row[];
}

function runsOf(scenarios: readonly Scenario[], managers: readonly Manager[]): Run[] {
  return scenarios.map((scenario) => ({
    scenario,
    rows: managers.map((manager) => ({ manager: manager.name, result: simulate(scenario, manager, seed) })),
  }));
}

function tablesOf(runs: readonly Run[]): string {
  return runs.map(({ scenario, rows }) => tableOf(scenario, rows)).join("\n");
}

function write(): void {
  let page = readFileSync(PAGE, "utf8");
  for (const [name, text] of Object.entries(tables)) page = replaceMarked(page, name, text);
  writeFileSync(PAGE, page);
  mkdirSync(DRAWINGS, { recursive: true });
  for (const run of compared) draw(run, PLOTTED);
  for (const run of reserves) draw(run, RESERVE_PLOTTED);
}

function draw({ scenario, rows }: Run, names: readonly string[]): void {
  if (scenario.plotMs === undefined) return;
  const plotted = names.flatMap((name) => rows.filter(({ manager }) => manager === name));
  writeFileSync(`${DRAWINGS}${fileName(scenario)}.svg`, plotOf(scenario, plotted));
}

/** Puts `text` between `<!-- name -->` and `<!-- /name -->`. */
function replaceMarked(page: string, name: string, text: string): string {
  const begin = `<!-- ${name} -->`;
  const from = page.indexOf(begin);
  const to = page.indexOf(`<!-- /${name} -->`);
  if (from === -1 || to < from) throw new RangeError(`${PAGE} lacks the marks of "${name}"`);
  return `${page.slice(0, from + begin.length)}\n\n${text}\n${page.slice(to)}`;
}

function fileName(scenario: Scenario): string {
  return scenario.name.replaceAll(/[^a-z0-9]+/gi, "-").toLowerCase();
}

function argument(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at === -1 ? undefined : process.argv[at + 1];
}
