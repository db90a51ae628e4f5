import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { type Apache, startApache } from "../support/apache.ts";
import { exchange, type HttpRequest } from "../support/http-exchange.ts";
import { checkPattern, patternBytes } from "../support/pattern.ts";
import { type Site, startSite } from "../support/site.ts";

const MIB = 1024 * 1024;

let site: Site;
let apache: Apache;

beforeAll(async () => {
  site = await startSite({ server: 'listen_mode = "0666"' });
  // Apache's workers are www-data when the tests run as root.
  chmodSync(site.folder, 0o755);
  apache = await startApache(`${site.folder}/apache`, site.root, site.fpm.socket);
});

afterAll(async () => {
  await apache.stop();
  await site[Symbol.asyncDispose]();
});

function ask(path: string, request: Omit<HttpRequest, "port" | "path"> = {}) {
  return exchange({ port: apache.port, path: `/${path}`, ...request });
}

test("a program answers through Apache, with PATH_INFO and the query", async () => {
  const answer = await ask("lab.fcgi/a%20b/c?op=env&x=1");
  expect([answer.status, answer.end]).toEqual([200, "complete"]);
  const lines = answer.text().split("\n");
  expect(lines).toContain(`SCRIPT_FILENAME=${site.root}/lab.fcgi`);
  expect(lines).toContain("PATH_INFO=/a b/c");
  expect(lines).toContain("QUERY_STRING=op=env&x=1");
});

test.each([0, 10, 300 * 1024])("POST of %d bytes through Apache comes back byte for byte", async (length) => {
  const body = patternBytes(length);
  const answer = await ask("lab.fcgi?op=echo", { body });
  expect([answer.status, answer.bodyLength]).toEqual([200, length]);
  expect(Buffer.compare(answer.body, body)).toBe(0);
});

test("a chunked upload through Apache comes back byte for byte", async () => {
  const body = patternBytes(300 * 1024);
  const answer = await ask("lab.fcgi?op=echo", { body: { chunks: [body], length: "chunked" } });
  expect(answer.status).toBe(200);
  expect(Buffer.compare(answer.body, body)).toBe(0);
});

test("a large answer through Apache to an unread upload has every byte", async () => {
  for (let i = 0; i < 10; i++) {
    const check = checkPattern();
    const answer = await ask(`lab.fcgi?op=download&bytes=${4 * MIB}`, {
      body: patternBytes(300 * 1024),
      onBody: check.take,
    });
    expect([answer.status, answer.end === "aborted", check.length]).toEqual([200, false, 4 * MIB]);
  }
});

test("refusals reach the client of Apache as they are", async () => {
  expect((await ask("missing.fcgi")).status).toBe(404);
  site.put("forbidden.fcgi", "#!/usr/bin/perl\n", 0o644);
  expect((await ask("forbidden.fcgi")).status).toBe(403);
  expect((await ask("lab.fcgi?op=status&code=418")).status).toBe(418);
});

test("a program that dies before it answers is an error, in mid-answer an aborted transfer", async () => {
  expect((await ask("lab.fcgi?op=die-before")).status).toBe(502);
  expect((await ask("lab.fcgi?op=die-in-answer&bytes=100000")).end).toBe("aborted");
  expect((await ask("lab.fcgi")).status).toBe(200);
});

test("50 clients at once are served through Apache", async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, () => ask("lab.fcgi?op=sleep&ms=5")));
  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
});
