import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, lstatSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { groupId } from "../../src/base/accounts.ts";
import { admin, command, snapshotOf } from "../support/admin.ts";
import { runCli } from "../support/cli-process.ts";
import { handOver } from "../support/hand-over.ts";
import { type Site, startSite } from "../support/site.ts";
import { answers, EXECUTABLE, startStdFpm } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

const CLIENTS = 200;
const ASKED = 60;
const PATHS = ["/status", "/status.json?full", "/metrics", "/healthz"];

describe("the admin socket", () => {
  test(`answers in under 50 ms while ${CLIENTS} clients keep every process busy`, async () => {
    await using site = await startSite({ app: "max_processes = 4" });
    const clients = keepBusy(site);
    await waitUntil("all are busy, others wait", async () => {
      const { total } = await snapshotOf(site.fpm);
      return total.processes.busy === 4 && total.queue_length > CLIENTS / 2;
    });
    const times: number[] = [];
    for (let turn = 0; turn < ASKED; turn++) {
      for (const path of PATHS) {
        const since = performance.now();
        const answer = await admin(site.fpm, path);
        await answer.text();
        times.push(performance.now() - since);
        expect(answer.status).toBe(200);
      }
    }
    times.sort((a, b) => a - b);
    // Others use this machine, too: now and then one of them is in the way.
    expect(times[Math.floor(times.length * 0.95)]).toBeLessThan(50);
    expect(await clients.stop()).toEqual([]);
  });

  test("is for its own user alone, and is gone after the stop", async () => {
    await using site = await startSite();
    expect(lstatSync(`${site.fpm.runtimeDir}/admin.sock`).mode & 0o777).toBe(0o600);
  });

  test("of a daemon that was killed is taken over, of one that lives is not", async () => {
    await using site = await startSite();
    await site.fpm.kill();
    await site.restart();
    expect((await admin(site.fpm, "/healthz")).status).toBe(200);
    using dir = makeTempDir();
    const taken = `[admin]\nlisten = "${site.fpm.runtimeDir}/admin.sock"\n`;
    const other = await startStdFpm({ folder: dir.path, noWait: true, apps: taken });
    expect(await other.exited).toBe(1);
    expect(other.log()).toContain("admin.sock: another process answers there");
    expect((await admin(site.fpm, "/healthz")).status).toBe(200);
    writeFileSync(dir.at("plain"), "");
    const onFile = await startStdFpm({
      folder: dir.path,
      noWait: true,
      apps: `[admin]\nlisten = "${dir.at("plain")}"\n`,
    });
    expect(await onFile.exited).toBe(1);
    expect(onFile.log()).toContain("a file that is not a socket is there");
  });

  test("keeps a second daemon from harming one whose pid file was removed", async () => {
    await using site = await startSite();
    const pid = await site.text("lab.fcgi");
    rmSync(`${site.fpm.runtimeDir}/std-fpm.pid`);
    const second = Bun.spawnSync([EXECUTABLE, "serve", "--config", site.fpm.configFile]);
    expect([second.exitCode, second.stderr.toString()]).toEqual([
      1,
      // The file is made again within a second: whichever the second daemon comes upon.
      expect.stringMatching(/another process answers there|Another std-fpm runs in/),
    ]);
    expect(second.stderr.toString()).not.toContain("ended processes");
    expect(await site.text("lab.fcgi")).toBe(pid);
    site.put("other.fcgi", { copyOf: "dist/test-programs/lab" });
    expect((await site.ask("other.fcgi")).status).toBe(200);
  });

  test("goes to the new daemon on SIGUSR2", async () => {
    await using site = await startSite();
    const before = await snapshotOf(site.fpm);
    const pid = await handOver(site.fpm);
    const after = await snapshotOf(site.fpm);
    expect([after.pid, after.state]).toEqual([pid, "running"]);
    expect(after.pid).not.toBe(before.pid);
    await waitUntil("the old one has ended", () => site.fpm.daemons().length === 1);
    expect((await admin(site.fpm, "/readyz")).status).toBe(200);
  });

  test("is not needed", async () => {
    await using site = await startSite({ apps: '[admin]\nlisten = ""\n' });
    expect(await answers(`${site.fpm.runtimeDir}/admin.sock`)).toBe(false);
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
    expect((await command(site.fpm, "status")).err).toContain("`admin.listen` off");
  });

  test("is not ready while it drains, and answers until the end", async () => {
    await using site = await startSite();
    expect(await (await admin(site.fpm, "/readyz")).text()).toBe("ready\n");
    expect(await command(site.fpm, "status", "--ready")).toEqual({ out: "ready\n", err: "", status: 0 });
    const inFlight = site.ask("lab.fcgi?op=sleep&ms=2500");
    await waitUntil("it is at work", async () => (await snapshotOf(site.fpm)).total.in_flight === 1);
    site.fpm.signal("SIGTERM");
    const ready = await waitUntil("it drains", async () => {
      const answer = await admin(site.fpm, "/readyz");
      return answer.status === 503 ? answer.text() : undefined;
    });
    expect(ready).toBe("draining\n");
    const { err, status } = await command(site.fpm, "status", "--ready");
    expect([err, status]).toEqual([expect.stringContaining("admin.sock answered 503: draining\n"), 1]);
    expect((await admin(site.fpm, "/healthz")).status).toBe(200);
    expect((await inFlight).status).toBe(200);
  });
});

