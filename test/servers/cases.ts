import { expect } from "bun:test";
import type { HttpAnswer, HttpRequest } from "../support/http-exchange.ts";
import { checkPattern, patternBytes } from "../support/pattern.ts";
import { acceptedBy } from "../support/unix-sockets.ts";
import { waitUntil } from "../support/wait-until.ts";
import type { ServerSite } from "./server-site.ts";

const MIB = 1024 * 1024;

/** What a web server must do with std-fpm behind it. */
export interface ServerCase {
  /** A row of the table of compatibility. */
  readonly name: string;
  /** Fails unless it works. A text that it gives stands in the table: servers show the same thing differently. */
  run(site: ServerSite): Promise<unknown>;
}

/** All cases, in the order of the table. */
export const SERVER_CASES: readonly ServerCase[] = [
  { name: "GET", run: get },
  { name: "a file that is no program", run: file },
  { name: "query string", run: query },
  { name: "PATH_INFO", run: pathInfo },
  { name: "PATH_INFO that is not UTF-8", run: otherPathInfo },
  { name: "PATH_INFO of 3,000 bytes", run: longPathInfo },
  { name: "HEAD, answered with a body", run: head },
  { name: "POST, no body", run: (site) => post(site, 0) },
  { name: "POST, 10 bytes", run: (site) => post(site, 10) },
  { name: "POST, 4 MiB", run: (site) => post(site, 4 * MIB) },
  { name: "chunked upload", run: chunked },
  { name: "answer of 8 MiB", run: largeAnswer },
  { name: "upload left unread", run: unreadUpload },
  { name: "missing program", run: missing },
  { name: "forbidden program", run: forbidden },
  { name: "`Status:` header", run: status },
  { name: "redirect (303)", run: redirect },
  { name: "`Location:` without status", run: location },
  { name: "If-None-Match, 304", run: conditional },
  { name: "Range, 206", run: range },
  { name: "cookies both ways", run: cookies },
  { name: "file name with a space", run: (site) => fileName(site, "a space") },
  { name: "file name beyond ASCII", run: (site) => fileName(site, "grüße-日本") },
  { name: "`ping_path`, `status_path`", run: ownAnswers },
  { name: "100 requests in a row", run: row },
  { name: "50 requests at once", run: atOnce },
  {
    name: "client leaves, program works",
    run: (site) => leave(site, "?op=sleep&ms=300", { leaveAfterMs: 100 }),
  },
  { name: "client leaves in mid-answer", run: leaveAnswer },
  { name: "client leaves in mid-upload", run: leaveUpload },
  { name: "crash before the answer", run: crashBefore },
  { name: "crash in mid-answer", run: (site) => crashIn(site, "die-in-answer") },
  { name: "crash, Content-Length known", run: (site) => crashIn(site, "die-in-sized-answer") },
];

async function ownAnswers(site: ServerSite): Promise<void> {
  const ping = await site.ask("ping");
  expectWhole(ping);
  expect(ping.text()).toBe("pong");
  const status = await site.ask("status", "?json&full");
  expectWhole(status);
  expect((JSON.parse(status.text()) as { pid: number }).pid).toBe(site.fpm.pid);
}

async function get(site: ServerSite): Promise<void> {
  const answer = await site.ask("lab");
  expectWhole(answer);
  expect(answer.headers.get("content-type")).toBe("application/octet-stream");
  expect(site.fpm.backends().map(String)).toContain(answer.text());
}

async function file(site: ServerSite): Promise<string | undefined> {
  const answer = await site.askFile("page.html");
  const own = site.way.ownStatus?.file;
  if (own !== undefined) return expectOwn(answer, own);
  expectWhole(answer);
  expect(answer.text()).toBe("a page");
  return undefined;
}

async function query(site: ServerSite): Promise<void> {
  const text = "op=env&x=1%20a&y=%C3%A4+%2F&x=2";
  const lines = await site.env("lab", `?${text}`);
  expect(lines).toContain(`QUERY_STRING=${text}`);
  expect(lines).toContain(`SCRIPT_FILENAME=${site.file("lab")}`);
}

async function pathInfo(site: ServerSite): Promise<void> {
  const lines = await site.env("lab", "/a%20b/c.d?op=env");
  expect(lines).toContain("PATH_INFO=/a b/c.d");
  expect(lines).toContain(`SCRIPT_FILENAME=${site.file("lab")}`);
}

