import { describe, expect, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { command } from "../support/admin.ts";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { isAlive } from "../support/processes.ts";
import { startSite } from "../support/site.ts";
import { answers, edit, logged, type StdFpm } from "../support/std-fpm.ts";
import { startClients } from "../support/steady-clients.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

const RELOADS = 20;
/** What is known of a file may be a second old. */
const NOTICED_MS = 1100;

/** An interpreter for all scripts below $ROOT, in a table of its own. */
const PHP = '[[apps]]\nmatch = "$ROOT/**/*.php"\nextensions = [".php"]\ncommand = ["/usr/bin/php-cgi"]\n';

describe("SIGHUP", () => {
  test.each([
    ["its match", "", (root: string) => `/usr/bin/php-cgi (${root}/**/*.php)`],
    ["its name", 'name = "php"\n', () => "php"],
  ])(
    "leaves a command's processes alone where a table is put before theirs: they are known by %s",
    async (_, name, known) => {
      const files = { "pid.php": "<?php echo getmypid();" };
      await using site = await startSite({ lab: [], files, apps: `${PHP}${name}` });
      const pid = await site.text("pid.php");
      const before = await command(site.fpm, "status");
      edit(site.fpm, "[[apps]]", '[[apps]]\nmatch = "/elsewhere/**"\nqueue_length = 7\n\n[[apps]]');
      await reload(site.fpm);
      expect(await site.text("pid.php")).toBe(pid);
      const program = known(site.root);
      for (const { out } of [before, await command(site.fpm, "status")]) expect(out).toContain(program);
      const restarted = await command(site.fpm, "restart", program);
      expect(restarted.out).toBe(`${program}: new processes take the place of 1\n`);
      expect(await site.text("pid.php")).not.toBe(pid);
    },
  );

  test(`fails no request of 50 clients over ${RELOADS} reloads`, async () => {
    await using site = await startSite({ app: "max_processes = 4", programEnv: { TURN: "0" } });
    const clients = startClients(site, 50);
    const { pid } = site.fpm;
    for (let turn = 0; turn < RELOADS; turn++) {
      const before = clients.answered;
      await waitUntil("they are at work", () => clients.answered > before + 50, 20_000);
      edit(site.fpm, `max_processes = ${4 - (turn % 2)}`, `max_processes = ${3 + (turn % 2)}`);
      if (turn % 5 === 4) edit(site.fpm, /TURN = "\d+"/, `TURN = "${turn}"`);
      await reload(site.fpm);
    }
    expect(await clients.stop()).toEqual([]);
    expect(site.fpm.pid).toBe(pid);
  });

  test("keeps what holds when the file is bad, and logs each problem in a line of its own", async () => {
    await using site = await startSite({ server: 'head_timeout = "20s"' });
    const good = readFileSync(site.fpm.configFile, "utf8");
    writeFileSync(site.fpm.configFile, `${good.replace('"20s"', '"soon"')}\nno_such_key = 1\n`);
    site.fpm.signal("SIGHUP");
    await logged(site.fpm, "the configuration was not reloaded: everything stays as it was");
    const lines = site.fpm.log().split("\n");
    for (const key of ["server.head_timeout", "no_such_key"]) {
      const problem = lines.filter((line) => line.includes(key));
      expect(problem.length).toBe(1);
      expect(problem[0]).toMatch(/ error .*std-fpm\.toml:\d+: .* code=CONFIG_INVALID$/);
    }
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
    writeFileSync(site.fpm.configFile, good);
    await reload(site.fpm);
    expect(site.fpm.log()).toContain("configuration reloaded: nothing has changed");
  });

  test.each(["emptied", "removed"])("keeps what holds when the file was %s", async (what) => {
    await using site = await startSite({ server: "max_connections = 99" });
    const good = readFileSync(site.fpm.configFile, "utf8");
    if (what === "emptied") writeFileSync(site.fpm.configFile, "");
    else rmSync(site.fpm.configFile);
    site.fpm.signal("SIGHUP");
    await logged(site.fpm, "the configuration was not reloaded: everything stays as it was");
    expect(site.fpm.log()).toMatch(/ error .*std-fpm\.toml: (the file is empty|cannot be read: there is no)/);
    expect((await command(site.fpm, "reload")).status).toBe(1);
    writeFileSync(site.fpm.configFile, good);
    await reload(site.fpm);
    expect(site.fpm.log()).toContain("configuration reloaded: nothing has changed");
  });

  test("says which keys have changed, and keeps what needs a restart until SIGUSR2", async () => {
    using dir = makeTempDir();
    await using site = await startSite({
      alsoListen: [dir.at("old.sock")],
      programEnv: { SECRET: "hunter2" },
    });
    edit(site.fpm, dir.at("old.sock"), dir.at("new.sock"));
    edit(site.fpm, "hunter2", "hunter3");
    await reload(site.fpm);
    expect(site.fpm.log()).toContain('changed="server.listen, app.env" needs_restart=server.listen');
    expect(site.fpm.log()).not.toContain("hunter");
    expect([await answers(dir.at("old.sock")), await answers(dir.at("new.sock"))]).toEqual([true, false]);
    const old = site.fpm.pid;
    site.fpm.signal("SIGUSR2");
    await waitUntil("another daemon serves", () => site.fpm.pid !== old);
    await waitUntil("the old one has ended", () => site.fpm.daemons().length === 1);
    expect([await answers(dir.at("old.sock")), await answers(dir.at("new.sock"))]).toEqual([false, true]);
  });

  test("during the stop is ignored with a line", async () => {
    await using site = await startSite();
    const inFlight = site.ask("lab.fcgi?op=sleep&ms=1000");
    await waitUntil("the program works", () => site.fpm.backends().length > 0);
    await Bun.sleep(100);
    site.fpm.signal("SIGTERM");
    await logged(site.fpm, "stopping");
    site.fpm.signal("SIGHUP");
    await logged(site.fpm, "not reloading the configuration: std-fpm is stopping");
    expect((await inFlight).status).toBe(200);
  });
});

describe("after a reload", () => {
  test("log.level and log.format hold", async () => {
    await using site = await startSite();
    edit(site.fpm, 'level = "debug"\nformat = "plain"', 'level = "info"\nformat = "json"');
    await reload(site.fpm);
    const before = site.fpm.log().length;
    await site.text("lab.fcgi");
    await site.ask("none.fcgi");
    const lines = site.fpm.log().slice(before).trim().split("\n");
    const written = lines.map((line) => JSON.parse(line) as { level: string });
    expect(written.map(({ level }) => level)).not.toContain("debug");
    expect(written.length).toBeGreaterThan(0);
  });

  test("requests find other programs, with other settings", async () => {
    await using site = await startSite({ lab: ["lab.fcgi", "lab.other"], programEnv: { GREETING: "one" } });
    expect(await site.text("lab.fcgi?op=env")).toContain("GREETING=one\n");
    const path = { SCRIPT_FILENAME: `${site.root}/lab.other` };
    expect((await ask(site.fpm, path)).stdout).toStartWith("Status: 404");
    edit(site.fpm, "[app]\n", '[app]\nextensions = [".fcgi", ".other"]\n');
    edit(site.fpm, 'GREETING = "one"', 'GREETING = "two"');
    await reload(site.fpm);
    expect((await ask(site.fpm, path)).stdout).toStartWith("Content-");
    await waitUntil("new processes serve", async () =>
      (await site.text("lab.fcgi?op=env")).includes("GREETING=two\n"),
    );
  });

  test("processes that nobody asks for are replaced where what they were started with has changed", async () => {
    await using site = await startSite({ lab: ["lab.fcgi", "gone.fcgi"], programEnv: { GREETING: "one" } });
    const [lab, gone] = [Number(await site.text("lab.fcgi")), Number(await site.text("gone.fcgi"))];
    edit(site.fpm, 'GREETING = "one"', 'GREETING = "two"');
    const warm = `[[apps]]\nmatch = "${site.root}/lab.fcgi"\nmin_processes = 2\n`;
    const elsewhere = `[[apps]]\nmatch = "${site.root}/gone.fcgi"\nroots = ["/nowhere"]\n`;
    writeFileSync(site.fpm.configFile, readFileSync(site.fpm.configFile, "utf8") + warm + elsewhere);
    await reload(site.fpm);
    await waitUntil("the old ones have ended", () => !isAlive(lab) && !isAlive(gone));
    await waitUntil("two are kept", () => site.fpm.backends().length === 2);
    expect(await site.text("lab.fcgi?op=env")).toContain("GREETING=two\n");
    expect((await site.ask("gone.fcgi")).status).toBe(404);
  });

  test.each([
    ["an interpreter", "command"],
    ["a program of its own", "script"],
  ])(
    "that changes nothing, processes of %s stay though the script is missing that was asked for",
    async (_, kind) => {
      const php = `command = ["/usr/bin/php-cgi"]\nmin_processes = 2`;
      await using site = await startSite({
        files: { "install.php": "<?php echo getmypid();" },
        lab: ["gone.fcgi"],
        apps: `[[apps]]\nmatch = "/**/*.php"\nextensions = [".php"]\n${php}\n`,
      });
      const script = kind === "command" ? "install.php" : "gone.fcgi";
      const pid = Number(await site.text(script));
      rmSync(`${site.root}/${script}`);
      await Bun.sleep(NOTICED_MS);
      const before = site.fpm.backends();
      await reload(site.fpm);
      await reload(site.fpm);
      await Bun.sleep(300);
      expect(site.fpm.backends()).toEqual(before);
      // What such a program is started with holds for those that come now, and its settings are looked at still.
      edit(site.fpm, "[app]\n", '[app]\nwrapper = ["/usr/bin/env"]\n');
      await reload(site.fpm);
      if (kind === "command") await waitUntil("new processes serve", () => !isAlive(pid));
      else expect(isAlive(pid)).toBe(true);
      if (kind === "command") edit(site.fpm, 'extensions = [".php"]', 'extensions = [".phtml"]');
      else edit(site.fpm, "[app]\n", '[app]\nextensions = [".other"]\n');
      await reload(site.fpm);
      await waitUntil("all have ended", () => site.fpm.backends().length === 0);
      await logged(site.fpm, 'reason="not configured any more"');
    },
  );

  test("head_timeout and body_timeout hold for open connections", async () => {
    await using site = await startSite();
    using silent = await connectFcgi(site.fpm.socket);
    await Bun.sleep(50);
    edit(site.fpm, "[server]\n", '[server]\nhead_timeout = "200ms"\n');
    await reload(site.fpm);
    await silent.closed();
    edit(site.fpm, "[app]\n", '[app]\nbody_timeout = "200ms"\n');
    await reload(site.fpm);
    using stalled = await connectFcgi(site.fpm.socket);
    const params = { QUERY_STRING: "op=count", CONTENT_LENGTH: "10" };
    await stalled.send(stalled.encode(`${site.root}/lab.fcgi`, { params, body: null }));
    expect((await stalled.answer()).stdout).toStartWith("Status: 408");
  });

  test("max_connections holds: lower, and higher again", async () => {
    await using site = await startSite({ server: "max_connections = 10" });
    const open = await Promise.all([1, 2, 3].map(() => connectFcgi(site.fpm.socket)));
    const kept = (index: number) => ask(site.fpm, {}, open[index]);
    for (const index of [0, 1, 2]) await kept(index);
    edit(site.fpm, "max_connections = 10", "max_connections = 2");
    await reload(site.fpm);
    using waiting = await connectFcgi(site.fpm.socket);
    await waiting.send(waiting.encode(`${site.root}/lab.fcgi`));
    open[0]?.[Symbol.dispose]();
    await kept(1);
    await Bun.sleep(100);
    expect(waiting.records.length).toBe(0);
    edit(site.fpm, "max_connections = 2", "max_connections = 3");
    await reload(site.fpm);
    expect((await waiting.answer()).protocolStatus).toBe(0);
    for (const connection of open) connection[Symbol.dispose]();
  });

  test("server.max_processes holds: surplus processes leave, and more may come", async () => {
    await using site = await startSite({ server: "max_processes = 4" });
    const askAll = () => Promise.all([1, 2, 3, 4].map(() => site.text("lab.fcgi?op=sleep&ms=300")));
    await askAll();
    await waitUntil("four run", async () => (await askAll()) && site.fpm.backends().length === 4);
    edit(site.fpm, "max_processes = 4", "max_processes = 2");
    await reload(site.fpm);
    await waitUntil("two have left", () => site.fpm.backends().length === 2);
    await askAll();
    expect(site.fpm.backends().length).toBeLessThanOrEqual(2);
    edit(site.fpm, "max_processes = 2", "max_processes = 4");
    await reload(site.fpm);
    await waitUntil("four run again", async () => (await askAll()) && site.fpm.backends().length === 4);
  });

  test("drain_timeout holds for the next stop", async () => {
    await using site = await startSite({ app: 'stop_timeout = "200ms"\nabort_timeout = "200ms"' });
    const hanging = site.ask("lab.fcgi?op=hang").catch(() => undefined);
    await waitUntil("the program works", () => site.fpm.backends().length > 0);
    edit(site.fpm, "[server]\n", '[server]\ndrain_timeout = "200ms"\n');
    await reload(site.fpm);
    const started = performance.now();
    site.fpm.signal("SIGTERM");
    expect(await site.fpm.exited).toBe(0);
    expect(performance.now() - started).toBeLessThan(3_000);
    await hanging;
  });
});

/** Sends SIGHUP and waits until the log says that it was done. */
async function reload(fpm: StdFpm): Promise<void> {
  const count = () => fpm.log().split("configuration reloaded").length;
  const before = count();
  fpm.signal("SIGHUP");
  await waitUntil("the configuration was reloaded", () => count() > before);
}

async function ask(
  fpm: StdFpm,
  params: Record<string, string>,
  on?: Awaited<ReturnType<typeof connectFcgi>>,
) {
  const connection = on ?? (await connectFcgi(fpm.socket));
  const id = 1 + connection.records.length;
  const script = `${fpm.configFile.replace(/[^/]*$/, "")}www/lab.fcgi`;
  const answer = await connection.request(script, { id, keepConn: true, params });
  if (!on) connection[Symbol.dispose]();
  return answer;
}