describe("on a TCP address", () => {
  test("one may look and not act, also after SIGUSR2", async () => {
    const port = freePort();
    await using site = await startSite({ apps: `[admin]\nlisten = "127.0.0.1:${port}"\n` });
    const url = `http://127.0.0.1:${port}`;
    const first = (await (await fetch(`${url}/status.json`)).json()) as { pid: number };
    expect(first.pid).toBe(site.fpm.pid);
    const refused = await fetch(`${url}/reload`, { method: "POST" });
    expect([refused.status, await refused.text()]).toEqual([
      403,
      "Over TCP one may look, and not act: use the Unix socket.\n",
    ]);
    expect((await command(site.fpm, "reload")).status).toBe(1);
    const pid = await handOver(site.fpm);
    await waitUntil("the new one answers", async () => {
      const answer = await fetch(`${url}/status.json`).catch(() => undefined);
      return answer && ((await answer.json()) as { pid: number }).pid === pid;
    });
  });

  test("a connection is for one answer; who waits for the end or for events stays", async () => {
    const port = freePort();
    await using site = await startSite({ apps: `[admin]\nlisten = ["admin.sock", "127.0.0.1:${port}"]\n` });
    const descriptors = () => readdirSync(`/proc/${site.fpm.pid}/fd`).length;
    const before = descriptors();
    const there = { hostname: "127.0.0.1", port };
    // As `std-fpm stop` waits, while requests are finished.
    const stopping = await holdOpen({ unix: `${site.fpm.runtimeDir}/admin.sock` }, "/ended");
    const [ended, events] = await Promise.all(["/ended", "/events"].map((path) => holdOpen(there, path)));
    const askers = await Promise.all(Array.from({ length: 100 }, () => holdOpen(there, "/healthz")));
    await waitUntil("all have their answer and are let go", () => askers.every(({ isOpen }) => !isOpen));
    expect(askers.map(({ text }) => text.slice(-3))).toEqual(Array(100).fill("ok\n"));
    await waitUntil("their descriptors are free", () => descriptors() <= before + 3);
    // Longer than an answer may be unread.
    const heard = events?.text.length ?? 0;
    await Bun.sleep(13_000);
    expect([ended?.isOpen, events?.isOpen, ended?.text]).toEqual([true, true, ""]);
    expect([stopping.isOpen, stopping.text]).toEqual([true, ""]);
    stopping.socket.end();
    expect(events?.text.length).toBeGreaterThan(heard);
    ended?.socket.end();
    events?.socket.end();
  });

  test("that somebody else has, or that strangers reach, std-fpm does not start", async () => {
    using taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    for (const [listen, why] of [
      [`127.0.0.1:${taken.port}`, "another process listens there"],
      ["0.0.0.0:9001", "is reached over the network"],
    ]) {
      using dir = makeTempDir();
      const fpm = await startStdFpm({
        folder: dir.path,
        noWait: true,
        apps: `[admin]\nlisten = "${listen}"\n`,
      });
      expect(await fpm.exited).toBe(1);
      expect(fpm.log()).toContain(why as string);
      await fpm.stop();
    }
  });
});

describe("on a second Unix socket", () => {
  test("a group may look and not act, and others may not look; the first stays its user's alone", async () => {
    using dir = makeTempDir();
    chmodSync(dir.path, 0o755);
    const listen = `["admin.sock", "${dir.at("status.sock")}"]`;
    await using site = await startSite({
      apps: `[admin]\nlisten = ${listen}\nlisten_group = "daemon"\nlisten_mode = "0660"\n`,
    });
    const facts = lstatSync(dir.at("status.sock"));
    expect([facts.mode & 0o777, facts.gid]).toEqual([0o660, groupId("daemon") as number]);
    expect(lstatSync(`${site.fpm.runtimeDir}/admin.sock`).mode & 0o777).toBe(0o600);
    const curl = (group: string, ...words: string[]) => {
      const become = ["setpriv", "--reuid=65534", `--regid=${group}`, "--clear-groups"];
      const ask = ["curl", "-s", "--unix-socket", dir.at("status.sock"), ...words];
      return Bun.spawnSync([...become, ...ask]).stdout.toString();
    };
    expect(curl("daemon", "http://localhost/metrics")).toContain("std_fpm_start_time_seconds ");
    expect(curl("daemon", "-X", "POST", "http://localhost/reload")).toBe(
      "On this socket one may look, and not act: use the first one of `[admin] listen`.\n",
    );
    expect(curl("65534", "http://localhost/metrics")).toBe("");
    expect((await command(site.fpm, "reload")).status).toBe(0);
    const pid = await handOver(site.fpm);
    await waitUntil("the new one answers", () =>
      curl("daemon", "http://localhost/status").includes(`pid ${pid}`),
    );
    rmSync(dir.at("status.sock"));
    await waitUntil("the file is made again", () => existsSync(dir.at("status.sock")));
    await waitUntil("with its group", () => curl("daemon", "http://localhost/healthz") === "ok\n");
  });

  test("of no use is pointed out, as is a group that is not there", async () => {
    using dir = makeTempDir();
    const check = async (admin: string) => {
      writeFileSync(dir.at("c.toml"), `server.include = ""\napp.user = "root"\n[admin]\n${admin}\n`);
      const { err, status } = await runCli("check", "--config", dir.at("c.toml"));
      return [status, err.replace(dir.at("c.toml"), "")];
    };
    expect((await check('listen_group = "daemon"'))[1]).toContain(
      "admin.listen_group: it is for who may look",
    );
    expect(await check('listen = ["admin.sock", "s.sock"]\nlisten_group = "no-such"')).toEqual([
      1,
      ':5: admin.listen_group: there is no group "no-such"\n',
    ]);
    expect((await check('listen = ["a.sock", "a.sock"]'))[1]).toContain('"a.sock" is in the list twice');
  });
});