async function otherPathInfo(site: ServerSite): Promise<void> {
  const lines = await site.env("lab", "/caf%E9/x?op=env");
  // Read as UTF-8, the one byte is no character.
  expect(lines).toContain("PATH_INFO=/caf\uFFFD/x");
  expect(lines).toContain(`SCRIPT_FILENAME=${site.file("lab")}`);
}

async function longPathInfo(site: ServerSite): Promise<void> {
  // A longer part, or path, than the system takes some servers refuse themselves; std-fpm does not.
  const info = `/${"x".repeat(99)}`.repeat(30);
  expect(await site.env("lab", `${info}?op=env`)).toContain(`PATH_INFO=${info}`);
}

async function head(site: ServerSite): Promise<string | undefined> {
  const answer = await site.ask("lab", "?op=sized&bytes=9", { method: "HEAD" });
  expect(answer.bodyLength).toBe(0);
  expect(await site.env("lab", "?op=env")).toContain("REQUEST_METHOD=GET");
  const own = site.way.ownStatus?.head;
  if (own !== undefined) return expectOwn(answer, own);
  expectWhole(answer);
  return undefined;
}

async function post(site: ServerSite, length: number): Promise<void> {
  const body = patternBytes(length);
  const answer = await site.ask("lab", "?op=echo", { body });
  expectWhole(answer);
  expect(Buffer.compare(answer.body, body)).toBe(0);
}

async function chunked(site: ServerSite): Promise<string | undefined> {
  const body = patternBytes(300 * 1024);
  const chunks = [body.subarray(0, 100_000), body.subarray(100_000)];
  const answer = await site.ask("lab", "?op=echo", { body: { chunks, length: "chunked" } });
  const own = site.way.ownStatus?.chunked;
  if (own !== undefined) return expectOwn(answer, own);
  expectWhole(answer);
  expect(Buffer.compare(answer.body, body)).toBe(0);
  return undefined;
}

async function largeAnswer(site: ServerSite): Promise<void> {
  const check = checkPattern();
  expectWhole(await site.ask("lab", `?op=download&bytes=${8 * MIB}`, { onBody: check.take }));
  expect(check.length).toBe(8 * MIB);
}

async function unreadUpload(site: ServerSite): Promise<void> {
  for (let i = 0; i < 5; i++) {
    const check = checkPattern();
    const body = patternBytes(300 * 1024);
    expectWhole(await site.ask("lab", `?op=download&bytes=${MIB}`, { body, onBody: check.take }));
    expect(check.length).toBe(MIB);
  }
}

async function missing(site: ServerSite): Promise<void> {
  expect((await site.ask("missing")).status).toBe(404);
}

async function forbidden(site: ServerSite): Promise<void> {
  expect((await site.ask("forbidden")).status).toBe(403);
}

async function status(site: ServerSite): Promise<void> {
  const answer = await site.ask("lab", "?op=status&code=418");
  expectWhole(answer, 418);
  expect(answer.text()).toMatch(/^\d+$/);
}

async function redirect(site: ServerSite): Promise<string | undefined> {
  const answer = await site.ask("headers", "?op=redirect");
  expect(answer.headers.get("location")).toBe("http://localhost/elsewhere?a=b");
  const own = site.way.ownStatus?.redirect;
  if (own !== undefined) return expectOwn(answer, own);
  expectWhole(answer, 303);
  return undefined;
}

async function location(site: ServerSite): Promise<string> {
  const answer = await site.ask("headers", "?op=location");
  expectWhole(answer, site.way.locationStatus);
  expect(answer.headers.get("location")).toBe("http://localhost/elsewhere?a=b");
  return String(answer.status);
}

async function conditional(site: ServerSite): Promise<void> {
  const first = await site.ask("headers", "?op=conditional");
  expectWhole(first);
  const etag = first.headers.get("etag") ?? "";
  const second = await site.ask("headers", "?op=conditional", { headers: { "If-None-Match": etag } });
  expectWhole(second, 304);
  expect([second.bodyLength, second.headers.get("etag")]).toEqual([0, etag]);
}

async function range(site: ServerSite): Promise<void> {
  const answer = await site.ask("headers", "?op=range", { headers: { Range: "bytes=3-5" } });
  expectWhole(answer, 206);
  expect([answer.text(), answer.headers.get("content-range")]).toEqual(["345", "bytes 3-5/10"]);
}

