import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { METRICS } from "../../src/status/metrics.ts";
import { admin } from "../support/admin.ts";
import { type Site, startSite } from "../support/site.ts";
import { makeTempDir } from "../support/temp-dir.ts";

const FOLDER = resolve("examples/monitoring");
/** So many samples, each of which stands for a minute. */
const SAMPLES = 130;
const EVERY_MS = 100;

const LEAKY = `#!/usr/bin/perl
use FCGI;
my ($request, @kept) = (FCGI::Request());
while ($request->Accept() >= 0) { push @kept, "x" x 2_000_000; print "Content-Type: text/plain\\r\\n\\r\\nok"; }
`;

interface Rules {
  groups: { rules: { alert: string; expr: string }[] }[];
}

function promtool(...words: string[]): string {
  const { stdout, stderr, exitCode } = Bun.spawnSync(["/usr/bin/promtool", ...words], { cwd: FOLDER });
  return exitCode === 0 ? "" : `${stdout}${stderr}`;
}

/** Every series of the metrics over time, by its name and labels. */
class Recording {
  readonly #series = new Map<string, string[]>();
  #length = 0;

  add(metrics: string): void {
    for (const line of metrics.split("\n")) {
      const [, name = "", labels = "", value = ""] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
      if (name === "" || name.endsWith("_bucket")) continue;
      const key = `${name}{instance="web1"${labels && `,${labels}`}}`;
      const values = this.#series.get(key) ?? Array.from({ length: this.#length }, () => "_");
      this.#series.set(key, [...values, value]);
    }
    this.#length++;
    for (const values of this.#series.values()) if (values.length < this.#length) values.push("_");
  }

  get input() {
    return [...this.#series].map(([series, values]) => ({ series, values: values.join(" ") }));
  }
}

async function record(site: Site): Promise<Recording> {
  const recording = new Recording();
  const hanging = ["14000", "1", "1"].map((ms) => site.ask(`saturated.fcgi?op=sleep&ms=${ms}`));
  const answers: Promise<unknown>[] = [];
  const body = Buffer.from("once");
  for (let sample = 0; sample < SAMPLES; sample++) {
    const next = Bun.sleep(EVERY_MS);
    answers.push(
      site.ask("crashing.fcgi?op=die-before", { body }),
      site.ask("leaky.fcgi"),
      site.ask("healthy.fcgi"),
    );
    answers.push(site.ask("broken.fcgi", { body }));
    for (let i = 0; i < 4; i++)
      answers.push(site.ask("errors.fcgi?op=status&code=500"), site.ask("healthy.fcgi"));
    recording.add(await (await admin(site.fpm, "/metrics")).text());
    await next;
  }
  await Promise.all([...answers, ...hanging]);
  return recording;
}

test("the alerts fire for the programs that they are for, with the series of a real std-fpm, and for no other", async () => {
  await using site = await startSite({
    lab: ["saturated.fcgi", "crashing.fcgi", "errors.fcgi", "healthy.fcgi"],
    files: { "leaky.fcgi": LEAKY, "broken.fcgi": "#!/bin/sh\nexit 1\n" },
    app: "min_processes = 1",
    apps: '[[apps]]\nmatch = "**/{saturated,leaky}.fcgi"\nmax_processes = 1\n',
    level: "error",
  });
  const series = (await record(site)).input;
  using dir = makeTempDir();
  const of = (program: string) => `${site.root}/${program}.fcgi`;
  const fired = (alertname: string, program: string) => ({
    labels: `{alertname="${alertname}",program="${of(program)}"}`,
    value: 1,
  });
  const tests = [
    {
      interval: "1m",
      input_series: series,
      promql_expr_test: [
        {
          expr: 'group by (alertname, program) (max_over_time(ALERTS{alertstate="firing"}[3h]))',
          eval_time: `${SAMPLES - 1}m`,
          exp_samples: [
            fired("StdFpmQueueOld", "saturated"),
            fired("StdFpmSaturated", "saturated"),
            fired("StdFpmCrashes", "crashing"),
            fired("StdFpmFailedStarts", "broken"),
            fired("StdFpmServerErrors", "errors"),
            fired("StdFpmMemoryGrows", "leaky"),
          ],
        },
      ],
    },
    { interval: "1m", input_series: [], promql_expr_test: [absent()] },
  ];
  const file = dir.at("rules.test.yml");
  writeFileSync(
    file,
    JSON.stringify({ rule_files: [`${FOLDER}/rules.yml`], evaluation_interval: "1m", tests }),
  );
  expect(promtool("test", "rules", file)).toBe("");
}, 60_000);

test("what clients do wrong is no error of a program, and all that std-fpm may have is all that a program may", () => {
  const of = (name: string, labels: string, values: string) => ({
    series: `${name}{instance="i",${labels}}`,
    values,
  });
  const program = 'program="p"';
  const fired = (expected: readonly string[]) => (alertname: string) => ({
    eval_time: "15m",
    alertname,
    exp_alerts: expected.includes(alertname)
      ? [
          {
            exp_labels: {
              severity: "warn",
              instance: "i",
              ...(alertname === "StdFpmNoRoom" ? {} : { program: "p" }),
            },
          },
        ]
      : [],
  });
  using dir = makeTempDir();
  const file = dir.at("rules.test.yml");
  const tests = [
    {
      interval: "15s",
      input_series: [
        of("std_fpm_program_requests_total", `${program},outcome="answered"`, "0+90x80"),
        of("std_fpm_program_requests_total", `${program},outcome="refused"`, "0+10x80"),
        of("std_fpm_program_failures_total", `${program},code="BODY_TOO_LARGE"`, "0+10x80"),
        of("std_fpm_program_responses_total", `${program},class="5xx"`, "0+0x80"),
        of("std_fpm_program_processes", `${program},state="busy"`, "2x80"),
        of("std_fpm_program_processes_limit", program, "2x80"),
        { series: 'std_fpm_processes_limit{instance="i"}', values: "2x80" },
        of("std_fpm_program_queue_length", program, "3x80"),
      ],
      alert_rule_test: ["StdFpmServerErrors", "StdFpmSaturated", "StdFpmNoRoom"].map(
        fired(["StdFpmSaturated", "StdFpmNoRoom"]),
      ),
    },
  ];
  const rules = readFileSync(`${FOLDER}/rules.yml`, "utf8").replaceAll(
    /^ +annotations:\n(?: {10,}.*\n)+/gm,
    "",
  );
  writeFileSync(dir.at("rules.yml"), rules);
  writeFileSync(
    file,
    JSON.stringify({ rule_files: [dir.at("rules.yml")], evaluation_interval: "15s", tests }),
  );
  expect(promtool("test", "rules", file)).toBe("");
  const codes = readFileSync("docs/errors.md", "utf8").matchAll(/^\| `(\w+)` \| client \|/gm);
  const named = /code!~"([^"]+)"/.exec(rules)?.[1]?.split("|");
  expect(named).toEqual(Array.from(codes, ([, code]) => code as string).sort());
});

