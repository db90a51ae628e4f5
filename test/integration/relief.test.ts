import { describe, expect, test } from "bun:test";
import { command, snapshotOf } from "../support/admin.ts";
import { isAlive } from "../support/processes.ts";
import { type Site, startSite } from "../support/site.ts";
import { edit } from "../support/std-fpm.ts";
import { waitUntil } from "../support/wait-until.ts";

const CHILDREN = 4;
const PAGES = 8;
/** Takes PHP some tens of milliseconds to compile, and nothing to run. */
const LIBRARY = `<?php\n${Array.from({ length: 6000 }, (_, n) => `function f${n}($a) { return $a * ${n} + strlen("x$a"); }`).join("\n")}\n`;
/** Tells its tree, the settings it was started with, and whether something had to be compiled for it: frozen where that was the library. */
const PAGE = `<?php
if (getenv("CRASH")) posix_kill(getmypid(), SIGKILL_NUMBER);
$hasLibrary = opcache_is_script_cached(__DIR__ . "/library.php");
include __DIR__ . "/library.php";
$part = __DIR__ . "/part-" . preg_replace("/\\\\D/", "", $_SERVER["SCRIPT_NAME"]) . ".php";
$isWarm = opcache_is_script_cached($part) && $hasLibrary;
include $part;
usleep(2000);
echo posix_getppid(), " ", getenv("TURN"), " ", $isWarm ? "warm" : ($hasLibrary ? "cold" : "frozen");
`.replace("SIGKILL_NUMBER", "9");

const FILES = Object.fromEntries([
  ["library.php", LIBRARY],
  ...Array.from({ length: PAGES }, (_, n) => [`page-${n}.php`, PAGE]),
  ...Array.from({ length: PAGES }, (_, n) => [`part-${n}.php`, `<?php $part = ${n};`]),
]) as Record<string, string>;

function startPhpSite(settings: string, server = ""): Promise<Site> {
  return startSite({
    lab: [],
    server,
    files: FILES,
    apps: `[[apps]]
name = "php"
match = "$ROOT/**/*.php"
extensions = [".php"]
command = ["/usr/bin/php-cgi", "-d", "opcache.enable=1", "-d", "opcache.file_update_protection=0"]
children = ${CHILDREN}
env = { TURN = "1" }
${settings}
`,
  });
}