async function cookies(site: ServerSite): Promise<void> {
  const answer = await site.ask("headers", "?op=cookies", { headers: { Cookie: "a=1; b=2" } });
  expectWhole(answer);
  expect(answer.text()).toBe("a=1; b=2");
  expect(answer.headers.getSetCookie()).toEqual(["first=1; Path=/; HttpOnly", "second=2, too"]);
}

async function fileName(site: ServerSite, name: "a space" | "grüße-日本"): Promise<void> {
  const lines = await site.env(name, "/x?op=env");
  expect(lines).toContain(`SCRIPT_FILENAME=${site.file(name)}`);
  expect(lines).toContain("PATH_INFO=/x");
}

/** On one HTTP connection: one process serves them all, over the connections to std-fpm that the way promises. */
async function row(site: ServerSite): Promise<string> {
  const url = `http://127.0.0.1:${site.server.port}${site.way.url("one")}`;
  const pids = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const response = await fetch(url);
    expect(response.status).toBe(200);
    pids.add(await response.text());
  }
  expect(pids.size).toBe(1);
  if (site.way.keepsConnections) {
    expect(acceptedBy(site.fpm.pid)).not.toEqual([]);
    return "✓, kept";
  }
  await waitUntil("no connection is left", () => acceptedBy(site.fpm.pid).length === 0);
  return "✓";
}

async function atOnce(site: ServerSite): Promise<void> {
  const answers = await Promise.all(Array.from({ length: 50 }, () => site.ask("lab", "?op=sleep&ms=5")));
  for (const answer of answers) expectWhole(answer);
}

function leaveAnswer(site: ServerSite): Promise<void> {
  return leave(site, `?op=download&bytes=${16 * MIB}`, { leaveAfter: 100_000 });
}

/** Half of a body, and then silence until the client leaves. */
function leaveUpload(site: ServerSite): Promise<void> {
  const body = { chunks: [patternBytes(200_000)], length: 400_000 };
  return leave(site, "?op=count", { body, leaveAfterMs: 100 });
}

/** The program has one process: it must answer the next client, and be the same. */
async function leave(
  site: ServerSite,
  after: string,
  how: Pick<HttpRequest, "leaveAfter" | "leaveAfterMs" | "body">,
): Promise<void> {
  const before = await site.ask("one");
  expectWhole(before);
  expect((await site.ask("one", after, how)).end).toBe("left");
  const next = await site.ask("one");
  expectWhole(next);
  expect(next.text()).toBe(before.text());
}

async function crashBefore(site: ServerSite): Promise<string> {
  const answer = await site.ask("lab", "?op=die-before");
  expect([answer.status, answer.end]).toEqual([502, "complete"]);
  await expectRecovery(site);
  return "502";
}

/** The client must not take a part for the whole: the transfer breaks off, or there is an error in the answer's place. */
async function crashIn(site: ServerSite, op: "die-in-answer" | "die-in-sized-answer"): Promise<string> {
  const shown = new Set<string>();
  for (const bytes of [5000, 200_000]) {
    const answer = await site.ask("lab", `?op=${op}&bytes=${bytes}`);
    shown.add(answer.end === "complete" && answer.status >= 500 ? "error" : answer.end);
  }
  await expectRecovery(site);
  if (op === "die-in-answer" && site.way.hidesBrokenAnswers) {
    expect([...shown]).toEqual(["complete"]);
    expect(site.server.errorLog()).toContain("incomplete response");
    return "**short 200**";
  }
  expect([...shown].filter((end) => end === "complete" || end === "until-close")).toEqual([]);
  return "aborted";
}

async function expectRecovery(site: ServerSite): Promise<void> {
  await waitUntil("the program answers again", async () => (await site.ask("lab")).status === 200);
}

/** The answer is the web server's own; what stands in the table. */
function expectOwn(answer: HttpAnswer, status: number): string {
  expect(answer.status).toBe(status);
  return String(status);
}

/** All that was announced has come; an answer that ends with the connection announces nothing. */
function expectWhole(answer: HttpAnswer, wanted = 200): void {
  if (answer.status !== wanted) throw new Error(`${answer.status} instead of ${wanted}: ${answer.text()}`);
  expect(answer.end).toBeOneOf(["complete", "until-close"]);
}
