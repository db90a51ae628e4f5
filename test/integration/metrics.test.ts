import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { hostname } from "node:os";
import { METRICS } from "../../src/status/metrics.ts";
import { openMetricsPieces, prometheusPieces } from "../../src/status/render-metrics.ts";
import { admin, snapshotOf } from "../support/admin.ts";
import { collect } from "../support/collect.ts";
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
  const families = parse([...openMetricsPieces(collect(sampleSource(), true))].join(""));
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
  const headers = { Accept: "application/openmetrics-text; version=1.0.0, text/plain;q=0.5" };
  const samples = parse(await (await admin(site.fpm, "/metrics", { headers })).text()).flatMap(
    ([, , each]) => each,
  );
  const program = `${site.root}/lab.fcgi`;
  const requests = "std_fpm_program_requests_total";
  expect(samples).toContainEqual([requests, { program, outcome: "answered" }, 1]);
  expect(samples).toContainEqual([requests, { program: "", outcome: "refused" }, 1]);
  expect(samples).toContainEqual(["std_fpm_program_processes", { program, state: "idle" }, 1]);
});

/** What promtool finds wrong with a text; "" for nothing. */
function complaintsOf(metrics: string): string {
  const { stdout, stderr, exitCode } = Bun.spawnSync(["/usr/bin/promtool", "check", "metrics"], {
    stdin: Buffer.from(metrics),
  });
  return exitCode === 0 ? "" : `${stdout}${stderr}`;
}

test("promtool finds nothing wrong with the metrics in Prometheus' own format, whatever a program is called", () => {
  const text = [...prometheusPieces(collect(sampleSource(), true))].join("");
  expect(complaintsOf(text)).toBe("");
  expect(text).toContain(
    'std_fpm_program_responses_total{program="/srv/we\\\\ird \\"name\\".fcgi",class="2xx"} 1\n',
  );
  // It would find something.
  expect(complaintsOf(text.replace("# TYPE std_fpm_cores gauge", "# TYPE std_fpm_cores gaudy"))).not.toBe("");
});

test.each([
  [undefined, "text/plain; version=0.0.4; charset=utf-8"],
  ["*/*", "text/plain; version=0.0.4; charset=utf-8"],
  ["text/plain;version=0.0.4;q=0.3", "text/plain; version=0.0.4; charset=utf-8"],
  [
    "application/openmetrics-text;version=1.0.0,*/*;q=0.1",
    "application/openmetrics-text; version=1.0.0; charset=utf-8",
  ],
])("a scraper that accepts %p gets %s", async (accept, type) => {
  await using site = await startSite();
  await site.text("lab.fcgi");
  const answer = await admin(site.fpm, "/metrics", {
    headers: accept === undefined ? {} : { Accept: accept },
  });
  expect(answer.headers.get("Content-Type")).toBe(type);
  const text = await answer.text();
  if (type.startsWith("text/plain")) expect(complaintsOf(text)).toBe("");
  else expect(parse(text).length).toBe(METRICS.length);
});

test("answers are counted by the class of their status, of FastCGI and of plain CGI, wherever the header is cut", async () => {
  const status = (code: number) => `lab.fcgi?op=status&code=${code}`;
  const files = {
    "a.cgi": "#!/bin/sh\nprintf 'Status: 503 No\\r\\n\\r\\n'\n",
    "b.cgi": "#!/bin/sh\nprintf 'Location: /x\\r\\n'\nprintf '\\r\\n'\n",
    "c.cgi": "#!/bin/sh\nprintf 'Content-Type: text/plain\\nSta'\nprintf 'tus: 4'\nprintf '04\\n\\n'\n",
  };
  const apps = '[[apps]]\nmatch = "**/*.cgi"\nextensions = [".cgi"]\nprotocol = "cgi"\n';
  await using site = await startSite({ files, apps });
  for (const path of ["a.cgi", "b.cgi", "c.cgi", "lab.fcgi", status(500), status(404), status(204)])
    await site.ask(path);
  const { programs, total } = await snapshotOf(site.fpm);
  const of = (name: string) => programs.find((each) => each.name === `${site.root}/${name}`)?.responses;
  expect(of("a.cgi")).toMatchObject({ "5xx": 1, "2xx": 0 });
  expect(of("b.cgi")).toMatchObject({ "3xx": 1 });
  expect(of("c.cgi")).toMatchObject({ "4xx": 1 });
  expect(of("lab.fcgi")).toEqual({ "1xx": 0, "2xx": 2, "3xx": 0, "4xx": 1, "5xx": 1 });
  expect(total.responses).toEqual({ "1xx": 0, "2xx": 2, "3xx": 1, "4xx": 2, "5xx": 2 });
});

test("descriptors, machine and start are told, and the version of the form", async () => {
  await using site = await startSite();
  const now = await snapshotOf(site.fpm);
  expect(now.schema).toBe(1);
  expect(now.hostname).toBe(hostname());
  expect(Math.abs(now.descriptors - readdirSync(`/proc/${site.fpm.pid}/fd`).length)).toBeLessThan(4);
  expect(now.max_descriptors).toBeGreaterThan(now.descriptors);
  const text = await (await admin(site.fpm, "/metrics")).text();
  const start = Number(/^std_fpm_start_time_seconds (\d+)$/m.exec(text)?.[1]);
  expect(Math.abs(Date.now() / 1000 - start)).toBeLessThan(30);
});
