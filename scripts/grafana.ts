import {
  type Dashboard,
  DashboardBuilder,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  VariableRefresh,
  VariableSort,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { DataqueryBuilder } from "@grafana/grafana-foundation-sdk/prometheus";
import { PanelBuilder as StatPanel } from "@grafana/grafana-foundation-sdk/stat";
import { PanelBuilder as TimeSeriesPanel } from "@grafana/grafana-foundation-sdk/timeseries";

/** A line of a panel: what is asked for, and what it is called. */
type Query = readonly [expression: string, legend: string];

// biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of Grafana
const SOURCE = { type: "prometheus", uid: "${source}" };
const ONE = 'instance=~"$instance"';
const OF = `${ONE},program=~"$program"`;
const [NARROW, HALF, HEIGHT, LOW] = [6, 12, 8, 4];

const STATS: readonly (readonly [title: string, unit: string, expression: string])[] = [
  [
    "Programs where requests wait longer than 5 s",
    "short",
    `count(std_fpm_program_queue_oldest_seconds{${ONE}} > 5) or vector(0)`,
  ],
  [
    "Programs that cannot be started",
    "short",
    `count(increase(std_fpm_program_failed_starts_total{${ONE}}[5m]) > 0) or vector(0)`,
  ],
  [
    "Errors in all answers",
    "percentunit",
    `${errors(ONE, "")} / sum(rate(std_fpm_program_requests_total{${ONE}}[5m]))`,
  ],
  ["Descriptors open", "percentunit", `max(std_fpm_descriptors{${ONE}} / std_fpm_descriptors_limit{${ONE}})`],
];

const PANELS: readonly (readonly [title: string, unit: string, queries: readonly Query[]])[] = [
  ["Longest wait in the queue", "s", [[`std_fpm_program_queue_oldest_seconds{${OF}}`, "{{program}}"]]],
  [
    "Requests a second",
    "reqps",
    [[`sum by (program) (rate(std_fpm_program_requests_total{${OF}}[$__rate_interval]))`, "{{program}}"]],
  ],
  [
    "Errors of all answers",
    "percentunit",
    [
      [
        `${errors(OF, "program")} / sum by (program) (rate(std_fpm_program_requests_total{${OF}}[$__rate_interval]))`,
        "{{program}}",
      ],
    ],
  ],
  [
    "Answers by status",
    "reqps",
    [[`sum by (class) (rate(std_fpm_program_responses_total{${OF}}[$__rate_interval]))`, "{{class}}"]],
  ],
  [
    "Busy processes, and how many there may be",
    "short",
    [
      [`sum by (program) (std_fpm_program_processes{${OF},state=~"busy|on_its_own"})`, "{{program}}"],
      [`std_fpm_program_processes_limit{${OF}}`, "{{program}}: limit"],
    ],
  ],
  ["Requests that wait", "short", [[`std_fpm_program_queue_length{${OF}}`, "{{program}}"]]],
  ["Time of a request, median", "s", [[quantile(0.5), "{{program}}"]]],
  ["Time of a request, 99th percentile", "s", [[quantile(0.99), "{{program}}"]]],
  [
    "Ends of processes",
    "short",
    [
      [
        `sum by (program, cause) (increase(std_fpm_program_exits_total{${OF},cause=~"crash|boot_failure"}[$__rate_interval]))`,
        "{{program}}: {{cause}}",
      ],
    ],
  ],
  ["Memory of one process", "bytes", [[`std_fpm_program_process_memory_bytes{${OF}}`, "{{program}}"]]],
  [
    "CPU, in cores",
    "short",
    [
      [`sum by (program) (rate(std_fpm_program_cpu_seconds_total{${OF}}[$__rate_interval]))`, "{{program}}"],
      [`rate(std_fpm_cpu_seconds_total{${ONE}}[$__rate_interval])`, "std-fpm itself"],
    ],
  ],
  [
    "Connections and descriptors",
    "short",
    [
      [`std_fpm_connections{${ONE}}`, "connections of {{instance}}"],
      [`std_fpm_descriptors{${ONE}}`, "descriptors of {{instance}}"],
    ],
  ],
];

/** `examples/monitoring/grafana.json`, in the form that Grafana's own library gives it. */
export function grafanaDashboard(): string {
  let builder = new DashboardBuilder("std-fpm")
    .uid("std-fpm")
    .description("FastCGI programs behind std-fpm: trouble first, then traffic, times and what they cost.")
    .tags(["std-fpm", "fastcgi"])
    .refresh("30s")
    .time({ from: "now-3h", to: "now" })
    .withVariable(new DatasourceVariableBuilder("source").label("Data source").type("prometheus"))
    .withVariable(variable("instance", "label_values(std_fpm_info, instance)"))
    .withVariable(variable("program", `label_values(std_fpm_program_processes{${ONE}}, program)`));
  for (const [title, unit, expression] of STATS)
    builder = builder.withPanel(
      new StatPanel()
        .title(title)
        .unit(unit)
        .datasource(SOURCE)
        .span(NARROW)
        .height(LOW)
        .withTarget(target(expression, "")),
    );
  for (const [title, unit, queries] of PANELS) {
    const panel = new TimeSeriesPanel()
      .title(title)
      .unit(unit)
      .datasource(SOURCE)
      .span(HALF)
      .height(HEIGHT)
      .min(0);
    for (const [expression, legend] of queries) panel.withTarget(target(expression, legend));
    builder = builder.withPanel(panel);
  }
  const dashboard: Dashboard = builder.build();
  return `${JSON.stringify(dashboard, undefined, 2)}\n`;
}

/** Answers a second that are errors: the program's own, and those in its place. */
function errors(selector: string, by: string): string {
  const sum = by === "" ? "sum" : `sum by (${by})`;
  const range = by === "" ? "5m" : "$__rate_interval";
  const own = `${sum} (rate(std_fpm_program_responses_total{${selector},class="5xx"}[${range}]))`;
  const ours = `${sum} (rate(std_fpm_program_requests_total{${selector},outcome=~"refused|truncated"}[${range}]))`;
  return `(${own} + ${ours})`;
}

function quantile(part: number): string {
  const rate = `rate(std_fpm_program_latency_seconds_bucket{${OF}}[$__rate_interval])`;
  return `histogram_quantile(${part}, sum by (program, le) (${rate}))`;
}

function target(expression: string, legend: string): DataqueryBuilder {
  return new DataqueryBuilder().datasource(SOURCE).expr(expression).legendFormat(legend);
}

function variable(name: string, query: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .datasource(SOURCE)
    .query(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true);
}
