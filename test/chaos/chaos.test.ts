import { expect, test } from "bun:test";
import { copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { residentBytes } from "../support/processes.ts";
import { startSite } from "../support/site.ts";

const SECONDS = Number(process.env["CHAOS_SECONDS"] ?? 60);
const CLIENTS = 50;
/** Two kills are further apart than a request takes: a GET that was hit is answered by its second try. */
const KILL_EVERY_MS = 400;

/** Notes each POST's number in a file before it answers. */
const NOTING = `#!/usr/bin/perl
use FCGI;
my $request = FCGI::Request();
while ($request->Accept() >= 0) {
  if ($ENV{REQUEST_METHOD} eq 'POST') { open my $seen, '>>', 'SEEN'; syswrite $seen, "$ENV{QUERY_STRING}\\n"; close $seen; }
  print "Content-Type: text/plain\\r\\n\\r\\n$$";
}
`;
const PHP = "<?php header('Content-Type: text/plain'); usleep(2000); echo getmypid();";

test(
  `${SECONDS} s of ${CLIENTS} clients while processes are killed, programs and settings replaced, and std-fpm itself`,
  async () => {
    await using site = await startSite({
      lab: ["lab.fcgi", "other.fcgi"],
      files: { "page.php": PHP },
      app: "nice = 1",
      apps: '[[apps]]\nmatch = "/**/*.php"\nextensions = [".php"]\ncommand = ["/usr/bin/php-cgi"]\n',
      level: "info",
    });
    const seenFile = `${site.folder}/seen`;
    site.put("note.fcgi", NOTING.replace("SEEN", seenFile));
    const answers = new Map<string, number>();
    const done: string[] = [];
    const end = performance.now() + SECONDS * 1000;
    let posts = 0;

    const ways = ["direct", "kept", "unbuffered"] as const;
    const paths = [
      "lab.fcgi?op=sleep&ms=3",
      "other.fcgi",
      "page.php",
      "note.fcgi",
      "lab.fcgi?op=download&bytes=100000",
    ];
    const client = async (number: number) => {
      for (let i = number; performance.now() < end; i++) {
        const way = ways[i % ways.length] as (typeof ways)[number];
        const isPost = i % 4 === 0;
        const path = isPost ? `note.fcgi?post-${posts++}` : (paths[i % paths.length] as string);
        const body = isPost ? { body: { chunks: [new Uint8Array(100)], length: 100 } } : {};
        const answer = await site.ask(path, { way, ...body });
        const key = `${isPost ? "POST" : "GET"} ${answer.status} ${answer.end === "aborted" ? "aborted" : "whole"}`;
        answers.set(key, (answers.get(key) ?? 0) + 1);
        if (isPost && answer.status === 200) done.push(path.slice("note.fcgi?".length));
      }
    };
    const killer = async () => {
      for (let kills = 0; performance.now() < end; kills++) {
        const pids = site.fpm.backends();
        const pid = pids[Math.floor(Math.random() * pids.length)];
        if (pid !== undefined) process.kill(pid, "SIGKILL");
        if (kills % 5 === 4) {
          copyFileSync(resolve("dist/test-programs/lab"), `${site.root}/other.new`);
          renameSync(`${site.root}/other.new`, `${site.root}/other.fcgi`);
        }
        if (kills % 8 === 7) {
          // Every process is another generation then.
          const text = readFileSync(site.fpm.configFile, "utf8");
          writeFileSync(site.fpm.configFile, text.replace(/^nice = \d+/m, `nice = ${1 + (kills % 5)}`));
          site.fpm.signal("SIGHUP");
        }
        if (kills % 30 === 29) site.fpm.signal("SIGUSR2");
        await Bun.sleep(KILL_EVERY_MS);
      }
    };
    const clients = Array.from({ length: CLIENTS }, (_, number) => client(number));
    await Bun.sleep(2000);
    const before = { memory: residentBytes(site.fpm.pid), descriptors: site.fpm.descriptors() };
    await Promise.all([...clients, killer()]);
    const after = { memory: residentBytes(site.fpm.pid), descriptors: site.fpm.descriptors() };

    process.stdout.write(`${JSON.stringify([Object.fromEntries(answers), before, after])}\n`);
    const gets = [...answers].filter(([key]) => key.startsWith("GET")).map(([key]) => key);
    // An answer that had begun when its process was killed is aborted; all else is whole.
    const failed = gets.filter((key) => key !== "GET 200 whole" && key !== "GET 200 aborted");
    if (failed.length > 0) process.stdout.write(`${refusedGets(site.fpm.log())}\n`);
    expect(failed).toEqual([]);
    const seen = existsSync(seenFile) ? readFileSync(seenFile, "utf8").trim().split("\n") : [];
    const once = new Set(seen);
    expect(seen.length).toBe(once.size);
    expect(done.filter((post) => !once.has(post))).toEqual([]);
    expect(after.memory).toBeLessThan(before.memory + 64 * 1024 * 1024);
    expect(after.descriptors).toBeLessThan(before.descriptors + 150);
  },
  (SECONDS + 60) * 1000,
);

/** What std-fpm logged of GETs that it refused, each with the lines before it. */
function refusedGets(log: string): string {
  const lines = log.split("\n");
  const refused = lines.flatMap((line, at) => (/method=GET .*code=/.test(line) ? [at] : []));
  return refused.map((at) => lines.slice(Math.max(0, at - 30), at + 1).join("\n")).join("\n\n");
}
