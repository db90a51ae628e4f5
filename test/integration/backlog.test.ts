import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { snapshotOf } from "../support/admin.ts";
import { PERL_BY_HAND } from "../support/perl-by-hand.ts";
import { startSite } from "../support/site.ts";

/** Serves each connection in a child, notes its request, and listens for two connections at once, as some servers do by themselves. */
const FORKING = `${PERL_BY_HAND}
listen $listener, 1;
$SIG{CHLD} = 'IGNORE';
while (accept my $client, $listener) {
  select undef, undef, undef, 0.005;
  next if fork;
  if (my ($id, $params) = request($client)) {
    my ($number) = $params =~ /number=(\\d+)/;
    open my $seen, '>>', 'seen'; syswrite $seen, "$number\\n";
    select undef, undef, undef, 0.02;
    syswrite $client, answer($id, 'ok');
  }
  exit 0;
}
`;
/** One request at a time, each noted; ends over one that says so. */
const ENDS = `#!/usr/bin/perl
use FCGI;
my $request = FCGI::Request(\\*STDIN, \\*STDOUT, \\*STDERR, \\my %env);
while ($request->Accept() >= 0) {
  my ($number) = $env{QUERY_STRING} =~ /number=(\\d+)/;
  open my $seen, '>>', 'seen'; syswrite $seen, "$number\\n"; close $seen;
  select undef, undef, undef, 0.5 if $env{QUERY_STRING} =~ /slow/;
  if ($env{QUERY_STRING} =~ /end/) { select undef, undef, undef, 0.05; exit 1 }
  print "Content-Type: text/plain\\r\\n\\r\\nok";
}
`;
/** A master, whose pid is the answer to the first request, and a worker that serves one request after the other. */
const PREFORKED = `#!/usr/bin/perl
use FCGI;
my $master = $$;
if (fork) { sleep 10 while 1 }
my $request = FCGI::Request(\\*STDIN, \\*STDOUT, \\*STDERR, \\my %env);
while ($request->Accept() >= 0) {
  my ($number) = $env{QUERY_STRING} =~ /number=(\\d+)/;
  open my $seen, '>>', 'seen'; syswrite $seen, "$number\\n"; close $seen;
  select undef, undef, undef, 0.4 if $number > 0;
  print "Content-Type: text/plain\\r\\n\\r\\n$master";
}
`;
const body = Buffer.from("a form");
const seenIn = (root: string) => readFileSync(`${root}/seen`, "utf8").trim().split("\n").map(Number);

test("a program that listens for fewer connections than it serves at once is not out of reach when they are there", async () => {
  await using site = await startSite({
    files: { "forking.fcgi": FORKING },
    lab: [],
    app: "concurrency = 20\nmax_processes = 1",
  });
  const numbers = Array.from({ length: 60 }, (_, number) => number);
  for (let from = 0; from < 60; from += 20) {
    const burst = numbers.slice(from, from + 20);
    const answers = await Promise.all(
      burst.map((number) => site.ask(`forking.fcgi?number=${number}`, { body })),
    );
    expect(answers.map(({ status }) => status)).toEqual(burst.map(() => 200));
  }
  expect(seenIn(site.root).sort((a, b) => a - b)).toEqual(numbers);
  expect((await snapshotOf(site.fpm)).total.started).toBe(1);
});

test("of several requests that a process has not accepted when it ends none is lost, and none runs twice", async () => {
  await using site = await startSite({
    files: { "ends.fcgi": ENDS },
    lab: [],
    app: "concurrency = 4\nmax_processes = 1",
  });
  for (let round = 0; round < 5; round++) {
    const ask = (number: number, what = "") =>
      site.ask(`ends.fcgi?number=${round * 10 + number}${what}`, { body });
    await ask(0);
    const first = ask(1, "&end");
    await Bun.sleep(10);
    const answers = await Promise.all([first, ask(2), ask(3), ask(4)]);
    expect(answers.map(({ status }) => status)).toEqual([502, 200, 200, 200]);
  }
  const all = Array.from({ length: 5 }, (_, round) => [0, 1, 2, 3, 4].map((number) => round * 10 + number));
  expect(seenIn(site.root).sort((a, b) => a - b)).toEqual(all.flat());
});

test("of several large uploads that a process has not accepted when it ends none is lost", async () => {
  await using site = await startSite({
    files: { "ends.fcgi": ENDS },
    lab: [],
    app: "concurrency = 4\nmax_processes = 1",
  });
  const large = { body: Buffer.alloc(400_000, "a") };
  await site.ask("ends.fcgi?number=0", { body });
  const first = site.ask("ends.fcgi?number=1&slow&end", { body });
  await Bun.sleep(10);
  const others = [2, 3, 4].map((number) => site.ask(`ends.fcgi?number=${number}`, large));
  const answers = await Promise.all([first, ...others]);
  expect(answers.map(({ status }) => status)).toEqual([502, 200, 200, 200]);
  expect(seenIn(site.root).sort()).toEqual([0, 1, 2, 3, 4]);
});

test("a worker that outlives its master runs none of the requests that are sent on to others", async () => {
  await using site = await startSite({
    files: { "preforked.fcgi": PREFORKED },
    lab: [],
    app: 'concurrency = 4\nmax_processes = 2\nstop_timeout = "500ms"',
  });
  const ask = (number: number) => site.ask(`preforked.fcgi?number=${number}`, { body });
  const master = Number((await ask(0)).text());
  const answers: ReturnType<typeof ask>[] = [];
  for (const number of [1, 2, 3]) {
    answers.push(ask(number));
    await Bun.sleep(20);
  }
  await Bun.sleep(100);
  process.kill(master, "SIGSEGV");
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200]);
  // It would go on with them now.
  await Bun.sleep(1_500);
  expect(seenIn(site.root).sort((a, b) => a - b)).toEqual([0, 1, 2, 3]);
});
