import { describe, expect, test } from "bun:test";
import { closeSync, constants, existsSync, mkdirSync, openSync, renameSync } from "node:fs";
import { command, snapshotOf } from "../support/admin.ts";
import { isAlive } from "../support/processes.ts";
import { startSite } from "../support/site.ts";
import { edit } from "../support/std-fpm.ts";
import { startClients } from "../support/steady-clients.ts";
import { makeTrustedDir } from "../support/temp-dir.ts";
import { TIME_FACTOR, waitUntil } from "../support/wait-until.ts";

describe("std-fpm reload", () => {
  test("says what has changed, or what is wrong with the file", async () => {
    await using site = await startSite({ server: 'head_timeout = "20s"' });
    const same = await command(site.fpm, "reload");
    expect([same.status, same.out]).toEqual([0, "the configuration was reloaded: nothing has changed\n"]);
    edit(site.fpm, '"20s"', '"21s"');
    edit(site.fpm, "[log]", '[admin]\nlisten = "other.sock"\n[log]');
    const socket = ["--socket", `${site.fpm.runtimeDir}/admin.sock`];
    expect((await command(site.fpm, "reload", ...socket)).out).toBe(
      "the configuration was reloaded; changed: server.head_timeout, admin.listen; to take effect with a restart: admin.listen\n",
    );
    edit(site.fpm, '"21s"', '"soon"');
    // The command itself needs no good file where it is told the socket.
    const bad = await command({ ...site.fpm, configFile: "/dev/null" }, "reload", ...socket);
    expect([bad.status, bad.out]).toEqual([1, ""]);
    expect(bad.err).toMatch(/^std-fpm: .*std-fpm\.toml:\d+: server\.head_timeout: expected a duration/);
    edit(site.fpm, '"soon"', '"21s"');
    edit(site.fpm, "other.sock", "admin.sock");
  });
});

describe("std-fpm stop", () => {
  test("waits for the end, and lets what is in flight finish", async () => {
    await using site = await startSite();
    const { pid } = site.fpm;
    const inFlight = site.ask("lab.fcgi?op=sleep&ms=2000");
    await waitUntil("it is at work", async () => (await snapshotOf(site.fpm)).total.in_flight === 1);
    const { out, status } = await command(site.fpm, "stop");
    expect(isAlive(pid)).toBe(false);
    expect([out, status]).toEqual([
      `pid ${pid}: finishes 1 request in flight, then ends\npid ${pid} has ended\n`,
      0,
    ]);
    expect((await inFlight).status).toBe(200);
    expect(existsSync(`${site.fpm.runtimeDir}/admin.sock`)).toBe(false);
    const again = await command(site.fpm, "stop");
    expect([again.status, again.out]).toEqual([1, ""]);
  });
});

describe("std-fpm upgrade", () => {
  test("hands over, and says to whom", async () => {
    await using site = await startSite();
    const old = site.fpm.pid;
    const { out, status } = await command(site.fpm, "upgrade");
    expect([out, status]).toEqual([`pid ${site.fpm.pid} has taken over from pid ${old}\n`, 0]);
    expect(site.fpm.pid).not.toBe(old);
    await waitUntil("the old one has ended", () => site.fpm.daemons().length === 1);
  });

  test("that fails says why, and the old one goes on", async () => {
    await using site = await startSite();
    edit(site.fpm, "[log]", "[lgo]");
    const socket = ["--socket", `${site.fpm.runtimeDir}/admin.sock`];
    const { err, status } = await command(site.fpm, "upgrade", ...socket);
    expect(status).toBe(1);
    expect(err).toBe(`std-fpm: pid ${site.fpm.pid} goes on: it ended with status 1\n`);
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
    edit(site.fpm, "[lgo]", "[log]");
  });
});

describe("std-fpm restart", () => {
  test("replaces a program's processes and fails no request of 20 clients", async () => {
    await using site = await startSite({ app: "max_processes = 3" });
    const clients = startClients(site, 20);
    await waitUntil("they are at work", () => clients.answered > 50);
    for (let turn = 0; turn < 5; turn++) {
      const before = site.fpm.backends();
      const { out, err, status } = await command(site.fpm, "restart", `${site.root}/lab.fcgi`);
      expect([err, status]).toEqual(["", 0]);
      expect(out).toMatch(/lab\.fcgi: new processes take the place of \d\n$/);
      await waitUntil("the old ones have ended", () => before.every((pid) => !isAlive(pid)), 20_000);
    }
    expect(await clients.stop()).toEqual([]);
  });

  test("of the only process that is allowed, which nobody asks anything of, starts another in its place", async () => {
    await using site = await startSite({ app: "max_processes = 1" });
    await site.text("lab.fcgi");
    const [before] = site.fpm.backends();
    const { err, status } = await command(site.fpm, "restart", `${site.root}/lab.fcgi`);
    expect([err, status]).toEqual(["", 0]);
    expect(isAlive(before as number)).toBe(false);
    expect(site.fpm.backends().length).toBe(1);
  });

  test("of a program that does not start any more says so, and the old processes go on", async () => {
    await using site = await startSite({ app: 'start_timeout = "300ms"', lab: ["lab.fcgi"] });
    const pid = await site.text("lab.fcgi");
    renameSync(site.put("lab.fcgi.new", "#!/bin/sh\nexit 7\n"), `${site.root}/lab.fcgi`);
    const { err, status } = await command(site.fpm, "restart", `${site.root}/lab.fcgi`);
    expect(status).toBe(1);
    expect(err).toContain("no new process can be started, the present ones go on");
    expect(isAlive(Number(pid))).toBe(true);
  });

  test("of what nobody knows says so", async () => {
    await using site = await startSite();
    for (const action of ["restart", "drain"]) {
      const { err, status } = await command(site.fpm, action, "/srv/none.fcgi");
      expect([err, status]).toEqual([
        'std-fpm: no process of "/srv/none.fcgi" runs: std-fpm status shows the names\n',
        1,
      ]);
    }
  });
});

