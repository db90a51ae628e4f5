import { expect, test } from "bun:test";
import { Check } from "@sinclair/typebox/value";
import { type Snapshot, snapshotSchema } from "../../src/status/snapshot.ts";
import { admin } from "../support/admin.ts";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { type Site, startSite } from "../support/site.ts";

const PROGRAMS = 400;
/** So many at once are asked for the first time. */
const AT_ONCE = 20;
const PINGS = 120;
/** What nine in ten pings may take beside what they take while nobody asks for the status. It was 60 to 100 ms when an answer was made in one turn. */
const MORE_MS = 25;

/** Asks for the metrics without a pause, in a process of its own, and tells how often it was answered. */
const SCRAPER = `
const [unix] = process.argv.slice(1);
let [answers, bytes] = [0, 0];
process.on("SIGTERM", () => { console.log(JSON.stringify({ answers, bytes })); process.exit(0); });
for (;; answers++)
  bytes = (await (await fetch("http://localhost/metrics", { unix })).arrayBuffer()).byteLength;`;

async function startMany(): Promise<Site> {
  const names = Array.from({ length: PROGRAMS }, (_, at) => `p${at}.fcgi`);
  const server = `max_processes = ${PROGRAMS + 10}\nping_path = "/ping"\nstatus_path = "/status"`;
  const site = await startSite({ lab: names, server, app: 'idle_timeout = "10m"', level: "warn" });
  for (let at = 0; at < PROGRAMS; at += AT_ONCE)
    await Promise.all(names.slice(at, at + AT_ONCE).map((name) => askFor(site, `${site.root}/${name}`)));
  return site;
}

async function askFor(site: Site, script: string, params: Record<string, string> = {}): Promise<string> {
  using connection = await connectFcgi(site.fpm.socket);
  const { stdout } = await connection.request(script, { params });
  return stdout.slice(stdout.indexOf("\r\n\r\n") + 4);
}

/** Within what time nine in ten pings are answered, of many one after the other. */
async function pingMs(site: Site): Promise<number> {
  const times: number[] = [];
  for (let ping = 0; ping < PINGS; ping++) {
    const startedAt = performance.now();
    expect(await askFor(site, "/", { SCRIPT_NAME: "/ping" })).toBe("pong");
    times.push(performance.now() - startedAt);
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length * 0.9)] as number;
}

test(`with ${PROGRAMS} programs the metrics hold up nobody, and every form is whole`, async () => {
  await using site = await startMany();
  const aloneMs = await pingMs(site);
  const socket = `${site.fpm.runtimeDir}/admin.sock`;
  const scraper = Bun.spawn([process.execPath, "-e", SCRAPER, socket], { stdout: "pipe" });
  const besideMs = await pingMs(site);
  scraper.kill("SIGTERM");
  const { answers, bytes } = (await new Response(scraper.stdout).json()) as Record<string, number>;
  expect(answers).toBeGreaterThan(2);
  expect(bytes).toBeGreaterThan(2e6);
  expect(besideMs).toBeLessThan(aloneMs + MORE_MS);

  const whole = (await (await admin(site.fpm, "/status.json?full")).json()) as Snapshot;
  expect([Check(snapshotSchema, whole), whole.programs.length]).toEqual([true, PROGRAMS]);
  const overFastCgi = { SCRIPT_NAME: "/status", REQUEST_METHOD: "GET" };
  const metrics = await askFor(site, "/", { ...overFastCgi, QUERY_STRING: "openmetrics" });
  expect(metrics).toEndWith("\n# EOF\n");
  expect(metrics.match(/^std_fpm_program_requests_in_flight\{/gm)?.length).toBe(PROGRAMS);
  const seven = Array.from({ length: 7 }, () => askFor(site, "/", { ...overFastCgi, QUERY_STRING: "json" }));
  for (const text of await Promise.all(seven))
    expect((JSON.parse(text) as Snapshot).total.requests.answered).toBeGreaterThanOrEqual(PROGRAMS);
  const events = await admin(site.fpm, "/events");
  const reader = (events.body as ReadableStream<Uint8Array>).getReader();
  let event = "";
  while (!event.includes("\n\n")) event += Buffer.from((await reader.read()).value ?? []).toString();
  await reader.cancel();
  const json = event.slice("data: ".length, event.indexOf("\n\n"));
  expect((JSON.parse(json) as Snapshot).programs.length).toBe(PROGRAMS);
});
