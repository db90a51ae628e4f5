import { describe, expect, test } from "bun:test";
import {
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { command, snapshotOf } from "../support/admin.ts";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { flood } from "../support/flood.ts";
import { handOver } from "../support/hand-over.ts";
import { type Site, startSite } from "../support/site.ts";
import { edit, logged } from "../support/std-fpm.ts";
import { waitUntil } from "../support/wait-until.ts";

/** How many requests must all have a line; `make soak` sends a million. */
const REQUESTS = Number(process.env["ACCESS_LOG_REQUESTS"] ?? 100_000);
const CONNECTIONS = 16;

/** `[access_log]` of a site. */
const accessLog = (format: string) => `[access_log]\nfile = "$FOLDER/access.log"\nformat = '${format}'`;

function linesIn({ folder }: Site, name = "access.log"): string[] {
  const path = `${folder}/${name}`;
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
}

async function firstLine(site: Site): Promise<string> {
  return await waitUntil("the line is written", () => linesIn(site)[0], 3000);
}

describe("the access log", () => {
  test(
    `has a line for each of ${REQUESTS} requests, reopened and reloaded in the middle`,
    async () => {
      await using site = await startSite({ level: "info", log: accessLog("%r %s") });
      const names: string[] = [];
      const reopen = async () => {
        names.push(`access.log.${names.length}`);
        renameSync(`${site.folder}/access.log`, `${site.folder}/${names.at(-1)}`);
        site.fpm.signal("SIGUSR1");
      };
      const steps: (() => Promise<void>)[] = [reopen, reopen, async () => site.fpm.signal("SIGHUP"), reopen];
      const done: Promise<void>[] = [];
      await flood(site.fpm.socket, `${site.root}/lab.fcgi`, REQUESTS, CONNECTIONS, (count) => {
        const part = Math.floor(REQUESTS / (steps.length + 1));
        if (count % part === 0) done.push(steps[count / part - 1]?.() ?? Promise.resolve());
      });
      await Promise.all(done);
      const count = () => [...names, "access.log"].reduce((sum, name) => sum + linesIn(site, name).length, 0);
      await waitUntil("all lines are written", () => count() >= REQUESTS, 3000);
      const lines = [...names, "access.log"].flatMap((name) => linesIn(site, name)).sort();
      const expected = Array.from({ length: REQUESTS }, (_, i) => `/${String(i).padStart(8, "0")} 200`);
      // Not toEqual, which would print them all.
      expect(lines.length).toBe(REQUESTS);
      expect(lines.findIndex((line, i) => line !== expected[i])).toBe(-1);
      for (const name of names) expect(linesIn(site, name).length).toBeGreaterThan(0);
    },
    60_000 + REQUESTS,
  );

  test("has a line for each request whose head was read, though nobody worked on it; the numbers have it, too", async () => {
    await using site = await startSite({ log: accessLog("%r %s"), app: 'body_timeout = "400ms"' });
    const upload = (query: string) => {
      const params = { REQUEST_URI: `/${query}`, REQUEST_METHOD: "POST", CONTENT_LENGTH: "1000" };
      return { params, body: null };
    };
    const script = `${site.root}/lab.fcgi`;
    {
      using leaving = await connectFcgi(site.fpm.socket);
      await leaving.send(leaving.encode(script, upload("leaves")));
    }
    using stalling = await connectFcgi(site.fpm.socket);
    expect((await stalling.request(script, upload("stalls"))).stdout).toStartWith("Status: 408 ");
    using odd = await connectFcgi(site.fpm.socket);
    expect((await odd.request(script, { ...upload("odd"), role: 7 })).stdout).toStartWith("Status: 400 ");
    await waitUntil("the lines are written", () => linesIn(site).length === 3, 3000);
    expect(linesIn(site).sort()).toEqual(["/leaves 499", "/odd 400", "/stalls 408"]);
    const { requests, failures } = (await snapshotOf(site.fpm)).total;
    expect(requests).toMatchObject({ client_left: 1, refused: 2, answered: 0 });
    expect(failures).toEqual({ BODY_TIMEOUT: 1, ROLE_UNKNOWN: 1 });
  });

  test("loses no line over a hand-over and a stop", async () => {
    await using site = await startSite({ log: accessLog("%r %P") });
    const script = `${site.root}/lab.fcgi`;
    const before = site.fpm.pid;
    for (let round = 0; round < 2; round++) await flood(site.fpm.socket, script, 50, 4);
    await handOver(site.fpm);
    await flood(site.fpm.socket, script, 50, 4);
    const after = site.fpm.pid;
    site.fpm.signal("SIGTERM");
    await waitUntil("all have ended", () => site.fpm.daemons().length === 0, 20_000);
    const from = (pid: number) => linesIn(site).filter((line) => line.endsWith(` ${pid}`)).length;
    expect([from(before), from(after)]).toEqual([100, 50]);
  });

  test("tells what php-fpm tells, and the wait in the queue", async () => {
    const format =
      '%R "%m %r%Q%q" %s %b %f %n %p %x %{milli}d %{milli}w %{milli}C %C%% %{kilo}M %{QUERY_STRING}e %{X-Lab-Last}o';
    await using site = await startSite({ app: "max_processes = 1", log: accessLog(format) });
    const pid = await site.text("lab.fcgi?op=headers&kib=1");
    const program = `${site.root}/lab.fcgi`;
    const [line] = [await firstLine(site)];
    const start = `127.0.0.1 "GET /direct/lab.fcgi?op=headers&kib=1" 200 ${pid.length} ${program} ${program} ${pid} answered `;
    expect(line).toStartWith(start);
    expect(line.slice(start.length)).toMatch(
      /^\d+\.\d{3} \d+\.\d{3} \d+\.\d{3} \d+\.\d\d% \d{3,} op=headers&kib=1 yes$/,
    );
    const both = [site.text("lab.fcgi?op=sleep&ms=1000"), site.text("lab.fcgi?op=sleep&ms=1000")];
    await Promise.all(both);
    await waitUntil("both are written", () => linesIn(site).length === 3);
    const waits = linesIn(site)
      .slice(1)
      .map((each) => Number(each.split(" ")[10]));
    expect(waits[0]).toBeLessThan(500);
    expect(waits[1]).toBeGreaterThan(500);
  });

  test.each([
    ["lab.fcgi?op=status&code=404", "404 answered -"],
    ["missing.fcgi", "404 refused SCRIPT_NOT_FOUND"],
    ["lab.fcgi?op=die-before", "502 refused BACKEND_BROKEN"],
    ["lab.fcgi?op=die-in-answer", "200 truncated BACKEND_BROKEN"],
    ["location.fcgi", "302 answered -"],
  ])("of %s says %s", async (path, line) => {
    const location =
      '#!/usr/bin/perl\nuse FCGI;\nprint "Location: http://a/\\r\\n\\r\\n" while FCGI::Request()->Accept() >= 0;\n';
    await using site = await startSite({ files: { "location.fcgi": location }, log: accessLog("%s %x %E") });
    await site.ask(path);
    expect(await firstLine(site)).toBe(line);
  });

  test("has the bytes of the body that std-fpm itself answers, however it refuses", async () => {
    const app = 'max_body = "1K"';
    await using site = await startSite({ app, log: accessLog("%s %b %{Content-Type}o") });
    const missing = await site.ask("missing.fcgi");
    const large = await site.ask("lab.fcgi", { method: "POST", body: Buffer.alloc(2000) });
    await waitUntil("both are written", () => linesIn(site).length === 2, 3000);
    expect(linesIn(site)).toEqual([`404 ${missing.body.length} -`, `413 ${large.body.length} -`]);
  });

  test("says so when the client left before it got an answer", async () => {
    await using site = await startSite({ log: accessLog("%s %x") });
    const connection = await connectFcgi(site.fpm.socket);
    void connection
      .request(`${site.root}/lab.fcgi`, { params: { QUERY_STRING: "op=sleep&ms=300" } })
      .catch(() => {});
    await waitUntil("it is at work", () => site.fpm.backends().length > 0);
    connection[Symbol.dispose]();
    expect(await firstLine(site)).toBe("499 client-left");
  });

  test("is JSON on demand, without the query, and a client cannot forge a line of any format", async () => {
    await using site = await startSite({ log: accessLog("json") });
    const params = { REQUEST_URI: '/a"\n\x9b?secret=1', REQUEST_METHOD: "GET", QUERY_STRING: "secret=1" };
    const ask = async () => {
      using connection = await connectFcgi(site.fpm.socket);
      await connection.request(`${site.root}/lab.fcgi`, { params });
    };
    await ask();
    const line = await firstLine(site);
    expect(JSON.parse(line)).toMatchObject({ method: "GET", status: 200, outcome: "answered" });
    expect(JSON.parse(line).path).toStartWith('/a"\n');
    expect(line).not.toContain("secret");
    expect(line).not.toContain("\x9b");
    edit(site.fpm, '"json"'.replaceAll('"', "'"), "'%r %q'");
    site.fpm.signal("SIGHUP");
    await logged(site.fpm, "configuration reloaded changed=access_log.format");
    await ask();
    await waitUntil("it is written", () => linesIn(site).length === 2);
    expect(linesIn(site)[1]).toMatch(/^\/a\\"\\x0a.* secret=1$/);
  });

  test("that cannot be written stops nobody from being served, says so once, and goes on when it can", async () => {
    await using site = await startSite({
      log: accessLog("%r").replace("$FOLDER/", "$FOLDER/later/"),
    });
    for (let i = 0; i < 3; i++) await site.text("lab.fcgi");
    await logged(site.fpm, "later/access.log takes no lines (ENOENT");
    await site.text("lab.fcgi");
    mkdirSync(`${site.folder}/later`);
    await logged(site.fpm, "takes lines again");
    expect(site.fpm.log()).toMatch(
      / error access log: \S+ takes no lines .* warn access log: \S+ takes lines again/s,
    );
    await waitUntil("all lines are there", () => linesIn(site, "later/access.log").length === 4);
    expect(site.fpm.log().match(/takes no lines/g)?.length).toBe(1);
  });

  test("of root is never written through a link that a program has put there", async () => {
    if (process.geteuid?.() !== 0) return;
    await using site = await startSite({ log: accessLog("%r").replace("$FOLDER/", "$FOLDER/logs/") });
    const [logs, victim] = [`${site.folder}/logs`, `${site.folder}/victim`];
    mkdirSync(logs);
    chownSync(logs, 65_534, 65_534);
    writeFileSync(victim, "precious\n");
    symlinkSync(victim, `${logs}/access.log`);
    await site.text("lab.fcgi");
    await logged(site.fpm, `${logs}/access.log is a symbolic link`);
    expect((await command(site.fpm, "reopen-logs")).status).toBe(1);
    expect(readFileSync(victim, "utf8")).toBe("precious\n");
    rmSync(`${logs}/access.log`);
    expect((await command(site.fpm, "reopen-logs")).status).toBe(0);
    expect(linesIn(site, "logs/access.log")).toEqual(["/direct/lab.fcgi"]);
  });

  test("can be turned on and off by a reload", async () => {
    await using site = await startSite({ log: accessLog("%r").replace("$FOLDER/access.log", "") });
    await site.text("lab.fcgi");
    edit(site.fpm, 'file = ""\nformat', `file = "${site.folder}/access.log"\nformat`);
    site.fpm.signal("SIGHUP");
    await logged(site.fpm, "changed=access_log.file");
    await site.text("lab.fcgi");
    expect(await firstLine(site)).toBe("/direct/lab.fcgi");
    edit(site.fpm, `file = "${site.folder}/access.log"`, 'file = ""');
    site.fpm.signal("SIGHUP");
    await waitUntil("it is off", () => site.fpm.log().split("changed=access_log.file").length === 3);
    await site.text("lab.fcgi");
    expect(linesIn(site).length).toBe(1);
  });
});
