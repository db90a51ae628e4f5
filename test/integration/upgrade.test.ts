import { describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { copyOfExecutable, handOver } from "../support/hand-over.ts";
import { cpuMs, descriptorsOf, executableOf, isAlive } from "../support/processes.ts";
import { startSite } from "../support/site.ts";
import { answers, edit, logged } from "../support/std-fpm.ts";
import { startClients } from "../support/steady-clients.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

const HANDOVERS = 5;

describe("SIGUSR2", () => {
  test(`fails no request of 50 clients over ${HANDOVERS} hand-overs in a row`, async () => {
    await using site = await startSite({ app: "max_processes = 4", server: 'drain_timeout = "4s"' });
    const pids = [site.fpm.pid];
    const clients = startClients(site, 50);
    for (let i = 0; i < HANDOVERS; i++) {
      const before = clients.answered;
      await waitUntil("they are at work", () => clients.answered > before + 200, 20_000);
      pids.push(await handOver(site.fpm));
    }
    await waitUntil("the old ones have ended", () => site.fpm.daemons().length === 1, 20_000);
    expect(await clients.stop()).toEqual([]);
    expect(new Set(pids).size).toBe(HANDOVERS + 1);
    expect(pids.filter(isAlive)).toEqual([site.fpm.pid]);
    expect(await site.fpm.exited).toBe(0);
  });

  test("starts the executable that has been put in the place of the old one", async () => {
    using dir = makeTempDir();
    const executable = dir.at("std-fpm");
    await using site = await startSite({ command: [copyOfExecutable(executable)] });
    renameSync(copyOfExecutable(dir.at("new")), executable);
    await handOver(site.fpm);
    expect(executableOf(site.fpm.pid)).toBe(executable);
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
  });

  test("follows the link that it was started by anew", async () => {
    using dir = makeTempDir();
    const link = dir.at("std-fpm");
    const [first, second] = [copyOfExecutable(dir.at("first")), copyOfExecutable(dir.at("second"))];
    symlinkSync(first, link);
    await using site = await startSite({ command: [link] });
    for (const version of [second, first]) {
      symlinkSync(version, dir.at("new"));
      renameSync(dir.at("new"), link);
      await handOver(site.fpm);
      expect(executableOf(site.fpm.pid)).toBe(version);
    }
  });

  test("starts what was named by relative paths, though the folder they were seen from is deleted", async () => {
    using dir = makeTempDir();
    const [folder, executable] = [dir.at("started-here"), dir.at("std-fpm")];
    mkdirSync(folder);
    copyOfExecutable(executable);
    // What the test says of the configuration is told as seen from there.
    const named = 'exec ../std-fpm --config "$(realpath --relative-to=. "$3")"';
    await using site = await startSite({
      cwd: folder,
      command: ["/bin/bash", "-c", `set -- "$0" "$@"; ${named}`],
    });
    expect(readlinkSync(`/proc/${site.fpm.pid}/cwd`)).toBe("/");
    rmdirSync(folder);
    edit(site.fpm, "[app]", "[app]\nnice = 1");
    site.fpm.signal("SIGHUP");
    await logged(site.fpm, "configuration reloaded changed=app.nice");
    for (let i = 0; i < 2; i++) expect(executableOf(await handOver(site.fpm))).toBe(executable);
    expect(await site.text("lab.fcgi?op=env")).toContain(`cwd=${site.root}\n`);
  });

  test("lets a request in flight finish in the old one, while the new one serves", async () => {
    await using site = await startSite();
    const inFlight = site.ask("lab.fcgi?op=sleep&ms=1500");
    await waitUntil("the program works", () => site.fpm.backends().length > 0);
    await Bun.sleep(100);
    const old = site.fpm.pid;
    await handOver(site.fpm);
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
    const before = cpuMs(old);
    expect((await inFlight).status).toBe(200);
    // It does not spin on a socket that is the new one's.
    expect(cpuMs(old) - before).toBeLessThan(400);
    await waitUntil("the old one has ended", () => !isAlive(old));
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
  });

  test("lets what programs do of their own finish in the old one", async () => {
    const works = (name: string) =>
      `for i in 1 2 3 4 5 6 7 8; do sleep 0.25; echo $i > ${name}; done; echo done > ${name}\n`;
    const answers = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nok\\n'\nexec >&- 2>&-\n";
    const perl = `#!/usr/bin/perl
      use FCGI; my $r = FCGI::Request();
      while ($r->Accept() >= 0) {
        print "Content-Type: text/plain\\r\\n\\r\\nok\\n"; $r->Finish();
        for my $i (1..8, "done") { select undef, undef, undef, 0.25; open my $o, ">", "fcgi"; print $o $i; close $o }
      }\n`;
    const apps = '[[apps]]\nmatch = "**/*.cgi"\nextensions = [".cgi"]\nprotocol = "cgi"\n';
    await using site = await startSite({ apps, app: 'stop_timeout = "200ms"' });
    site.put("answered.cgi", `${answers}${works("answered")}`);
    site.put("left.cgi", `#!/bin/sh\n${works("left")}`);
    site.put("works.fcgi", perl);
    expect(await site.text("answered.cgi")).toBe("ok\n");
    expect(await site.text("works.fcgi")).toBe("ok\n");
    using client = await connectFcgi(site.fpm.socket);
    await client.send(client.encode(`${site.root}/left.cgi`, {}));
    const read = (name: string) => readFileSync(`${site.root}/${name}`, "latin1").trim();
    await waitUntil("all are at work", () =>
      ["answered", "left", "fcgi"].every((name) => existsSync(`${site.root}/${name}`)),
    );
    client[Symbol.dispose]();
    const old = site.fpm.pid;
    await handOver(site.fpm);
    await waitUntil("the old one has ended", () => !isAlive(old));
    expect(["answered", "left", "fcgi"].map(read)).toEqual(["done", "done", "done"]);
  });

  test("passes on no descriptor and no variable to programs, and leaves none open", async () => {
    await using site = await startSite();
    await handOver(site.fpm);
    const first = site.fpm.descriptors();
    await handOver(site.fpm);
    await waitUntil("the old ones have ended", () => site.fpm.daemons().length === 1);
    expect(site.fpm.descriptors()).toBe(first);
    const [, environment = ""] = (await site.text("lab.fcgi?op=env")).split("--\n");
    expect(environment).not.toContain("STD_FPM_HANDOVER");
    const others = [...descriptorsOf(Number(await site.text("lab.fcgi")))].filter(([fd]) => fd > 2);
    expect(others.length).toBeLessThanOrEqual(1);
  });
});

describe("with another configuration, the new one", () => {
  test("opens the addresses that are new and gives up those that have gone", async () => {
    using dir = makeTempDir();
    const [gone, added] = [dir.at("gone.sock"), dir.at("added.sock")];
    await using site = await startSite({ alsoListen: [gone] });
    using waiting = await connectFcgi(gone);
    await waiting.send(
      waiting.encode(`${site.root}/lab.fcgi`, { params: { QUERY_STRING: "op=sleep&ms=500" } }),
    );
    edit(site.fpm, gone, added);
    await handOver(site.fpm);
    expect([existsSync(gone), await answers(added)]).toEqual([false, true]);
    expect((await waiting.answer()).protocolStatus).toBe(0);
    await site.fpm.stop();
    expect(existsSync(added)).toBe(false);
  });

  test("gives a socket that it takes over the mode it should have now", async () => {
    await using site = await startSite({ server: 'listen_mode = "0600"' });
    edit(site.fpm, "0600", "0660");
    await handOver(site.fpm);
    const mode = Bun.spawnSync(["stat", "-c", "%a", site.fpm.socket]).stdout.toString().trim();
    expect(mode).toBe("660");
  });

  test("moves to another runtime folder, and the old one leaves nothing in its own", async () => {
    using dir = makeTempDir();
    await using site = await startSite({ listen: dir.at("s.sock") });
    const { fpm } = site;
    const [old, oldDir] = [fpm.pid, fpm.runtimeDir];
    await site.text("lab.fcgi");
    edit(fpm, `runtime_dir = "${oldDir}"`, `runtime_dir = "${dir.at("run")}"`);
    process.kill(old, "SIGUSR2");
    await waitUntil("the old one has ended", () => !isAlive(old));
    expect([existsSync(`${oldDir}/std-fpm.pid`), existsSync(`${oldDir}/instance`)]).toEqual([false, false]);
    const pid = Number(readFileSync(dir.at("run", "std-fpm.pid"), "latin1"));
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
    process.kill(pid, "SIGTERM");
    await waitUntil("the new one has ended", () => !isAlive(pid));
    expect([existsSync(dir.at("s.sock")), existsSync(dir.at("run", "std-fpm.pid"))]).toEqual([false, false]);
  });

  test("makes a socket anew whose file somebody has removed", async () => {
    await using site = await startSite();
    rmSync(site.fpm.socket);
    await handOver(site.fpm);
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
  });
});

describe("SIGTERM", () => {
  test("to the new one waits for the request that the old one still has in flight", async () => {
    await using site = await startSite();
    const inFlight = site.ask("lab.fcgi?op=sleep&ms=1500");
    await waitUntil("the program works", () => site.fpm.backends().length > 0);
    await Bun.sleep(100);
    await handOver(site.fpm);
    const stopped = site.fpm.stop();
    expect((await inFlight).status).toBe(200);
    await stopped;
  });

  test("to the new one ends the old one at once, too, when it is the second", async () => {
    await using site = await startSite({ app: 'stop_timeout = "200ms"' });
    const inFlight = site.ask("lab.fcgi?op=hang").catch(() => undefined);
    await waitUntil("the program works", () => site.fpm.backends().length > 0);
    await Bun.sleep(100);
    const pid = await handOver(site.fpm);
    process.kill(pid, "SIGTERM");
    await waitUntil("it stops", async () => !(await answers(site.fpm.socket)));
    process.kill(pid, "SIGTERM");
    await waitUntil("both have ended", () => site.fpm.daemons().length === 0, 1_500);
    await inFlight;
  });

  test("to the old one that finishes its requests does not cut them short, a second one does", async () => {
    await using site = await startSite({ app: 'stop_timeout = "200ms"' });
    const inFlight = site.ask("lab.fcgi?op=sleep&ms=1500");
    const hanging = site.ask("lab.fcgi?op=hang").catch(() => undefined);
    await waitUntil("two programs work", () => site.fpm.backends().length > 1);
    await Bun.sleep(100);
    const old = site.fpm.pid;
    await handOver(site.fpm);
    process.kill(old, "SIGTERM");
    expect((await inFlight).status).toBe(200);
    expect(isAlive(old)).toBe(true);
    process.kill(old, "SIGTERM");
    await waitUntil("the old one has ended", () => !isAlive(old), 1_500);
    await hanging;
  });
});

describe("SIGKILL", () => {
  test("of the new one, then a fresh start, serves again and ends what was left", async () => {
    await using site = await startSite();
    await site.text("lab.fcgi");
    await handOver(site.fpm);
    const old = site.fpm;
    const grandchild = Number(await site.text("lab.fcgi?op=fork-holder"));
    await old.kill();
    expect(isAlive(grandchild)).toBe(true);
    await site.restart();
    await waitUntil("the grandchild is gone", () => !isAlive(grandchild));
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
    expect([old.marked(), old.daemons()]).toEqual([[], []]);
  });
});
