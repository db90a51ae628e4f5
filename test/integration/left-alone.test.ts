import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { type Site, startSite } from "../support/site.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

// Programs that go on when nobody waits for them any more: after their answer, or after their client has left.

/** Answers, then works for so many milliseconds as the query says; each execution is a line of $ENV{RUNS}. */
const FINISH = `#!/usr/bin/perl
use FCGI;
my $request = FCGI::Request(\\*STDIN, \\*STDOUT, \\*STDERR, \\my %env);
while ($request->Accept() >= 0) {
  my ($id, $ms) = $env{QUERY_STRING} =~ /id=(\\d+)&ms=(\\d+)/;
  if ($ENV{RUNS}) { open my $runs, '>>', $ENV{RUNS}; syswrite $runs, "$id\\n"; close $runs }
  print "Content-Type: text/plain\\r\\n\\r\\n$$";
  $request->Finish();
  select undef, undef, undef, $ms / 1000 if $ms;
}
`;

const PLACK_CLEANUP = `#!/usr/bin/perl
use Plack::Handler::FCGI;
Plack::Handler::FCGI->new(manager => '')->run(sub {
  my ($env) = @_;
  my ($ms) = $env->{QUERY_STRING} =~ /ms=(\\d+)/;
  push @{$env->{'psgix.cleanup.handlers'}}, sub { select undef, undef, undef, $ms / 1000 if $ms };
  return [200, ['Content-Type' => 'text/plain'], ["$$"]];
});
`;

const LIBRARIES = [
  { library: "Perl FCGI", files: { "work.fcgi": FINISH } },
  { library: "Plack", files: { "work.fcgi": PLACK_CLEANUP } },
  { library: "libfcgi", files: { "work.fcgi": { copyOf: "dist/test-programs/lab" } } },
];

/** How long a request takes, and who answers. */
async function timed(site: Site, query: string, method: string, way: "direct" | "kept" = "direct") {
  const startedAt = performance.now();
  const body = method === "POST" ? { body: Buffer.from("x=1") } : {};
  const answer = await site.ask(`work.fcgi?${query}`, { way, ...body });
  return { ms: performance.now() - startedAt, status: answer.status, text: answer.text() };
}

describe.each(LIBRARIES)("a program with $library that works on after its answer", ({ files }) => {
  test("keeps nobody waiting from the second time on, where another process is allowed", async () => {
    await using site = await startSite({ files, lab: [] });
    const query = "op=after&id=1&ms=3000";
    await timed(site, query, "GET", "kept");
    // This one finds it out.
    await timed(site, query, "GET", "kept");
    for (const method of ["GET", "POST", "GET", "POST"]) {
      const { ms, status } = await timed(site, query, method, "kept");
      // A new process has to start.
      expect([status, ms < 1500]).toEqual([200, true]);
    }
  });

  test("keeps no POST waiting: it is taken back and goes to another process", async () => {
    await using site = await startSite({ files, lab: [] });
    const first = await timed(site, "op=after&id=1&ms=3000", "POST");
    const second = await timed(site, "op=after&id=2&ms=0", "POST");
    expect([first.status, second.status, second.ms < 1500]).toEqual([200, 200, true]);
    expect(second.text).not.toBe(first.text);
  });

  test("serves one request after the other where no other process is allowed", async () => {
    await using site = await startSite({ files, lab: [], app: "max_processes = 1" });
    const answers = [];
    for (const method of ["POST", "GET", "POST"])
      answers.push(await timed(site, "op=after&id=1&ms=300", method));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
  });
});

test("a large upload that a program does not accept goes to another process whole", async () => {
  await using site = await startSite({ lab: ["lab.fcgi"] });
  const body = new Uint8Array(3_000_000).map((_, at) => at % 251);
  await site.ask("lab.fcgi?op=after&ms=3000", { body: Buffer.from("x") });
  const startedAt = performance.now();
  const answer = await site.ask("lab.fcgi?op=echo", { body, way: "unbuffered" });
  expect([answer.status, Buffer.compare(answer.body, body), performance.now() - startedAt < 1500]).toEqual([
    200,
    0,
    true,
  ]);
});

const EXECUTIONS = 2000;

test(`each of ${EXECUTIONS} requests of 50 clients is executed exactly once while processes work on after some answers`, async () => {
  using dir = makeTempDir();
  const runs = dir.at("runs");
  await using site = await startSite({
    files: { "work.fcgi": FINISH },
    lab: [],
    app: 'max_processes = 8\nqueue_timeout = "60s"',
    programEnv: { RUNS: runs },
  });
  let next = 0;
  const wrong: unknown[] = [];
  const client = async () => {
    for (let id = next++; id < EXECUTIONS; id = next++) {
      const ms = id % 7 === 0 ? id % 40 : 0;
      const { status, text } = await timed(site, `id=${id}&ms=${ms}`, id % 2 === 0 ? "GET" : "POST", "kept");
      if (status !== 200) wrong.push({ id, status, text });
    }
  };
  await Promise.all(Array.from({ length: 50 }, client));
  expect(wrong).toEqual([]);
  const counts = new Map<string, number>();
  for (const id of readFileSync(runs, "utf8").trim().split("\n")) counts.set(id, (counts.get(id) ?? 0) + 1);
  expect([counts.size, [...counts].filter(([, count]) => count !== 1)]).toEqual([EXECUTIONS, []]);
});

/**
 * Notes what it has come to in a file named after its query; flushes its header, then works for two seconds, a tick every 100 ms. With `mute`
 * it writes nothing more meanwhile.
 */
