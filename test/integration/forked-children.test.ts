import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { PERL_BY_HAND } from "../support/perl-by-hand.ts";
import { type Site, startSite } from "../support/site.ts";
import { waitUntil } from "../support/wait-until.ts";

// A program forks while it serves; its child ends by exit() in the middle of the next visitor's request and flushes what it
// holds: a page of the earlier visitor, and that page's END_REQUEST.

const PERL_CHILD = `
sub child { my ($more) = @_; return if fork; select undef, undef, undef, 0.15; print $more; exit 0 }
sub serve { my ($query) = @_; print "Content-Type: text/plain\\r\\n\\r\\n";
  if ($query =~ /alice/) { print "Dear alice, this is yours\\n"; child($query =~ /prints/ ? "and more for alice\\n" : "") }
  else { select undef, undef, undef, 0.4; print "Welcome, stranger, ", "a page of your own " x 40, "end\\n" } }
`;
const PERL = `#!/usr/bin/perl
use FCGI;
${PERL_CHILD}
my $request = FCGI::Request(\\*STDIN, \\*STDOUT, \\*STDERR, \\my %env);
while ($request->Accept() >= 0) { serve($env{QUERY_STRING}) }
`;
const CGI_FAST = `#!/usr/bin/perl
use CGI::Fast;
${PERL_CHILD}
while (my $request = CGI::Fast->new) { serve($ENV{QUERY_STRING}) }
`;
const PLACK = `#!/usr/bin/perl
use Plack::Handler::FCGI;
Plack::Handler::FCGI->new->run(sub {
  my ($env) = @_;
  if ($env->{QUERY_STRING} !~ /alice/) {
    select undef, undef, undef, 0.4;
    return [200, ['Content-Type' => 'text/plain'], ["Welcome, stranger, " . ("a page of your own " x 40) . "end\\n"]];
  }
  return sub {
    my $writer = shift->([200, ['Content-Type' => 'text/plain']]);
    $writer->write("Dear alice, this is yours\\n");
    if (!fork) { select undef, undef, undef, 0.15; $writer->write("and more for alice\\n") if $env->{QUERY_STRING} =~ /prints/; exit 0 }
    $writer->close;
  };
});
`;
const PHP = `#!/usr/bin/php-cgi
<?php
header('Content-Type: text/plain');
if (!str_contains($_SERVER['QUERY_STRING'], 'alice')) { usleep(400000); echo 'Welcome, stranger, ', str_repeat('a page of your own ', 40), "end\\n"; exit; }
echo "Dear alice, this is yours\\n";
if (pcntl_fork() === 0) { usleep(150000); if (str_contains($_SERVER['QUERY_STRING'], 'prints')) echo "and more for alice\\n"; exit(0); }
`;

const OWN_PAGE = `Welcome, stranger, ${"a page of your own ".repeat(40)}end\n`;
const PROGRAMS = [
  { library: "Perl FCGI", source: PERL },
  { library: "CGI::Fast", source: CGI_FAST },
  { library: "Plack", source: PLACK },
  { library: "php-cgi", source: PHP },
];

/** What a visitor gets through nginx; an answer to HEAD has no body. */
async function visit(site: Site, file: string, method: string, query: string): Promise<string> {
  const body = method === "POST" ? { body: Buffer.from("x=1") } : { method };
  const answer = await site.ask(`${file}?${query}`, { way: "kept", ...body });
  return answer.status === 200 ? answer.text() : `${answer.status} ${answer.end}: ${answer.text()}`;
}

/** The same without a web server in between. */
async function visitDirectly(site: Site, file: string, method: string, query: string): Promise<string> {
  using connection = await connectFcgi(site.fpm.socket);
  const params = {
    REQUEST_METHOD: method,
    QUERY_STRING: query,
    CONTENT_LENGTH: method === "POST" ? "3" : "",
  };
  const body = Buffer.from(method === "POST" ? "x=1" : "");
  const { stdout } = await connection.request(`${site.root}/${file}`, {
    id: 7,
    keepConn: true,
    params,
    body,
  });
  return stdout.slice(stdout.indexOf("\r\n\r\n") + 4);
}

/** Every way to visit a program whose child is about to end: with each, one after the other, a program of its own. */
const WAYS = [visit, visitDirectly].flatMap((way) =>
  ["GET", "HEAD", "POST"].flatMap((method) => ["", "prints"].map((kind) => ({ way, method, kind }))),
);