interface Visit {
  readonly tree: string;
  readonly turn: string;
  readonly state: string;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** Visitors who ask for one page after the other, without a pause. A request that fails fails the test. */
function startVisitors(site: Site, count: number) {
  const visits: Visit[] = [];
  let isOver = false;
  const visitor = async (first: number) => {
    for (let n = first; !isOver; n++) {
      const startedAt = performance.now();
      const text = await site.text(`page-${n % PAGES}.php`);
      const [tree = "", turn = "", state = ""] = text.split(" ");
      visits.push({ tree, turn, state, startedAt, endedAt: performance.now() });
    }
  };
  const visitors = Array.from({ length: count }, (_, number) => visitor(number));
  const failure = Promise.all(visitors);
  failure.catch(() => {});
  return {
    visits,
    async stop() {
      isOver = true;
      await failure;
    },
  };
}

const isCold = ({ state }: Visit) => state !== "warm";

type Visitors = ReturnType<typeof startVisitors>;

async function treesOf(site: Site) {
  return (await snapshotOf(site.fpm)).programs.flatMap(({ process_list }) => process_list ?? []);
}

/** Resolves when so many more visits are over. */
async function more(visitors: Visitors, count: number): Promise<void> {
  const until = visitors.visits.length + count;
  await waitUntil("more visits are over", () => visitors.visits.length >= until, 20_000);
}

function p99(visits: readonly Visit[]): number {
  const times = visits.map(({ startedAt, endedAt }) => endedAt - startedAt).sort((a, b) => a - b);
  return times[Math.floor(times.length * 0.99)] as number;
}

const isServing = ({ state }: { state: string }) => ["idle", "busy"].includes(state);

describe("a tree of php-cgi that is replaced under load", () => {
  test("leaves when the new one is warm: no request fails, none waits, and none meets a cold cache then", async () => {
    await using site = await startPhpSite("max_processes = 1");
    const visitors = startVisitors(site, CHILDREN);
    const { visits } = visitors;
    await more(visitors, 200);
    const before = visits.length;
    await more(visitors, 600);
    const usual = p99(visits.slice(before));
    const from = visits.length;
    const [old] = await treesOf(site);
    edit(site.fpm, 'TURN = "1"', 'TURN = "2"');
    site.fpm.signal("SIGHUP");
    await waitUntil("the old tree has gone", () => !isAlive(old?.pid as number), 20_000);
    const goneAt = performance.now();
    await more(visitors, 600);
    await visitors.stop();
    const during = visits.slice(from);
    expect(new Set(visits.map(({ tree, turn }) => `${tree} ${turn}`)).size).toBe(2);
    const cold = during.filter(isCold);
    expect(cold.length).toBeGreaterThanOrEqual(PAGES);
    expect(cold.filter(({ startedAt }) => startedAt > goneAt)).toEqual([]);
    // One visitor waited while the library was compiled, and all others as long as before; the machine has more to do than this test.
    expect(cold.filter(({ state }) => state === "frozen").length).toBe(1);
    expect(p99(during)).toBeLessThan(usual * 3 + 50);
  });

  test("leaves to the old tree what the new one cannot do: no request fails, and the next try takes over", async () => {
    await using site = await startPhpSite("max_processes = 1");
    const visitors = startVisitors(site, CHILDREN);
    await more(visitors, 100);
    const [old] = await treesOf(site);
    edit(site.fpm, 'TURN = "1"', 'TURN = "2", CRASH = "1"');
    site.fpm.signal("SIGHUP");
    await waitUntil("it is given up", () => site.fpm.log().includes("left requests unanswered"), 20_000);
    await more(visitors, 100);
    expect(isAlive(old?.pid as number)).toBe(true);
    expect(site.fpm.log()).toContain("the new version cannot be started, the old one goes on serving");
    edit(site.fpm, ', CRASH = "1"', "");
    site.fpm.signal("SIGHUP");
    await waitUntil("the old tree has gone", () => !isAlive(old?.pid as number), 20_000);
    await visitors.stop();
    expect(new Set(visitors.visits.map(({ turn }) => turn))).toEqual(new Set(["1", "2"]));
  });

  test("for its age in requests is relieved in the same way", async () => {
    await using site = await startPhpSite("max_processes = 1\nmax_requests = 300");
    const visitors = startVisitors(site, CHILDREN);
    await more(visitors, 20);
    const [old] = await treesOf(site);
    await waitUntil("the old tree has gone", () => !isAlive(old?.pid as number), 20_000);
    const goneAt = performance.now();
    await more(visitors, 100);
    await visitors.stop();
    const { visits } = visitors;
    expect(new Set(visits.map(({ tree }) => tree)).size).toBeGreaterThanOrEqual(2);
    const next = visits.filter(({ tree }) => tree !== String(old?.pid));
    expect(next.filter(isCold).filter(({ startedAt }) => startedAt > goneAt)).toEqual([]);
  });
});

test("trees are replaced one after the other: there is one more while that goes on, and never one less", async () => {
  await using site = await startPhpSite("max_processes = 2\nmin_processes = 2");
  const visitors = startVisitors(site, 2 * CHILDREN);
  await waitUntil("both serve", async () => (await treesOf(site)).filter(isServing).length === 2);
  const before = (await treesOf(site)).map(({ pid }) => pid);
  const restarted = command(site.fpm, "restart", "php");
  const seen: number[] = [];
  await waitUntil(
    "both have gone",
    async () => {
      seen.push((await treesOf(site)).filter(isServing).length);
      return !before.some(isAlive);
    },
    30_000,
  );
  expect((await restarted).out).toBe("php: new processes take the place of 2\n");
  await visitors.stop();
  expect([Math.min(...seen), Math.max(...seen)]).toEqual([2, 3]);
  await waitUntil("both ends are logged", () => site.fpm.log().match(/restarted by hand/g)?.length === 2);
});

test("after a change of a file that counts as part of the program the next request sees the new version", async () => {
  await using site = await startPhpSite('max_processes = 1\nrestart_on_change = ["$ROOT/release"]');
  const tree = async () => (await site.text("page-0.php")).split(" ")[0];
  const first = await tree();
  site.put("release", "2");
  const second = await waitUntil("it is noticed", async () => {
    const now = await tree();
    return now !== first && now;
  });
  for (let i = 0; i < 10; i++) expect(await tree()).toBe(second as string);
});

test("where all programs together leave no room for one more tree, the old one goes first", async () => {
  await using site = await startPhpSite("", "max_processes = 1");
  const [first] = (await site.text("page-0.php")).split(" ");
  expect((await command(site.fpm, "restart", "php")).out).toBe("php: new processes take the place of 1\n");
  expect((await site.text("page-0.php")).split(" ")[0]).not.toBe(first as string);
});
