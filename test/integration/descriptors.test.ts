import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { type Site, startSite } from "../support/site.ts";
import { EXECUTABLE } from "../support/std-fpm.ts";
import { waitUntil } from "../support/wait-until.ts";

const CGI = '[[apps]]\nmatch = "$ROOT/**/*.cgi"\nprotocol = "cgi"\nextensions = [".cgi"]';
const PROGRAMS = ["a.fcgi", "b.fcgi", "c.fcgi", "d.cgi", "e.cgi"];
const PAGE = "#!/bin/sh\nread body\nprintf 'Content-Type: text/plain\\r\\n\\r\\n%s' \"$body\"\n";

function siteOf(more: { command?: readonly string[]; server?: string }) {
  const files = Object.fromEntries(["d.cgi", "e.cgi"].map((name) => [name, PAGE]));
  return startSite({ lab: ["a.fcgi", "b.fcgi", "c.fcgi"], files, apps: CGI, ...more });
}

/** What so many requests at once are answered, sorted; CGI programs get a body, and give it back. */
async function answersOf(site: Site, count: number): Promise<string[]> {
  const ask = async (name: string) => {
    using connection = await connectFcgi(site.fpm.socket);
    const isCgi = name.endsWith(".cgi");
    const options = {
      params: { REQUEST_METHOD: isCgi ? "POST" : "GET" },
      body: new Uint8Array(isCgi ? 9 : 0).fill(97),
    };
    const { stdout } = await connection.request(`${site.root}/${name}`, options);
    if (isCgi) return stdout.endsWith("\r\n\r\naaaaaaaaa") ? "its body" : stdout;
    return /\r\n\r\n\d+$/.test(stdout) ? "a pid" : stdout;
  };
  const names = Array.from({ length: count }, (_, i) => PROGRAMS[i % PROGRAMS.length] as string);
  return [...new Set(await Promise.all(names.map(ask)))].sort();
}

function limitOpenFiles(pid: number, most: number): void {
  Bun.spawnSync(["prlimit", "--pid", String(pid), `--nofile=${most}:`]);
}

describe("programs have a soft limit of 1,024 from their first instruction on", () => {
  const LIMIT_PAGE = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'; ulimit -Sn\n";
  const limitsSeen = async (site: Site) => {
    const seen = new Set<string>();
    for (let i = 0; i < 20; i++)
      for (const text of await Promise.all(Array.from({ length: 5 }, () => site.text("limit.cgi"))))
        seen.add(text);
    return [...seen];
  };

  test("whatever std-fpm itself may have", async () => {
    await using site = await siteOf({});
    site.put("limit.cgi", LIMIT_PAGE);
    expect(await limitsSeen(site)).toEqual(["1024\n"]);
  });

  test("which is no limit for bodies that are kept in files", async () => {
    await using site = await siteOf({});
    const body = new Uint8Array(100_000).fill(97);
    const params = { REQUEST_METHOD: "POST", CONTENT_LENGTH: String(body.length) };
    const ask = async () => {
      using connection = await connectFcgi(site.fpm.socket);
      return (await connection.request(`${site.root}/d.cgi`, { params, body })).stdout.length > body.length;
    };
    const answers = await Promise.all(Array.from({ length: 600 }, ask));
    expect(answers.filter((isWhole) => !isWhole)).toEqual([]);
    expect(site.fpm.log()).not.toContain("no descriptors are left");
  });

  test("also while std-fpm has more open", async () => {
    await using site = await siteOf({ server: "max_connections = 2000" });
    site.put("limit.cgi", LIMIT_PAGE);
    const connections = await Promise.all(Array.from({ length: 1200 }, () => connectFcgi(site.fpm.socket)));
    await waitUntil("all are open", () => readdirSync(`/proc/${site.fpm.pid}/fd`).length > 1200);
    expect(await limitsSeen(site)).toEqual(["1024\n"]);
    expect(await site.text("a.fcgi")).toMatch(/^\d+$/);
    for (const connection of connections) connection[Symbol.dispose]();
  });
});

describe("with few descriptors", () => {
  test.each([
    [64, ""],
    [64, "max_processes = 200\nmax_connections = 4000"],
    [256, ""],
  ])("%i of them (%j), 200 requests at once of five programs are all answered", async (most, server) => {
    await using site = await siteOf({ command: ["prlimit", `--nofile=${most}`, EXECUTABLE], server });
    for (let round = 0; round < 3; round++) expect(await answersOf(site, 200)).toEqual(["a pid", "its body"]);
  });
});

test.each([4, 8, 12, 20])(
  "with %i left, what is in want of one waits until there is, and nobody is blamed",
  async (left) => {
    await using site = await siteOf({});
    await site.text("a.fcgi");
    const { pid } = site.fpm;
    const open = readdirSync(`/proc/${pid}/fd`).length;
    limitOpenFiles(pid, open + left);
    const answers = answersOf(site, 30);
    // Connections wait, or starts and requests do.
    await waitUntil("it tells", () =>
      /no descriptors are left|descriptors are running out/.test(site.fpm.log()),
    );
    await Bun.sleep(500);
    limitOpenFiles(pid, 4096);
    expect(await answers).toEqual(["a pid", "its body"]);
    await waitUntil("all is as before", async () => (await site.text("b.fcgi")) !== "");
    expect(site.fpm.log()).not.toContain("a bug in std-fpm");
    expect(site.fpm.log()).not.toContain("starts in a row failed");
  },
);
