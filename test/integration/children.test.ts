import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { command, snapshotOf } from "../support/admin.ts";
import { isAlive } from "../support/processes.ts";
import { type Site, startSite } from "../support/site.ts";
import { endOf, reportOf, SLOW_LOG } from "../support/slow-log.ts";
import { waitUntil } from "../support/wait-until.ts";

/** Tells its pid and its parent's; waits first when it is asked to, or works without end. */
const PAGE = `<?php
if (isset($_GET["loop"])) while (true) { $x = 1; }
if (isset($_GET["burn"])) for ($until = getrusage()["ru_utime.tv_sec"] * 1e6 + getrusage()["ru_utime.tv_usec"] + 60000; getrusage()["ru_utime.tv_sec"] * 1e6 + getrusage()["ru_utime.tv_usec"] < $until;);
usleep((int) ($_GET["us"] ?? 0));
echo getmypid(), " ", posix_getppid_of_proc(), " ", getenv("PHP_FCGI_CHILDREN");
function posix_getppid_of_proc() { return preg_match("/^PPid:\\t(\\d+)/m", file_get_contents("/proc/self/status"), $m) ? $m[1] : "?"; }
`;

let site: Site;

beforeAll(async () => {
  site = await startSite({
    lab: [],
    apps: `[[apps]]
match = "/**/*.php"
extensions = [".php"]
command = ["/usr/bin/php-cgi", "-d", "max_execution_time=0"]
children = 3
max_processes = 1
request_timeout = "1500ms"
`,
  });
  site.put("page.php", PAGE, 0o644);
});

afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

async function processes() {
  return (await snapshotOf(site.fpm)).programs.flatMap(({ process_list }) => process_list ?? []);
}

describe("a command with children", () => {
  test("serves as many requests at once from one process that has started them", async () => {
    const answers = await Promise.all(["", "", ""].map(() => site.text("page.php?us=700000")));
    const [workers, parents, told] = [0, 1, 2].map(
      (at) => new Set(answers.map((each) => each.split(" ")[at])),
    );
    expect([workers?.size, parents?.size, [...(told ?? [])]]).toEqual([3, 1, ["3"]]);
    const [process, ...others] = await processes();
    expect(others).toEqual([]);
    expect([String(process?.pid), process?.children.length]).toEqual([String([...(parents ?? [])][0]), 3]);
    for (const pid of workers ?? []) expect(process?.children.map(String)).toContain(pid as string);
  });

  test("of which one takes too long loses that one, and the others finish their requests", async () => {
    const [before] = await processes();
    const hung = site.ask("page.php?loop");
    await waitUntil("it has been at it for a while", async () =>
      (await processes()).some(({ requests }) => requests.some(({ age_seconds: age }) => age > 0.9)),
    );
    const other = site.text("page.php?us=1100000");
    const answer = await hung;
    expect([answer.status, answer.end]).toEqual([504, "complete"]);
    await other;
    const [after, ...more] = await processes();
    expect([after?.pid, more]).toEqual([before?.pid as number, []]);
    const killed = (before?.children ?? []).filter((pid) => !isAlive(pid));
    expect(killed.length).toBe(1);
    await waitUntil("the process has another child in its place", async () => {
      const [now] = await processes();
      return now?.children.length === 3 && !now.children.includes(killed[0] as number);
    });
    expect(site.fpm.log()).toContain(`one of its children was killed program=`);
    expect(site.fpm.log()).toContain(`(pid ${killed[0]}, child of ${before?.pid}) did not finish within`);
    expect((await site.text("page.php")).split(" ")[1]).toBe(String(before?.pid));
  });

  test("loses the one that is killed by its pid, with its request, and puts another one in its place", async () => {
    const posts = ["", "", ""].map(() => site.ask("page.php?us=1200000", { body: Buffer.from("a") }));
    await waitUntil("all are at work", async () => (await processes())[0]?.requests.length === 3);
    const [before] = await processes();
    const [child = 0] = before?.children ?? [];
    const { out, status } = await command(site.fpm, "kill", String(child));
    expect(out).toMatch(
      new RegExp(`^${child}, a child of .*php-cgi.* \\(pid ${before?.pid}\\), was killed\\n$`),
    );
    expect([status, (await Promise.all(posts)).map((each) => each.status).sort()]).toEqual([
      0,
      [200, 200, 502],
    ]);
    await waitUntil("another one has taken its place", async () => {
      const [now] = await processes();
      return now?.pid === before?.pid && now?.children.length === 3 && !now.children.includes(child);
    });
  });

  test("is counted with them: memory and CPU time are those of all", async () => {
    const burn = "page.php?burn";
    await Promise.all([site.text(burn), site.text(burn), site.text(burn)]);
    const [process] = await processes();
    expect(process?.cpu_seconds).toBeGreaterThan(0.15);
    const statm = await Bun.file(`/proc/${process?.pid}/statm`).text();
    const [, resident = 0, shared = 0] = statm.split(" ").map((pages) => Number(pages) * 4096);
    expect(process?.memory_bytes).toBeGreaterThan(1.5 * (resident - shared));
  });
});