test("rules and configuration are right, and the expressions of the dashboard are, with metrics that there are", () => {
  expect(promtool("check", "rules", "rules.yml")).toBe("");
  expect(promtool("check", "config", "prometheus.yml")).toBe("");
  const dashboard = JSON.parse(readFileSync(`${FOLDER}/grafana.json`, "utf8")) as {
    panels: { targets: { expr: string }[] }[];
  };
  const panels = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  expect(panels.length).toBeGreaterThan(15);
  const { groups } = Bun.YAML.parse(readFileSync(`${FOLDER}/rules.yml`, "utf8")) as Rules;
  const alerts = groups.flatMap(({ rules }) => rules.map(({ expr }) => expr));
  const expressions = panels.map((expr) =>
    expr.replaceAll("$__rate_interval", "5m").replaceAll(/\$\w+/g, ".*"),
  );
  using dir = makeTempDir();
  const rules = expressions.map((expr, index) => ({ record: `panel:${index}`, expr }));
  writeFileSync(dir.at("panels.yml"), JSON.stringify({ groups: [{ name: "panels", rules }] }));
  expect(promtool("check", "rules", dir.at("panels.yml"))).toBe("");
  const known = METRICS.flatMap(({ name, type }) => namesOf(name, type));
  const used = [...panels, ...alerts].flatMap((expr) => expr.match(/std_fpm_\w+/g) ?? []);
  expect(used.filter((name) => !known.includes(name))).toEqual([]);
});

function absent() {
  const expr = 'group by (alertname) (ALERTS{alertstate="firing"})';
  return { expr, eval_time: "5m", exp_samples: [{ labels: '{alertname="StdFpmAbsent"}', value: 1 }] };
}

function namesOf(name: string, type: string): string[] {
  if (type === "counter") return [`${name}_total`];
  if (type === "info") return [`${name}_info`];
  return type === "histogram" ? ["_bucket", "_sum", "_count"].map((suffix) => name + suffix) : [name];
}
