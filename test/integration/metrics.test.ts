import { expect, test } from "bun:test";
import { collect } from "../../src/status/collect.ts";
import { METRICS } from "../../src/status/metrics.ts";
import { renderOpenMetrics } from "../../src/status/render-openmetrics.ts";
import { admin } from "../support/admin.ts";
import { sampleSource } from "../support/sample-snapshot.ts";
import { startSite } from "../support/site.ts";

type Sample = [name: string, labels: object, value: number];
type Family = [name: string, type: string, samples: Sample[]];

const PARSER = `
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
families = text_string_to_metric_families(sys.stdin.read())
print(json.dumps([[f.name, f.type, [[s.name, s.labels, s.value] for s in f.samples]] for f in families]))`;

/** What Debian's prometheus_client makes of a text. */
function parse(text: string): Family[] {
  const parser = Bun.spawnSync(["/usr/bin/python3", "-c", PARSER], { stdin: Buffer.from(text) });
  expect(parser.stderr.toString()).toBe("");
  return JSON.parse(parser.stdout.toString()) as Family[];
}

test("the metrics are read by prometheus_client as they are meant, whatever a program is called", () => {
  const families = parse(renderOpenMetrics(collect(sampleSource(), true)));
  expect(families.map(([name, type]) => [name, type])).toEqual(METRICS.map(({ name, type }) => [name, type]));
  const samples = families.flatMap(([, , each]) => each);
  const program = '/srv/we\\ird "name".fcgi';
  expect(samples).toContainEqual(["std_fpm_program_starts_total", { program }, 5]);
  expect(samples).toContainEqual(["std_fpm_program_latency_seconds_bucket", { program, le: "0.016" }, 1]);
  expect(samples).toContainEqual(["std_fpm_program_latency_seconds_sum", { program }, 0.092]);
  expect(samples).toContainEqual(["std_fpm_program_failures_total", { program: "", code: "PROTOCOL" }, 1]);
  expect(samples).toContainEqual(["std_fpm_state", { std_fpm_state: "running" }, 1]);
});

test("the metrics of a daemon at work are read by prometheus_client", async () => {
  await using site = await startSite();
  await site.text("lab.fcgi");
  await site.ask("none.fcgi");
  const samples = parse(await (await admin(site.fpm, "/metrics")).text()).flatMap(([, , each]) => each);
  const program = `${site.root}/lab.fcgi`;
  const requests = "std_fpm_program_requests_total";
  expect(samples).toContainEqual([requests, { program, outcome: "answered" }, 1]);
  expect(samples).toContainEqual([requests, { program: "", outcome: "refused" }, 1]);
  expect(samples).toContainEqual(["std_fpm_program_processes", { program, state: "idle" }, 1]);
});
