import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { Check } from "@sinclair/typebox/value";
import { FCGI_AUTHORIZER } from "../../src/fcgi/protocol.ts";
import { type Snapshot, snapshotSchema } from "../../src/status/snapshot.ts";
import { snapshotOf } from "../support/admin.ts";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { sendHanging } from "../support/hanging-request.ts";
import { exchange } from "../support/http-exchange.ts";
import { type Site, type SiteOptions, startSite } from "../support/site.ts";
import { edit, logged } from "../support/std-fpm.ts";
import { waitUntil } from "../support/wait-until.ts";

const PATHS = 'status_path = "/fpm-status"\nping_path = "/fpm-ping"';

/** As php-fpm's documentation has it. */
const LOCATIONS = `location ~ ^/fpm-(status|ping)$ { include /etc/nginx/fastcgi.conf; fastcgi_pass FASTCGI; }`;

const startStatusSite = (options: SiteOptions = {}) =>
  startSite({ server: PATHS, locations: LOCATIONS, ...options });

/** One HTTP exchange with nginx. */
const get = (site: Site, path: string, method = "GET") => exchange({ port: site.nginx.port, path, method });

/** What a daemon answers to a request for this SCRIPT_NAME. */
async function ask({ fpm }: Site, name: string, params: Record<string, string> = {}, role?: number) {
  using connection = await connectFcgi(fpm.socket);
  const options = { params: { SCRIPT_NAME: name, ...params }, ...(role === undefined ? {} : { role }) };
  return (await connection.request("/nowhere/at-all.fcgi", options)).stdout;
}

const bodyOf = (stdout: string) => stdout.slice(stdout.indexOf("\r\n\r\n") + 4);

describe("through nginx", () => {
  test("ping_path answers pong, status_path the status in every form", async () => {
    await using site = await startStatusSite();
    const pid = await site.text("lab.fcgi");
    const ping = await get(site, "/fpm-ping");
    const type = ping.headers.get("content-type");
    expect([ping.status, ping.text(), type]).toEqual([200, "pong", "text/plain; charset=utf-8"]);
    expect((await get(site, "/fpm-status")).text()).toStartWith("std-fpm ");
    const json = JSON.parse((await get(site, "/fpm-status?json&full")).text()) as Snapshot;
    expect(Check(snapshotSchema, json)).toBe(true);
    expect(json.programs[0]?.process_list?.[0]?.pid).toBe(Number(pid));
    expect(json.programs[0]?.requests.answered).toBe(1);
    const html = await get(site, "/fpm-status?html&full");
    expect(html.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(html.headers.get("content-security-policy")).toContain("style-src 'sha256-");
    expect(html.text()).toContain(`<td class="right">${pid}</td>`);
    expect((await get(site, "/fpm-status?openmetrics")).text()).toEndWith("\n# EOF\n");
  });

  test("HEAD has no body, another method than GET is not allowed", async () => {
    await using site = await startStatusSite();
    const head = await get(site, "/fpm-ping", "HEAD");
    expect([head.status, head.text()]).toEqual([200, ""]);
    const post = await get(site, "/fpm-status", "POST");
    expect([post.status, post.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  test("both answer while every process is busy and the queue is full", async () => {
    const app = 'max_processes = 1\nqueue_length = 1\nabort_timeout = "50ms"';
    await using site = await startStatusSite({ app });
    // The first request of a program waits, too: for its process to be ready.
    await site.text("lab.fcgi");
    const script = `${site.root}/lab.fcgi`;
    using _atWork = await sendHanging(site.fpm, script);
    using _waiting = await sendHanging(site.fpm, script);
    await waitUntil("one is at work, one waits", async () => {
      const { total } = await snapshotOf(site.fpm);
      return total.in_flight === 1 && total.queue_length === 1;
    });
    expect((await site.ask("lab.fcgi")).status).toBe(503);
    expect((await get(site, "/fpm-ping")).text()).toBe("pong");
    const { total } = JSON.parse((await get(site, "/fpm-status?json")).text()) as Snapshot;
    expect([total.in_flight, total.queue_length, total.failures["QUEUE_FULL"]]).toEqual([1, 1, 1]);
  });
});

describe("over FastCGI", () => {
  test("the answer of a HEAD is its header alone", async () => {
    await using site = await startStatusSite();
    const header =
      "Status: 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n" +
      "X-Content-Type-Options: nosniff\r\n\r\n";
    expect(await ask(site, "/fpm-ping")).toBe(`${header}pong`);
    expect(await ask(site, "/fpm-ping", { REQUEST_METHOD: "HEAD" })).toBe(header);
  });

  test("nothing is answered unless it is asked for, and not for an authorizer", async () => {
    await using plain = await startSite();
    expect(await ask(plain, "/fpm-ping")).toStartWith("Status: 404");
    await using site = await startStatusSite();
    expect(await ask(site, "/fpm-ping", {}, FCGI_AUTHORIZER)).toStartWith("Status: 404");
  });

  test("a kept connection goes on, also after a body that nobody wanted", async () => {
    await using site = await startStatusSite();
    using connection = await connectFcgi(site.fpm.socket);
    const options = { keepConn: true, params: { SCRIPT_NAME: "/fpm-status", REQUEST_METHOD: "POST" } };
    const body = Buffer.alloc(200_000, "x");
    const params = { ...options.params, CONTENT_LENGTH: String(body.length) };
    const refused = await connection.request("/x.fcgi", { ...options, params, body });
    expect(refused.stdout).toStartWith("Status: 405 Method Not Allowed\r\n");
    const ping = { SCRIPT_NAME: "/fpm-ping", REQUEST_METHOD: "GET" };
    const pong = await connection.request("/x.fcgi", { keepConn: true, id: 2, params: ping });
    expect(bodyOf(pong.stdout)).toBe("pong");
    expect(connection.isClosed).toBe(false);
  });

  test("they count as requests that came to no program, and have a line in the access log", async () => {
    const log = `[access_log]\nfile = "$FOLDER/access.log"\nformat = '%m %s %b %n %x'`;
    await using site = await startStatusSite({ log });
    await ask(site, "/fpm-ping");
    await ask(site, "/fpm-ping", { REQUEST_METHOD: "POST" });
    const { others, programs } = await snapshotOf(site.fpm);
    expect([others.requests.answered, others.failures, programs]).toEqual([2, {}, []]);
    const file = `${site.folder}/access.log`;
    const lines = await waitUntil("both are written", () => {
      const found = existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
      return found.length === 2 ? found : undefined;
    });
    expect(lines[0]).toBe("GET 200 4 - answered");
    expect(lines[1]).toMatch(/^POST 405 \d+ - answered$/);
  });

  test("a reload changes the paths", async () => {
    await using site = await startStatusSite();
    expect(bodyOf(await ask(site, "/fpm-ping"))).toBe("pong");
    edit(site.fpm, 'ping_path = "/fpm-ping"', 'ping_path = "/alive"');
    site.fpm.signal("SIGHUP");
    await logged(site.fpm, "configuration reloaded changed=server.ping_path");
    expect(bodyOf(await ask(site, "/alive"))).toBe("pong");
    expect(await ask(site, "/fpm-ping")).toStartWith("Status: 404");
  });
});
