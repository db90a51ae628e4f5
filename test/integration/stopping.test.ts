import { describe, expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { isAlive } from "../support/processes.ts";
import { startSite } from "../support/site.ts";
import { answers, startStdFpm } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

describe("SIGTERM", () => {
  test("lets a request in flight finish, takes no new one and leaves nothing behind", async () => {
    await using site = await startSite();
    const inFlight = site.ask("lab.fcgi?op=sleep&ms=1000");
    await waitUntil("the program works", () => site.fpm.backends().length > 0);
    await Bun.sleep(100);
    site.fpm.signal("SIGTERM");
    await waitUntil("nobody accepts", async () => !(await answers(site.fpm.socket)));
    expect((await site.ask("lab.fcgi")).status).toBe(502);
    expect((await inFlight).status).toBe(200);
    expect(await site.fpm.exited).toBe(0);
  });

  test("answers every request of every client that had connected, unless it met the close of a kept connection", async () => {
    await using site = await startSite({ app: "max_processes = 4" });
    const lab = `${site.root}/lab.fcgi`;
    const params = { REQUEST_METHOD: "POST", QUERY_STRING: "op=sleep&ms=3" };
    let answered = 0;
    const client = async (keepConn: boolean) => {
      for (;;) {
        const connection = await connectFcgi(site.fpm.socket).catch(() => undefined);
        if (!connection) return;
        let id = 1;
        do {
          const answer = await connection.request(lab, { id, keepConn, params }).catch((error) => {
            // On a kept connection a request may meet the close; nothing of it has run then.
            if (id === 1 || connection.records.some(({ requestId }) => requestId === id)) throw error;
          });
          if (!answer) break;
          answered++;
          id++;
          // A kept connection is closed when it has been idle for 100 ms.
          if (keepConn) await Bun.sleep(150);
        } while (keepConn && !connection.isClosed);
      }
    };
    const clients = Array.from({ length: 50 }, (_, i) => client(i % 2 === 0));
    await waitUntil("they are at work", () => answered > 200);
    site.fpm.signal("SIGTERM");
    await Promise.all(clients);
    expect(await site.fpm.exited).toBe(0);
  });

  test("answers who has connected and takes a while to send the request", async () => {
    await using site = await startSite();
    using connection = await connectFcgi(site.fpm.socket);
    site.fpm.signal("SIGTERM");
    await waitUntil("it stops", () => site.fpm.log().includes(" info stopping "));
    await Bun.sleep(300);
    expect((await connection.request(`${site.root}/lab.fcgi`)).stdout).toMatch(/\d+$/);
    expect(await site.fpm.exited).toBe(0);
  });

  test.each(["SIGTERM", "SIGINT", "SIGQUIT"] as const)("an idle std-fpm ends at once on %s", async (name) => {
    await using site = await startSite();
    await site.text("lab.fcgi", "kept");
    const started = performance.now();
    site.fpm.signal(name);
    expect(await site.fpm.exited).toBe(0);
    expect(performance.now() - started).toBeLessThan(1_500);
  });

  test("ends a process that somebody has stopped", async () => {
    await using site = await startSite();
    const pid = Number(await site.text("lab.fcgi"));
    process.kill(pid, "SIGSTOP");
    const started = performance.now();
    site.fpm.signal("SIGTERM");
    expect(await site.fpm.exited).toBe(0);
    // Before stop_timeout.
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(isAlive(pid)).toBe(false);
  });

  test("ends requests in flight after drain_timeout", async () => {
    await using site = await startSite({
      server: 'drain_timeout = "300ms"',
      app: 'stop_timeout = "200ms"\nabort_timeout = "200ms"',
    });
    const inFlight = site.ask("lab.fcgi?op=hang").catch(() => undefined);
    await waitUntil("the program works", () => site.fpm.backends().length > 0);
    site.fpm.signal("SIGTERM");
    const started = performance.now();
    await site.fpm.exited;
    expect(performance.now() - started).toBeLessThan(3_000);
    await inFlight;
  });

  test("a second one ends it at once", async () => {
    await using site = await startSite({ app: 'stop_timeout = "200ms"' });
    const inFlight = site.ask("lab.fcgi?op=hang").catch(() => undefined);
    await waitUntil("the program works", () => site.fpm.backends().length > 0);
    site.fpm.signal("SIGTERM");
    await waitUntil("it drains", async () => !(await answers(site.fpm.socket)));
    const started = performance.now();
    site.fpm.signal("SIGTERM");
    await site.fpm.exited;
    expect(performance.now() - started).toBeLessThan(1_500);
    await inFlight;
  });

  test("ends with status 0 however often it comes, up to the very end", async () => {
    for (let turn = 0; turn < 5; turn++) {
      await using site = await startSite();
      await site.text("lab.fcgi");
      const { pid } = site.fpm;
      const exited = site.fpm.exited.then((status) => ({ status }));
      let end: { status: number } | undefined;
      while (!end) {
        if (isAlive(pid)) process.kill(pid, "SIGTERM");
        end = await Promise.race([exited, new Promise<undefined>((resolve) => setImmediate(resolve))]);
      }
      expect(end.status).toBe(0);
    }
  });

  test("ends a program that ignores it, after stop_timeout", async () => {
    await using site = await startSite({ lab: ["ignore-term.fcgi"], app: 'stop_timeout = "300ms"' });
    await site.text("ignore-term.fcgi");
  });

  test("ends what a program has started, too", async () => {
    await using site = await startSite({ app: 'stop_timeout = "300ms"' });
    const grandchild = Number(await site.text("lab.fcgi?op=fork-holder"));
    expect(isAlive(grandchild)).toBe(true);
    site.fpm.signal("SIGTERM");
    await site.fpm.exited;
    await waitUntil("the grandchild is gone", () => !isAlive(grandchild));
  });

  test("ends what has left its program's process group, too, and says so", async () => {
    await using site = await startSite({ app: 'stop_timeout = "300ms"' });
    const daemon = Number(await site.text("lab.fcgi?op=fork-daemon"));
    site.fpm.signal("SIGTERM");
    await site.fpm.exited;
    await waitUntil("it is gone", () => !isAlive(daemon));
    expect(site.fpm.log()).toContain(`ended processes that programs left pids=${daemon}`);
  });

  test("while a program is starting leaves nothing behind", async () => {
    await using site = await startSite({ lab: ["slow-boot.fcgi"], app: 'stop_timeout = "300ms"' });
    const starting = site.ask("slow-boot.fcgi").catch(() => undefined);
    await waitUntil("it starts", () => site.fpm.backends().length > 0);
    site.fpm.signal("SIGTERM");
    await site.fpm.exited;
    await starting;
  });
});

describe("SIGKILL", () => {
  test("leaves no process of a program running", async () => {
    await using site = await startSite();
    const pid = Number(await site.text("lab.fcgi"));
    await site.fpm.kill();
    await waitUntil("the program is gone", () => !isAlive(pid));
    await site.restart();
    expect(Number(await site.text("lab.fcgi"))).not.toBe(pid);
  });

  test("leaves a socket file that the next start takes over, and grandchildren that it ends", async () => {
    await using site = await startSite();
    const grandchild = Number(await site.text("lab.fcgi?op=fork-holder"));
    const old = site.fpm;
    await old.kill();
    expect(existsSync(old.socket)).toBe(true);
    expect(isAlive(grandchild)).toBe(true);
    await site.restart();
    await waitUntil("the grandchild is gone", () => !isAlive(grandchild));
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
    expect(old.marked()).toEqual([]);
  });
});

describe("the socket", () => {
  test("of a living std-fpm is not taken over, and goes on serving", async () => {
    await using site = await startSite();
    using dir = makeTempDir();
    const second = await startStdFpm({ folder: dir.path, listen: site.fpm.socket, noWait: true });
    expect(await second.exited).not.toBe(0);
    expect(second.log()).toContain(site.fpm.socket);
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
  });

  test("is not made out of a plain file that has its name", async () => {
    using dir = makeTempDir();
    writeFileSync(dir.at("precious"), "data");
    const fpm = await startStdFpm({ folder: dir.path, listen: dir.at("precious"), noWait: true });
    expect(await fpm.exited).not.toBe(0);
    expect(await Bun.file(dir.at("precious")).text()).toBe("data");
  });

  test("has the mode that the configuration says", async () => {
    using dir = makeTempDir();
    const fpm = await startStdFpm({ folder: dir.path, server: 'listen_mode = "0600"' });
    const mode = Bun.spawnSync(["stat", "-c", "%a %F", fpm.socket]).stdout.toString().trim();
    await fpm.stop();
    expect(mode).toBe("600 socket");
  });
});

/** Three workers below a manager that counts them, and waits for each. */
const MANAGED = `#!/usr/bin/perl
use FCGI; use FCGI::ProcManager;
my $manager = FCGI::ProcManager->new({ n_processes => 3 });
my $request = FCGI::Request(\\*STDIN, \\*STDOUT, \\*STDERR, \\my %env);
$manager->pm_manage();
while ($request->Accept() >= 0) {
  $manager->pm_pre_dispatch();
  print "Content-Type: text/plain\\r\\n\\r\\n$$\\n";
  select undef, undef, undef, 0.1 if $env{QUERY_STRING} =~ /slow/;
  $request->Finish();
  exit 0 if $env{QUERY_STRING} =~ /leave/;
  $manager->pm_post_dispatch();
}
`;

test.each([1, 3])(
  "a program that manages workers of its own ends in order, with concurrency = %i",
  async (concurrency) => {
    await using site = await startSite({
      files: { "managed.fcgi": MANAGED },
      lab: [],
      app: `concurrency = ${concurrency}\nmax_processes = 3`,
    });
    await Promise.all(Array.from({ length: 12 }, () => site.text("managed.fcgi?slow")));
    for (let i = 0; i < 4; i++) await site.text("managed.fcgi?leave", i % 2 === 0 ? "direct" : "kept");
    const stopping = performance.now();
    site.fpm.signal("SIGTERM");
    expect(await site.fpm.exited).toBe(0);
    expect(performance.now() - stopping).toBeLessThan(3000);
    expect(site.fpm.log()).not.toContain("ended by SIGKILL");
  },
);