describe.each(PROGRAMS)("a child that $library forked", ({ source }) => {
  test("leaks nothing to the next visitor, by GET, HEAD and POST, silent and printing, through nginx and directly", async () => {
    const files = Object.fromEntries(WAYS.map((_, index) => [`page${index}.fcgi`, source]));
    await using site = await startSite({ files, lab: [], app: "max_processes = 1" });
    const visits = WAYS.map(async ({ way, method, kind }, index) => {
      const file = `page${index}.fcgi`;
      const first = await way(site, file, "GET", `alice&${kind}`);
      const seen = await way(site, file, method, "");
      // Once more, when both have ended.
      const last = await way(site, file, "GET", "");
      const isRight = seen === OWN_PAGE || (method === "HEAD" && seen === "");
      return first.startsWith("Dear alice, this is yours\n") && isRight && last === OWN_PAGE
        ? "right"
        : { way: way.name, method, kind, first, seen, last };
    });
    expect((await Promise.all(visits)).filter((result) => result !== "right")).toEqual([]);
  });

  test("leaks nothing to 20 visitors at once", async () => {
    await using site = await startSite({ files: { "page.fcgi": source }, lab: [] });
    for (let round = 0; round < 2; round++) {
      const methods = Array.from({ length: 20 }, (_, i) => (i % 3 === 0 ? "POST" : "GET"));
      await Promise.all(methods.map(() => visit(site, "page.fcgi", "GET", "alice&prints")));
      const ways = methods.map((method, i) =>
        (i % 2 === 0 ? visit : visitDirectly)(site, "page.fcgi", method, ""),
      );
      expect((await Promise.all(ways)).filter((page) => page !== OWN_PAGE)).toEqual([]);
    }
  });
});

/** Pages of several records of the largest size: what the kernel does not take at once, others may write into. */
const LARGE_PHP = `#!/usr/bin/php-cgi
<?php
header('Content-Type: text/plain');
if ($_GET['who'] !== 'alice') { echo str_repeat('public.', 60000); exit; }
echo "Dear alice, this is yours\\n";
if (pcntl_fork() === 0) { usleep(rand(500, 4000)); echo str_repeat('secret.', 3000); exit(0); }
`;
/** Writes the header of a record and its content one after the other. */
const TWO_WRITES = `${PERL_BY_HAND}
$SIG{CHLD} = 'IGNORE'; $SIG{PIPE} = 'IGNORE';
sub apart { my ($client, $type, $id, $content) = @_; my $record = record($type, $id, $content); syswrite $client, substr($record, 0, 8); syswrite $client, $content if length $content }
while (accept my $client, $listener) {
  while (my ($id, $params, $keeps) = request($client)) {
    my $page = $params =~ /alice/ ? "Dear alice, this is yours\\n" : 'public.' x 60000;
    apart($client, 6, $id, "Content-Type: text/plain\\r\\n\\r\\n");
    apart($client, 6, $id, $1) while $page =~ /(.{1,1000})/gs;
    if ($params =~ /alice/ && !fork) { for (1 .. 20) { select undef, undef, undef, 0.0003; apart($client, 6, $id, 'secret.' x 100) } exit 0 }
    apart($client, 3, $id, "\\0" x 8);
    last unless $keeps;
  }
  close $client;
}
`;

test.each([
  ["php-cgi", LARGE_PHP],
  ["a program that writes header and content apart", TWO_WRITES],
])("a child of %s leaks nothing into the middle of a large page", async (_library, source) => {
  await using site = await startSite({ files: { "page.fcgi": source }, lab: [], app: "max_processes = 2" });
  const page = "public.".repeat(60_000);
  const seen = new Map<string, number>();
  const client = async (number: number) => {
    for (let turn = 0; turn < 60; turn++) {
      const who = (number + turn) % 2 === 0 ? "alice" : "bob";
      const answer = await site.ask(`page.fcgi?who=${who}`, { way: "kept" });
      const text = answer.text();
      if (who === "alice") continue;
      const what = text.includes("secret")
        ? "leaked"
        : text === page
          ? "whole"
          : `${answer.status} ${answer.end}`;
      seen.set(what, (seen.get(what) ?? 0) + 1);
    }
  };
  await Promise.all([1, 2, 3, 4].map(client));
  expect(seen.get("leaked")).toBeUndefined();
  expect(seen.get("whole")).toBeGreaterThan(115);
  await waitUntil("it is told", () => site.fpm.log().includes("its connections are not kept any more"));
});

test("records of a child's are counted and told once, with what to do", async () => {
  await using site = await startSite({ files: { "perl.fcgi": PERL }, lab: [], app: "max_processes = 1" });
  for (let round = 0; round < 3; round++) {
    await visit(site, "perl.fcgi", "GET", "alice&prints");
    expect(await visit(site, "perl.fcgi", "GET", "")).toBe(OWN_PAGE);
  }
  const told = "have such a child end with _exit, or close the request's handles in it";
  await waitUntil("it is told", () => site.fpm.log().includes(told));
  expect(site.fpm.log().split(told).length - 1).toBe(1);
});

/** It says "1", whatever id a request has, and keeps the connection as it is asked to. */
const ALWAYS_ONE = `${PERL_BY_HAND}
for (;;) {
  accept my $client, $listener or next;
  while (my ($id) = request($client)) { syswrite $client, answer(1, "$$ " . ++$served) }
}
`;