describe("over HTTP", () => {
  test("paths, methods and forms are told apart", async () => {
    await using site = await startSite();
    const ask = async (path: string, init?: RequestInit) => {
      const answer = await admin(site.fpm, path, init);
      return [answer.status, answer.headers.get("Content-Type")];
    };
    const text = "text/plain; charset=utf-8";
    const json = { headers: { Accept: "application/json" } };
    expect(await ask("/status", json)).toEqual([200, "application/json"]);
    expect(await ask("/status", { headers: { Accept: "text/html,*/*" } })).toEqual([200, text]);
    expect(await ask("/metrics")).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
    expect(await ask("/")).toEqual([200, "text/html; charset=utf-8"]);
    expect(await ask("/nowhere")).toEqual([404, text]);
    expect(await ask("/reload")).toEqual([405, text]);
    expect(await ask("/status", { method: "POST" })).toEqual([405, text]);
    expect(await ask("/status", { method: "DELETE" })).toEqual([405, text]);
    expect(await ask("/status", { headers: { Host: "evil.example" } })).toEqual([421, text]);
    expect((await admin(site.fpm, "/metrics")).text()).resolves.toStartWith("# HELP std_fpm_info ");
    const foreign = { method: "POST", headers: { Origin: "http://evil.example" } };
    expect(await ask("/stop", foreign)).toEqual([403, text]);
  });

  test("events come once a second, for sixteen pages, and end with the daemon", async () => {
    await using site = await startSite();
    const open = await Promise.all(Array.from({ length: 16 }, () => admin(site.fpm, "/events")));
    expect((await admin(site.fpm, "/events")).status).toBe(503);
    const [first, ...others] = open;
    for (const other of others) await other.body?.cancel();
    const reader = first?.body?.getReader();
    let text = "";
    while ((text.match(/^data: /gm) ?? []).length < 3)
      text += Buffer.from((await reader?.read())?.value ?? []);
    const uptimes = [...text.matchAll(/"uptime_seconds":([\d.]+)/g)].map(([, seconds]) => Number(seconds));
    expect((uptimes[2] ?? 0) - (uptimes[0] ?? 0)).toBeGreaterThan(1);
    await waitUntil("there is room again", async () => {
      const answer = await admin(site.fpm, "/events");
      await answer.body?.cancel();
      return answer.status === 200;
    });
    site.fpm.signal("SIGTERM");
    while (!(await reader?.read())?.done);
    expect(await site.fpm.exited).toBe(0);
  });
});

/** Clients that ask again and again for something that takes its time; what they were refused when they stop. */
function keepBusy(site: Site) {
  const url = `http://127.0.0.1:${site.nginx.port}/kept/lab.fcgi?op=sleep&ms=20`;
  const wrk = Bun.spawn(["wrk", "-t1", `-c${CLIENTS}`, "-d120s", "--timeout", "30s", url], {
    stdout: "pipe",
  });
  return {
    async stop() {
      wrk.kill("SIGINT");
      const summary = await new Response(wrk.stdout).text();
      return summary.split("\n").filter((line) => /Non-2xx|Socket errors/.test(line));
    },
  };
}

function freePort(): number {
  using probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  return probe.port;
}

/** Asks over a connection that the client does not close. */
async function holdOpen(where: { hostname: string; port: number } | { unix: string }, path: string) {
  const held = { isOpen: true, text: "" };
  const handlers = {
    data(_: unknown, chunk: Uint8Array) {
      held.text += Buffer.from(chunk).toString();
    },
    close() {
      held.isOpen = false;
    },
  };
  const socket = await ("unix" in where
    ? Bun.connect({ ...where, socket: handlers })
    : Bun.connect({ ...where, socket: handlers }));
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  return Object.assign(held, { socket });
}
