import { describe, expect, test } from "bun:test";
import type { Snapshot } from "../../src/status/snapshot.ts";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { run } from "../support/run-cli.ts";
import { type Site, startSite } from "../support/site.ts";
import { waitUntil } from "../support/wait-until.ts";

/** Perl and PHP beside the C of the fault program. */
const PERL =
  "#!/usr/bin/perl\nuse FCGI;\nmy $r = FCGI::Request();\nwhile ($r->Accept() >= 0) { print qq(Content-Type: text/plain\\r\\n\\r\\n$$); }\n";
const PHP = "<?php header('Content-Type: text/plain'); echo getmypid();";

/** A site with room for four processes of all programs together. */
function narrowSite(): Promise<Site> {
  return startSite({
    files: { "perl.fcgi": PERL, "page.php": PHP },
    server: "max_processes = 4",
    apps: '[[apps]]\nmatch = "/**/*.php"\nextensions = [".php"]\ncommand = ["/usr/bin/php-cgi"]\n',
  });
}

async function timed(site: Site, path: string): Promise<number> {
  const started = performance.now();
  expect(await site.text(path)).toMatch(/^\d+$/);
  return performance.now() - started;
}

test("at the cap of all programs the idlest process of another one makes room", async () => {
  await using site = await narrowSite();
  await Promise.all(Array.from({ length: 4 }, () => site.text("lab.fcgi?op=sleep&ms=300")));
  expect(site.fpm.backends().length).toBeGreaterThanOrEqual(3);
  for (const path of ["perl.fcgi", "page.php"]) expect(await timed(site, path)).toBeLessThan(2_000);
  expect(site.fpm.backends().length).toBeLessThanOrEqual(4);
  expect(site.fpm.log()).toContain('reason="room for others"');
});

test("one busy program that wants all the room never starves the others", async () => {
  await using site = await narrowSite();
  let isOver = false;
  let answered = 0;
  const greedy = Array.from({ length: 30 }, async () => {
    while (!isOver) {
      await site.text("lab.fcgi?op=sleep&ms=100");
      answered++;
    }
  });
  await Bun.sleep(500);
  const waits: number[] = [];
  for (let round = 0; round < 5; round++) {
    for (const path of ["perl.fcgi", "page.php"]) waits.push(await timed(site, path));
  }
  isOver = true;
  await Promise.all(greedy);
  expect(Math.max(...waits)).toBeLessThan(2_000);
  // Nor do they starve it.
  expect(answered).toBeGreaterThan(20);
});

describe("a program whose requests never end", () => {
  test.each([4, 20, 64])("leaves places to the others when there are %d for all", async (cap) => {
    await using site = await startSite({
      lab: ["lab.fcgi", "slow.fcgi"],
      files: { "perl.fcgi": PERL, "page.php": PHP },
      server: `max_processes = ${cap}`,
      app: 'queue_timeout = "5s"\nstop_timeout = "200ms"\nabort_timeout = "200ms"',
      apps: '[[apps]]\nmatch = "/**/*.php"\nextensions = [".php"]\ncommand = ["/usr/bin/php-cgi"]\n',
    });
    await site.text("slow.fcgi");
    await Bun.sleep(1_000);
    using hanging = await connectFcgi(site.fpm.socket);
    const hang = { keepConn: true, params: { QUERY_STRING: "op=hang" } };
    for (let id = 1; id <= Math.min(2 * cap, 200); id++)
      await hanging.send(hanging.encode(`${site.root}/lab.fcgi`, { ...hang, id }));
    const most = cap - Math.max(1, Math.floor(cap / 4));
    await waitUntil("it has all that it may have", () => site.fpm.backends().length >= most);
    await Bun.sleep(500);
    for (let round = 0; round < 3; round++) {
      for (const path of ["perl.fcgi", "page.php", "slow.fcgi"]) {
        expect(await timed(site, path)).toBeLessThan(2_000);
      }
    }
    const { out } = await run("status", "--config", site.fpm.configFile, "--json");
    const { programs } = JSON.parse(out) as Snapshot;
    expect(programs.find(({ name }) => name.endsWith("lab.fcgi"))?.held_back).toBeGreaterThan(0);
    // One of them has several requests at once.
    const texts = await Promise.all(Array.from({ length: 20 }, () => site.text("slow.fcgi?op=sleep&ms=20")));
    expect(texts.length).toBe(20);
  });
});