describe("std-fpm drain", () => {
  test("ends a program's processes when they are free; the next request starts new ones", async () => {
    await using site = await startSite({ app: "min_processes = 1" });
    const idle = Number(await site.text("lab.fcgi"));
    const busy = site.ask("lab.fcgi?op=sleep&ms=600");
    await waitUntil("it is at work", async () => (await snapshotOf(site.fpm)).total.in_flight === 1);
    const { out, status } = await command(site.fpm, "drain", `${site.root}/lab.fcgi`);
    expect(status).toBe(0);
    expect(out).toMatch(/ends? when (?:it is|they are) free; a new request starts new ones\n$/);
    expect((await busy).status).toBe(200);
    await waitUntil("all have ended", () => !isAlive(idle) && site.fpm.backends().length === 0);
    expect(Number(await site.text("lab.fcgi"))).not.toBe(idle);
  });
});

describe("std-fpm kill", () => {
  test("kills one process of ours, and no other", async () => {
    await using site = await startSite();
    const pid = await site.text("lab.fcgi");
    const { out, status } = await command(site.fpm, "kill", pid);
    expect([out, status]).toEqual([`${site.root}/lab.fcgi (pid ${pid}) was killed\n`, 0]);
    expect(isAlive(Number(pid))).toBe(false);
    expect((await snapshotOf(site.fpm)).total.exits.asked_for).toBe(1);
    for (const wrong of [String(process.pid), String(site.fpm.pid), "1", "0", "x"]) {
      const refused = await command(site.fpm, "kill", wrong);
      expect([refused.status, refused.out]).toEqual([1, ""]);
    }
    expect(isAlive(site.fpm.pid)).toBe(true);
  });
});

test("names of programs reach the terminal without what would steer it", async () => {
  await using site = await startSite();
  const path = site.put("red\u001b[31m\u202e.fcgi", { copyOf: "dist/test-programs/lab" });
  const pid = await site.text("red%1b%5b31m%e2%80%ae.fcgi");
  for (const args of [
    ["kill", pid],
    ["restart", path],
    ["drain", path],
    ["restart", `${path}x`],
  ] as const) {
    const { out, err } = await command(site.fpm, ...args);
    expect(`${out}${err}`).toContain("red");
    for (const steering of ["\u001b", "\u202e"]) expect(`${out}${err}`).not.toContain(steering);
  }
  for (const name of ["\u009b31m.fcgi", "\u202e.fcgi", "plain.fcgi"]) {
    site.put(name, { copyOf: "dist/test-programs/lab" });
    await site.text(encodeURIComponent(name));
  }
  // They are typed again, as completion offers them: others are left out.
  expect((await command(site.fpm, "status", "--programs")).out).toBe(`${site.root}/plain.fcgi\n`);
});

describe("std-fpm reopen-logs", () => {
  test("does it where the log is a file", async () => {
    await using site = await startSite();
    expect((await command(site.fpm, "reopen-logs")).status).toBe(0);
  });

  test("fails where a log cannot be opened, names each, and so does the log on a signal", async () => {
    await using site = await startSite({ log: '[access_log]\nfile = "$FOLDER/logs/access.log"' });
    const file = `${site.folder}/logs/access.log`;
    const { status, out, err } = await command(site.fpm, "reopen-logs");
    expect([status, out]).toEqual([1, ""]);
    expect(err).toStartWith(`std-fpm: access_log.file: ${file} takes no lines (ENOENT`);
    site.fpm.signal("SIGUSR1");
    const told = "error a log was not opened anew: access_log.file: ";
    await waitUntil("it is told again", () => site.fpm.log().split(told).length === 3);
    mkdirSync(`${site.folder}/logs`);
    expect((await command(site.fpm, "reopen-logs")).out).toBe("the logs were opened anew\n");
    expect(existsSync(file)).toBe(true);
  });

  test("does not wait for ever for a log that takes nothing", async () => {
    using dir = makeTrustedDir();
    const fifo = dir.at("access.log");
    Bun.spawnSync(["mkfifo", fifo]);
    await using site = await startSite({ log: `[access_log]\nfile = "${fifo}"` });
    const before = performance.now();
    const { status, err } = await command(site.fpm, "reopen-logs");
    expect(performance.now() - before).toBeLessThan(5000 * TIME_FACTOR);
    expect([status, err]).toEqual([
      1,
      expect.stringContaining(`access_log.file: ${fifo} does not take what waits`),
    ]);
    // What waits for a reader waits no more.
    closeSync(openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK));
  });
});