const NOTING = `#!/usr/bin/perl
use FCGI; use IO::Handle;
my $request = FCGI::Request(\\*STDIN, \\*STDOUT, \\*STDERR, \\my %env);
while ($request->Accept() >= 0) {
  my $how = $env{QUERY_STRING};
  open my $notes, '>>', "$ENV{NOTES}/$how"; $notes->autoflush(1);
  local $SIG{TERM} = sub { print $notes "TERM\\n"; exit 0 };
  print $notes "start\\n";
  print $how =~ /accel/ ? "X-Accel-Redirect: /internal/file.txt\\r\\n\\r\\n" : "Content-Type: text/plain\\r\\n\\r\\nhello\\n";
  $request->Flush();
  for (1 .. 20) { select undef, undef, undef, 0.1; if ($how !~ /mute/) { print 'x' x 100; $request->Flush() } }
  print $notes "finished\\n"; close $notes;
}
`;

const PHP = `#!/usr/bin/php-cgi
<?php
$how = $_SERVER['QUERY_STRING'];
function note($what) { global $how; file_put_contents(getenv('NOTES') . "/$how", "$what\\n", FILE_APPEND); }
note('start');
if (str_contains($how, 'job')) ignore_user_abort(true);
register_shutdown_function(function () { note('shutdown, aborted ' . connection_aborted()); });
echo 'x'; flush();
for ($i = 0; $i < 20; $i++) { usleep(100000); if (!str_contains($how, 'mute')) { echo str_repeat('x', 5000); flush(); } }
note('finished');
`;

const CGI = `#!/bin/sh
notes="$NOTES/$QUERY_STRING"
trap 'echo TERM >>"$notes"; exit 1' TERM
echo start >>"$notes"
case "$QUERY_STRING" in
accel*) printf 'X-Accel-Redirect: /internal/file.txt\\n\\n' ;;
*) printf 'Content-Type: text/plain\\n\\nhello\\n' ;;
esac
sleep 1
echo finished >>"$notes"
`;

async function notingSite() {
  const dir = makeTempDir();
  mkdirSync(dir.at("notes"));
  const site = await startSite({
    files: { "work.fcgi": NOTING, "page.fcgi": PHP, "script.cgi": CGI, "files/file.txt": "file\n" },
    lab: [],
    programEnv: { NOTES: dir.at("notes") },
    apps: '[[apps]]\nmatch = "/**/*.cgi"\nextensions = [".cgi"]\nprotocol = "cgi"',
    locations: "location /internal/ { internal; alias $ROOT/files/; }",
    // Nobody leaves before a process has got his request.
    app: "min_processes = 3",
  });
  const notes = (how: string) => {
    const file = dir.at(`notes/${how}`);
    return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
  };
  return {
    site,
    notes,
    /** What a program has noted in the end. */
    async until(how: string, last: string): Promise<string[]> {
      await waitUntil(`${how}: ${last}`, () => notes(how).at(-1) === last);
      return notes(how);
    },
    async [Symbol.asyncDispose]() {
      await site[Symbol.asyncDispose]();
      dir[Symbol.dispose]();
    },
  };
}

describe("a program whose client has left", () => {
  test("goes on to its end, in FastCGI, PHP and CGI, and nobody is told to stop", async () => {
    await using noting = await notingSite();
    const { site } = noting;
    for (const file of ["work.fcgi", "page.fcgi", "script.cgi"]) await site.ask(`${file}?warm`);
    const left = { leaveAfterMs: 500 };
    const post = { body: Buffer.from("x") };
    await Promise.all([
      site.ask("work.fcgi?mute-get", left),
      site.ask("work.fcgi?mute-post", { ...post, ...left }),
      site.ask("work.fcgi?ticks", left),
      site.ask("page.fcgi?job", { ...post, ...left }),
      site.ask("script.cgi?gone", { ...post, ...left }),
    ]);
    for (const how of ["mute-get", "mute-post", "ticks", "gone"])
      expect(await noting.until(how, "finished")).toEqual(["start", "finished"]);
    expect(await noting.until("job", "shutdown, aborted 1")).toContain("finished");
    expect(site.fpm.log()).not.toContain("SIGKILL");
  });

  test("hears of it with its next write: PHP runs its shutdown functions", async () => {
    await using noting = await notingSite();
    await noting.site.ask("page.fcgi?warm");
    await noting.site.ask("page.fcgi?download", { leaveAfterMs: 500 });
    expect(await noting.until("download", "shutdown, aborted 1")).not.toContain("finished");
  });

  test("goes on behind nginx, which closes after the header of a HEAD and of an X-Accel-Redirect", async () => {
    await using noting = await notingSite();
    const { site } = noting;
    for (const file of ["work.fcgi", "script.cgi"]) {
      const [head, accel] = [`head-${file}`, `accel-${file}`];
      const answers = await Promise.all([
        site.ask(`${file}?${head}`, { method: "HEAD" }),
        site.ask(`${file}?${accel}`),
      ]);
      expect(answers.map(({ status }) => status)).toEqual([200, 200]);
      for (const how of [head, accel])
        expect(await noting.until(how, "finished")).toEqual(["start", "finished"]);
    }
  });
});

test("at a cap those that nobody has waited for in 10 s make room, SIGTERM first", async () => {
  await using full = await startSite({
    files: { "work.fcgi": FINISH },
    lab: [],
    app: 'max_processes = 1\nqueue_timeout = "30s"',
  });
  const startedAt = performance.now();
  await timed(full, "id=1&ms=60000", "POST");
  const second = await timed(full, "id=2&ms=0", "POST");
  const waitedMs = performance.now() - startedAt;
  expect([second.status, waitedMs > 9900, waitedMs < 20_000]).toEqual([200, true, true]);
  expect(full.fpm.log()).toMatch(/(?:ended by SIGTERM|exited with status 0) .*reason="left alone"/);
});