test("a program that calls every request 1 is served over a connection each, and told so once", async () => {
  await using site = await startSite({
    files: { "one.fcgi": ALWAYS_ONE },
    lab: [],
    app: "max_processes = 1",
  });
  const pages: string[] = [];
  for (let i = 0; i < 6; i++) pages.push(await site.text("one.fcgi", i % 2 === 0 ? "direct" : "kept"));
  expect(new Set(pages.map((page) => page.split(" ")[0])).size).toBe(1);
  // The second one was asked twice, to find out.
  expect(pages.map((page) => Number(page.split(" ")[1]))).toEqual([1, 3, 4, 5, 6, 7]);
  const told = "it answers under another request id than it is given";
  expect(site.fpm.log().split(told).length - 1).toBe(1);
});

/** A record of a child's comes in two parts: the first at once with END_REQUEST, the rest, which looks like an answer, while the next visitor waits. */
const IN_TWO_PARTS = `${PERL_BY_HAND}
while (accept my $client, $listener) {
  while (my ($id, $params) = request($client)) {
    if ($params =~ /alice/) {
      my $late = record(6, $id, 'A' x 500 . answer($id + 1, "Dear alice, this is yours\\n"));
      syswrite $client, answer($id, "Dear alice, this is yours\\n") . substr($late, 0, 508);
      if (!fork) { select undef, undef, undef, 0.15; syswrite $client, substr($late, 508); exit 0 }
    } else {
      select undef, undef, undef, 0.4;
      syswrite $client, answer($id, "a page of your own\\n");
    }
  }
}
`;

test("a record that begins at once with END_REQUEST and ends later reaches nobody", async () => {
  await using site = await startSite({
    files: { "page.fcgi": IN_TWO_PARTS },
    lab: [],
    app: "max_processes = 1",
  });
  for (const way of [visit, visitDirectly])
    for (const method of ["GET", "HEAD", "POST"]) {
      expect(await way(site, "page.fcgi", "GET", "alice")).toBe("Dear alice, this is yours\n");
      const own = await way(site, "page.fcgi", method, "");
      expect(own).toBe(method === "HEAD" && way === visit ? "" : "a page of your own\n");
    }
  expect(site.fpm.log()).not.toContain("SIGKILL");
});

/** Closes after each answer; a child that it forks has the connection for longer. */
const CLOSING = { copyOf: resolve("test/fixtures/programs/by-hand.fcgi") };
/** Its workers work on after their answers, and write down each request. */
const MANAGED = `#!/usr/bin/perl
use FCGI;
use FCGI::ProcManager qw(pm_manage pm_pre_dispatch pm_post_dispatch);
pm_manage(n_processes => 1);
my $request = FCGI::Request();
while ($request->Accept() >= 0) {
  open my $seen, ">>", "$ENV{DOCUMENT_ROOT}/seen";
  syswrite $seen, "$ENV{QUERY_STRING}\\n";
  print "Content-Type: text/plain\\r\\n\\r\\n$$";
  $request->Finish();
  select undef, undef, undef, 0.3;
}
`;

describe("a request on a kept connection that nobody reads", () => {
  test("is sent again where the program has closed it and only a child has a copy", async () => {
    await using site = await startSite({
      lab: [],
      files: { "closing.fcgi": CLOSING },
      app: "max_processes = 1",
    });
    await site.text("closing.fcgi");
    const pid = await site.text("closing.fcgi?fork=1");
    const asked = performance.now();
    expect(await site.text("closing.fcgi")).toBe(pid);
    expect(performance.now() - asked).toBeLessThan(2000);
  });

  test("is sent again where somebody has stopped the process, which comes back when it goes on", async () => {
    await using site = await startSite({ app: "max_processes = 2" });
    const stopped = await site.text("lab.fcgi", "kept");
    process.kill(Number(stopped), "SIGSTOP");
    for (let round = 0; round < 3; round++) {
      const asked = performance.now();
      expect(await site.text("lab.fcgi", "kept")).not.toBe(stopped);
      expect(performance.now() - asked).toBeLessThan(2000);
    }
    process.kill(Number(stopped), "SIGCONT");
    const asked = () => Promise.all([1, 2].map(() => site.text("lab.fcgi?op=sleep&ms=100", "kept")));
    await waitUntil("it serves again", async () => (await asked()).includes(stopped));
  });

  test("waits for a manager's worker that is at work, and runs once", async () => {
    await using site = await startSite({
      lab: [],
      files: { "managed.fcgi": MANAGED },
      app: "max_processes = 1",
    });
    for (let n = 0; n < 8; n++) await site.text(`managed.fcgi?${n}`, "kept");
    expect(readFileSync(`${site.root}/seen`, "utf8")).toBe("0\n1\n2\n3\n4\n5\n6\n7\n");
  });
});
