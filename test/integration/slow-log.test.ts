import { describe, expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { resolve } from "node:path";
import { snapshotOf } from "../support/admin.ts";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { startSite } from "../support/site.ts";
import { endOf, linesOf, reportOf, SLOW_LOG } from "../support/slow-log.ts";
import { EXECUTABLE, edit, logged } from "../support/std-fpm.ts";
import { waitUntil } from "../support/wait-until.ts";

const isRoot = process.geteuid?.() === 0;
const WAITS = { "waits.fcgi": { copyOf: resolve("test/fixtures/programs/waits.fcgi") } };
const CGI = '[[apps]]\nmatch = "$ROOT/cgi-*.fcgi"\nprotocol = "cgi"';
const THREADS = { "threads.fcgi": { copyOf: resolve("dist/test-programs/threads") } };

/** Take connections and say nothing. */
const silentTcp = () => Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
const silentUnix = (unix: string) => Bun.listen({ unix, socket: { data() {} } });

describe("a slow request's report", () => {
  test("says that its program sleeps, and later how it ended, without its query", async () => {
    await using site = await startSite({ log: SLOW_LOG });
    const pid = await site.text("lab.fcgi?op=sleep&ms=1000");
    const report = await reportOf(site, "sleeps");
    expect(report).toMatch(
      /^slow request, 0\.[5-9] s so far: (0\.\d+ s for a process to start, )?0\.\d s in the program: sleeps \(clock_nanosleep\) program=/,
    );
    expect(report).toEndWith(
      ` program=${site.root}/lab.fcgi pid=${pid} request="GET /direct/lab.fcgi" host=localhost`,
    );
    const end = await endOf(site, "");
    expect(end).toMatch(
      /^slow request ended after 1\.\d s: .*1\.\d s in the program \(0\.0\d* s on the CPU\) program=/,
    );
    expect(end).toEndWith(`pid=${pid} request="GET /direct/lab.fcgi" host=localhost outcome=answered`);
    expect(site.fpm.log()).not.toContain("ms=1000");
  });

  test("says that its program computes, and at the end how much", async () => {
    await using site = await startSite({ log: SLOW_LOG });
    await site.text("lab.fcgi?op=busy&ms=1200");
    expect(await reportOf(site, "computes")).toMatch(/in the program: computes: \d+ % of a core/);
    const [, seconds] = /\(([\d.]+) s on the CPU\)/.exec(await endOf(site, "")) ?? [];
    expect(Number(seconds)).toBeGreaterThan(0.3);
  });

  test("names the holder of the file lock that its program waits for, and what that one is at", async () => {
    await using site = await startSite({ log: SLOW_LOG, files: WAITS });
    const file = `${site.folder}/the.lock`;
    const query = (ms: number) => `op=lock&file=${file}&ms=${ms}`;
    // On a busy machine the process of the one that waits takes a while to start.
    const holder = site.text(`waits.fcgi?${query(3500)}`);
    await reportOf(site, "or a timeout (pselect6)");
    const waiter = site.text(`waits.fcgi/waiter?${query(1)}`);
    const report = await reportOf(site, "waits for a file lock");
    expect(report).toContain(
      `waits for a file lock (flock) on ${file}, held by pid ${await holder} (waits.fcgi) at GET /direct/waits.fcgi program=`,
    );
    expect(report).toEndWith(`pid=${await waiter} request="GET /direct/waits.fcgi/waiter" host=localhost`);
  });

  test("tells threads that wait for a mutex from those that have nothing to do", async () => {
    const apps = '[[apps]]\nmatch = "$ROOT/threads.fcgi"\nconcurrency = 8';
    await using site = await startSite({ log: SLOW_LOG, files: THREADS, apps });
    const both = [site.text("threads.fcgi?mutex&ms=700"), site.text("threads.fcgi?mutex&ms=700")];
    const report = await reportOf(site, "waits for a lock");
    const threads = /in the program \(beside 1 other request\): (.*) program=/.exec(report)?.[1]?.split("; ");
    expect(threads?.sort()).toEqual([
      "sleeps (clock_nanosleep)",
      "waits for a lock, or for another thread (futex)",
    ]);
    await Promise.all(both);
  });

  test("names the server that its program waits for, by TCP and over a Unix socket", async () => {
    await using site = await startSite({ log: SLOW_LOG, files: WAITS });
    using tcp = silentTcp();
    using unix = silentUnix(`${site.folder}/db.sock`);
    const answers = [
      site.ask(`waits.fcgi?op=tcp&port=${tcp.port}`),
      site.ask(`waits.fcgi?op=unix&path=${site.folder}/db.sock`),
    ];
    expect(await reportOf(site, "from tcp")).toContain(
      `in the program: waits for data (read) from tcp 127.0.0.1:${tcp.port} program=`,
    );
    expect(await reportOf(site, "from unix")).toMatch(
      new RegExp(`: waits for data \\(read\\) from unix ${site.folder}/db.sock program=`),
    );
    tcp.stop(true);
    unix.stop(true);
    await Promise.all(answers);
  });

  test("names the servers that PHP waits for with poll(2), and not its connection to std-fpm", async () => {
    using tcp = silentTcp();
    const php = `<?php $s = fsockopen('127.0.0.1', ${tcp.port}); fgets($s); echo getmypid();`;
    const apps = `[[apps]]\nmatch = "$ROOT/*.php"\nextensions = [".php"]\ncommand = ["/usr/bin/php-cgi"]`;
    await using site = await startSite({ log: SLOW_LOG, files: { "db.php": php }, apps });
    const answer = site.text("db.php");
    const report = await reportOf(site, "waits for its sockets");
    expect(report).toMatch(
      new RegExp(
        `waits for its sockets or pipes, or a timeout \\(p?poll\\): tcp 127.0.0.1:${tcp.port} program="/usr/bin/php-cgi `,
      ),
    );
    tcp.stop(true);
    expect(report).toEndWith(
      `pid=${await answer} request="GET /direct/db.php" script=${site.root}/db.php host=localhost`,
    );
  });

  test("says what the child does that its program waits for, also over a pipe", async () => {
    await using site = await startSite({ log: SLOW_LOG, files: WAITS, apps: CGI });
    const run = "import subprocess\nsubprocess.run(['/bin/sleep', '1'], capture_output=True)\n";
    site.put("cgi-run.fcgi", `#!/usr/bin/python3\n${run}print('Content-Type: text/plain\\n\\nrun')\n`);
    const paths = ["waits.fcgi?op=child&ms=1000", "waits.fcgi?op=pipe&ms=1000", "cgi-run.fcgi"];
    const answers = paths.map((path) => site.text(path));
    // On a busy machine it may be on its way there.
    const child =
      /(:|; its child) sleep \(pid \d+\) (sleeps \(clock_nanosleep\)|computes: .*|runs.*) program=/;
    expect(await reportOf(site, "for a child (wait4)")).toMatch(child);
    expect(await reportOf(site, "from a pipe; its child sleep")).toMatch(child);
    expect(await reportOf(site, "sockets or pipes, or a timeout (poll); its child")).toMatch(child);
    await Promise.all(answers);
  });

  test("says that its program is stopped", async () => {
    await using site = await startSite({ log: SLOW_LOG });
    const pid = Number(await site.text("lab.fcgi"));
    const answer = site.text("lab.fcgi?op=sleep&ms=500");
    await Bun.sleep(100);
    process.kill(pid, "SIGSTOP");
    await reportOf(site, "is stopped (by SIGSTOP, or a debugger) program=");
    process.kill(pid, "SIGCONT");
    expect(await answer).toBe(String(pid));
  });

  test("of a request in the queue says who is in its way, and at the end how long it waited", async () => {
    await using site = await startSite({ app: "max_processes = 1", log: SLOW_LOG });
    const first = site.text("lab.fcgi?op=sleep&ms=1200");
    await waitUntil("the first is at work", () => site.fpm.log().includes("slow request,"));
    const others = [site.text("lab.fcgi/second"), site.text("lab.fcgi/third")];
    const pid = await first;
    const busy = `s for a process: the one process is busy; max_processes allows no more; `;
    const slowest = `pid ${pid} has been at GET /direct/lab.fcgi for `;
    expect(await reportOf(site, "GET /direct/lab.fcgi/second")).toContain(`${busy}${slowest}`);
    expect(await reportOf(site, "GET /direct/lab.fcgi/third")).toContain(
      `${busy}1 request before it; ${slowest}`,
    );
    await Promise.all(others);
    expect(await endOf(site, "lab.fcgi/second")).toMatch(
      /^slow request ended after 0\.\d s: waited 0\.\d s in the queue, 0\.\d+ s in the program/,
    );
  });

  test("of one that waits for its program to start says what that does", async () => {
    await using site = await startSite({
      lab: ["slow-boot.fcgi"],
      log: SLOW_LOG,
      programEnv: { LAB_BOOT_MS: "1000" },
    });
    const pid = await site.text("slow-boot.fcgi");
    expect(await reportOf(site, "")).toMatch(
      new RegExp(
        ` has waited 0\\.[4-9] s for a process: pid ${pid} has been starting for 0\\.[3-9] s: it sleeps \\(clock_nanosleep\\) program=`,
      ),
    );
    expect(await endOf(site, "")).toMatch(
      /^slow request ended after 1\.\d s: .*1\.\d s for a process to start/,
    );
  });

  test("says of a CGI program what it does, and that it waits for the body", async () => {
    const read =
      "#!/usr/bin/python3\nimport sys\nsys.stdin.buffer.read()\nprint('Content-Type: text/plain\\n\\nread')\n";
    // It would get its body whole otherwise.
    const apps = `${CGI}\nspool = "never"`;
    await using site = await startSite({ log: SLOW_LOG, files: { "cgi-read.fcgi": read }, apps });
    using connection = await connectFcgi(site.fpm.socket);
    const bytes = 128 * 1024;
    const params = { REQUEST_METHOD: "POST", REQUEST_URI: "/upload", CONTENT_LENGTH: String(bytes) };
    const request = connection.encode(`${site.root}/cgi-read.fcgi`, { params, body: new Uint8Array(bytes) });
    const half = request.length - 65536;
    await connection.send(request.subarray(0, half));
    expect(await reportOf(site, "/upload")).toMatch(
      /in the program: waits for the body of the request \(read\) program=/,
    );
    await connection.send(request.subarray(half));
    expect((await connection.answer()).stdout).toContain("read");
  });

  test("says so when it is the client that does not take the answer", async () => {
    await using site = await startSite({ log: SLOW_LOG });
    using connection = await connectFcgi(site.fpm.socket);
    const params = { QUERY_STRING: "op=download&bytes=16777216", REQUEST_URI: "/large" };
    connection.pause();
    await connection.send(connection.encode(`${site.root}/lab.fcgi`, { params }));
    expect(await reportOf(site, "/large")).toMatch(
      /waits until its answer is taken: the client is slow \(write\); its answer has begun program=/,
    );
    connection.resume();
    expect((await connection.answer()).stdout.length).toBeGreaterThan(16777216);
  });

  test("says what may not be read of a process of another user", async () => {
    // Another user's processes, and a std-fpm without the capability that would open them.
    const asOther = {
      app: 'user = "www-data"',
      command: ["/usr/bin/setpriv", "--bounding-set", "-sys_ptrace", EXECUTABLE],
    };
    await using site = await startSite({ log: SLOW_LOG, ...(isRoot ? asOther : {}) });
    chmodSync(site.folder, 0o755);
    const pid = await site.text("lab.fcgi?op=sleep&ms=1000");
    const cause = isRoot
      ? `sleeps in the kernel; std-fpm may not read /proc/${pid}/syscall program=`
      : "sleeps (clock_nanosleep) program=";
    expect(await reportOf(site, "")).toContain(`in the program: ${cause}`);
  });

  test("shows control characters of a path, and cannot be forged", async () => {
    await using site = await startSite({ log: SLOW_LOG });
    using connection = await connectFcgi(site.fpm.socket);
    const params = { REQUEST_URI: "/a\n\x1b[31mb?secret", QUERY_STRING: "op=sleep&ms=700" };
    await connection.request(`${site.root}/lab.fcgi`, { params });
    expect(await endOf(site, "")).toEndWith('request="GET /a\\n\\u001b[31mb" outcome=answered');
    expect(linesOf(site, "slow request")).toHaveLength(2);
    expect(site.fpm.log()).not.toContain("secret");
  });
});

test("a request that ends while its process is looked at has one report, at its end", async () => {
  await using site = await startSite({ log: SLOW_LOG });
  // Its start would count, too.
  await site.text("lab.fcgi");
  await site.ask("lab.fcgi?op=die-in-answer&ms=400");
  const end = await endOf(site, "");
  expect(end).toMatch(/^slow request ended after 0\.[4-9]\d* s: .* outcome=truncated code=BACKEND_BROKEN$/);
  expect(linesOf(site, "slow request,")).toEqual([]);
});

test("slow requests are reported from a reload on, and no more from the next", async () => {
  await using site = await startSite({ log: '[slow_log]\nafter = "0"' });
  await site.text("lab.fcgi?op=sleep&ms=700");
  edit(site.fpm, 'after = "0"', 'after = "200ms"');
  site.fpm.signal("SIGHUP");
  await logged(site.fpm, "changed=slow_log.after");
  expect(linesOf(site, "slow request")).toEqual([]);
  await site.text("lab.fcgi?op=sleep&ms=700");
  await endOf(site, "");
  const before = linesOf(site, "slow request").length;
  edit(site.fpm, 'after = "200ms"', 'after = "0"');
  site.fpm.signal("SIGHUP");
  await waitUntil("it is off", () => site.fpm.log().split("changed=slow_log.after").length === 3);
  await site.text("lab.fcgi?op=sleep&ms=700");
  expect(linesOf(site, "slow request")).toHaveLength(before);
});

test("of many slow requests a few are reported and the rest is counted; a fast program beside them stays fast", async () => {
  await using site = await startSite({ lab: ["lab.fcgi", "fast.fcgi"], log: SLOW_LOG });
  await site.text("fast.fcgi");
  const slow = Array.from({ length: 60 }, () => site.text("lab.fcgi?op=sleep&ms=1500"));
  await waitUntil("the rest is counted", () =>
    linesOf(site, "").some((line) => line.includes("more slow requests")),
  );
  await site.text("fast.fcgi");
  expect(slow.map((each) => Bun.peek.status(each))).toContain("pending");
  await Promise.all(slow);
  const counted = () => [
    ...site.fpm.log().matchAll(/ (\d+) more slow requests are not reported one by one: all at (\S+)/g),
  ];
  const reported = () => linesOf(site, "slow request ended").length;
  const sum = () => counted().reduce((total, [, count]) => total + Number(count), 0) + reported();
  await waitUntil("all are reported or counted", () => sum() >= 60);
  expect(sum()).toBe(60);
  expect(reported()).toBeLessThan(30);
  expect(counted()[0]?.[2]).toBe(`${site.root}/lab.fcgi`);
  const { total } = await snapshotOf(site.fpm);
  expect(total.slow).toBe(60);
});
