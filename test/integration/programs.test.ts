import { afterAll, beforeAll, expect, test } from "bun:test";
import { resolve } from "node:path";
import { patternBytes } from "../support/pattern.ts";
import { PERL_BY_HAND } from "../support/perl-by-hand.ts";
import { type Site, startSite } from "../support/site.ts";

let site: Site;

// The examples as they are: what a newcomer sees must work behind a real web server.
beforeAll(async () => {
  const example = (name: string) => ({ copyOf: resolve("examples", name) });
  site = await startSite({
    lab: [],
    files: {
      "c/hello.fcgi": example("c/hello.fcgi"),
      "c/env.fcgi": example("c/env.fcgi"),
      "c/echo.fcgi": example("c/echo.fcgi"),
      "perl/hello.fcgi": example("perl/hello.fcgi"),
      "perl/form.fcgi": example("perl/form.fcgi"),
      "php/hello.fcgi": example("php/hello.fcgi"),
    },
    apps: `[[apps]]
match = "/**/*.php"
extensions = [".php"]
command = ["/usr/bin/php-cgi"]`,
  });
  site.put("php/hello.php", example("php/hello.php"), 0o644);
  site.put("php/where.php", "<?php echo getcwd(), ' ', $_SERVER['PATH_INFO'] ?? '-';", 0o644);
  site.put("php/fatal.php", "<?php echo 'begun'; nonsense();", 0o644);
});

afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

test("a C program (libfcgi) answers, and the same process answers again", async () => {
  expect(await site.text("c/hello.fcgi?friend")).toBe(
    "Hello, friend! This process has answered 1 requests.\n",
  );
  expect(await site.text("c/hello.fcgi")).toBe("Hello, world! This process has answered 2 requests.\n");
});

test("a C program sends a body back byte for byte", async () => {
  const body = patternBytes(300 * 1024);
  const answer = await site.ask("c/echo.fcgi", { body, headers: { "Content-Type": "image/png" } });
  expect([answer.status, answer.end, answer.headers.get("content-type")]).toEqual([
    200,
    "complete",
    "image/png",
  ]);
  expect(Buffer.compare(answer.body, body)).toBe(0);
});

test("a Perl program (FCGI) answers GET and POST", async () => {
  expect(await site.text("perl/hello.fcgi")).toContain("This process has answered 1 requests.");
  const answer = await site.ask("perl/hello.fcgi", { body: Buffer.from("ten bytes!") });
  expect(answer.text()).toContain("You sent: ten bytes!");
});

test("a Perl program (CGI::Fast) answers GET and a form", async () => {
  expect(await site.text("perl/form.fcgi?name=Ada")).toContain("Hello, Ada!");
  const answer = await site.ask("perl/form.fcgi", {
    body: Buffer.from("name=Grace"),
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
  });
  expect(answer.text()).toContain("Hello, Grace!");
});

test("PHP answers as an executable script with php-cgi in its first line", async () => {
  expect(await site.text("php/hello.fcgi")).toMatch(/^Hello from PHP 8\.\d+\.\d+, process \d+\.\n$/);
});

test("PHP answers through a command, and the script need not be executable", async () => {
  expect(await site.text("php/hello.php")).toBe("Hello from hello.php, called as GET.\n");
  const answer = await site.ask("php/hello.php", { body: patternBytes(300 * 1024) });
  expect(answer.text()).toContain("You sent 307200 bytes.");
});

test("one pool of php-cgi serves all scripts, with PATH_INFO", async () => {
  expect(await site.text("php/where.php/some/where")).toEndWith(" /some/where");
});

test("a PHP script that fails says so with PHP's own status", async () => {
  expect((await site.ask("php/fatal.php")).status).toBe(500);
  expect(await site.text("php/hello.php")).toContain("GET");
});

test("PHP keeps answering when its connection is kept by the web server", async () => {
  const answers = await Promise.all(Array.from({ length: 40 }, () => site.text("php/hello.php", "kept")));
  expect(new Set(answers)).toEqual(new Set(["Hello from hello.php, called as GET.\n"]));
});

test("a program sees the request's parameters, PATH_INFO among them", async () => {
  const lines = (await site.text("c/env.fcgi/a/b?x=1&y=%20")).split("\n");
  expect(lines).toContain(`SCRIPT_FILENAME=${site.root}/c/env.fcgi`);
  expect(lines).toContain("PATH_INFO=/a/b");
  expect(lines).toContain("QUERY_STRING=x=1&y=%20");
  expect(lines).toContain("REQUEST_METHOD=GET");
});

/** As some libraries do, it closes each connection a moment after its answer, although it was asked to keep it. */
const CLOSING = `${PERL_BY_HAND}
for (;;) {
  accept my $client, $listener or next;
  if (my ($id) = request($client)) { syswrite $client, answer($id, $$) }
  select undef, undef, undef, 0.002;
  close $client;
}
`;

test("a program that closes connections which it was asked to keep is served by one process all the same", async () => {
  await using site = await startSite({ files: { "closing.fcgi": CLOSING }, lab: [] });
  const pids = new Set<string>();
  for (let i = 0; i < 60; i++) {
    pids.add(await site.text("closing.fcgi", i % 2 === 0 ? "direct" : "kept"));
    await Bun.sleep(i % 4);
  }
  expect(pids.size).toBe(1);
  expect(site.fpm.log().split(" info started ").length - 1).toBe(1);
});