describe("a child that works on for a client that has left", () => {
  const left = (site: Site, what: string) => site.ask(`page.php?${what}`, { leaveAfterMs: 150 });
  const start = (more: string) =>
    startSite({
      lab: [],
      files: { "page.php": PAGE },
      apps: `[[apps]]\nmatch = "/**/*.php"\nextensions = [".php"]\ncommand = ["/usr/bin/php-cgi", "-d", "max_execution_time=0"]\nchildren = 2\n${more}`,
    });

  test("keeps its place, and nobody waits for it where another tree may be started", async () => {
    await using site = await start("");
    await site.text("page.php");
    await Promise.all([left(site, "us=4000000"), left(site, "us=4000000")]);
    const asked = performance.now();
    await site.text("page.php");
    expect(performance.now() - asked).toBeLessThan(2000);
  });

  test("gives it back when it is done; who waits for it is served then", async () => {
    await using site = await start('max_processes = 1\nidle_timeout = "200ms"');
    const parent = (await site.text("page.php")).split(" ")[1];
    await Promise.all([left(site, "us=1500000"), left(site, "us=1500000")]);
    const answers = await Promise.all(["", "", ""].map(() => site.text("page.php")));
    expect(new Set(answers.map((each) => each.split(" ")[1]))).toEqual(new Set([parent]));
  });

  test("has its limits: it is killed, and the request that waits is not", async () => {
    await using site = await start('max_processes = 1\nrequest_timeout = "1500ms"');
    const parent = (await site.text("page.php")).split(" ")[1];
    await Promise.all([left(site, "loop"), left(site, "loop")]);
    expect((await site.text("page.php")).split(" ")[1]).toBe(parent);
    expect(site.fpm.log()).toContain("one of its children was killed");
    expect(site.fpm.log()).toContain('reason="request timeout"');
  });

  test("is waited for by a tree that is to leave", async () => {
    await using site = await start("");
    await site.text("page.php");
    const [tree] = site.fpm.backends();
    await Promise.all([left(site, "us=2500000"), left(site, "loop")]);
    await command(site.fpm, "drain", "/**/*.php");
    await Bun.sleep(3000);
    expect(isAlive(tree as number)).toBe(true);
  });

  test("makes room after ten seconds where all do and requests wait, SIGTERM first", async () => {
    await using site = await start("max_processes = 1");
    const parent = (await site.text("page.php")).split(" ")[1];
    await Promise.all([left(site, "us=60000000"), left(site, "us=60000000")]);
    await waitUntil("it is on its own", async () => {
      const { programs } = await snapshotOf(site.fpm);
      return programs[0]?.processes.on_its_own === 1 && programs[0].processes.idle === 0;
    });
    const asked = performance.now();
    expect((await site.text("page.php")).split(" ")[1]).toBe(parent);
    expect(performance.now() - asked).toBeGreaterThan(8000);
    const told = [...site.fpm.log().matchAll(/one of its children was told to end .*reason="left alone"/g)];
    expect([told.length, site.fpm.log().includes("was killed")]).toEqual([1, false]);
  });
});

test("a report of a slow request is about the child that is at it", async () => {
  await using slow = await startSite({
    lab: [],
    log: SLOW_LOG,
    files: { "page.php": PAGE },
    apps: '[[apps]]\nmatch = "/**/*.php"\nextensions = [".php"]\ncommand = ["/usr/bin/php-cgi"]\nchildren = 4\n',
  });
  const others = [slow.text("page.php?us=600000"), slow.text("page.php?us=600000")];
  const [pid] = (await slow.text("page.php?us=1500000")).split(" ");
  await Promise.all(others);
  const report = await reportOf(slow, `pid=${pid} `);
  expect(report).toContain("in the program: sleeps (clock_nanosleep) program=");
  expect(await endOf(slow, `pid=${pid} `)).not.toContain("on the CPU");
});

test("a report names what the child is at that holds a lock", async () => {
  const page = `<?php $f = fopen(__DIR__ . "/lock", "c"); flock($f, LOCK_EX); touch(__DIR__ . "/held"); usleep((int) $_GET["us"]); echo "ok";`;
  await using locked = await startSite({
    lab: [],
    log: SLOW_LOG,
    files: { "lock.php": page, lock: "" },
    apps: '[[apps]]\nmatch = "/**/*.php"\nextensions = [".php"]\ncommand = ["/usr/bin/php-cgi"]\nchildren = 3\n',
  });
  const holder = locked.text("lock.php?us=2500000");
  await waitUntil("the lock is held", () => existsSync(`${locked.root}/held`));
  await locked.text("lock.php?us=0");
  await holder;
  const report = await reportOf(locked, "waits for a file lock");
  expect(report).toMatch(/held by pid \d+ \(php-cgi\) at GET \S*lock\.php/);
});

test("its children end with it, and none is told of as left behind", async () => {
  await using restarted = await startSite({
    lab: [],
    files: { "page.php": PAGE },
    apps: '[[apps]]\nmatch = "/**/*.php"\nextensions = [".php"]\ncommand = ["/usr/bin/php-cgi"]\nchildren = 8\n',
  });
  await restarted.text("page.php");
  await waitUntil("all have begun", () => restarted.fpm.backends().length === 9);
  const all = restarted.fpm.backends();
  restarted.fpm.signal("SIGTERM");
  expect(await restarted.fpm.exited).toBe(0);
  expect(all.filter(isAlive)).toEqual([]);
  expect(restarted.fpm.log()).not.toContain("that programs left");
});
