import { describe, expect, test } from "bun:test";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { startSite } from "../support/site.ts";
import { waitUntil } from "../support/wait-until.ts";

test("a program that writes 1 MiB on stdout and stderr does not freeze", async () => {
  await using site = await startSite({ server: "", app: "max_processes = 1" });
  const first = await site.text("lab.fcgi?op=flood&kib=1024");
  expect(await site.text("lab.fcgi?op=flood&kib=1024")).toBe(first);
  expect(await site.text("lab.fcgi")).toBe(first);
});

test("a program's lines on stdout and stderr are logged with its path and process id", async () => {
  await using site = await startSite();
  const pid = await site.text("lab.fcgi?op=say");
  for (const words of ["said on stdout", "said on stderr"]) {
    const line = await waitUntil(`${words} is logged`, () => {
      return site.fpm
        .log()
        .split("\n")
        .find((each) => each.includes(words));
    });
    expect(line).toContain("lab.fcgi");
    expect(line).toContain(pid);
  }
});

test("what a program writes on FCGI_STDERR reaches the web server", async () => {
  await using site = await startSite();
  using connection = await connectFcgi(site.fpm.socket);
  const answer = await connection.request(`${site.root}/lab.fcgi`, { params: { QUERY_STRING: "op=say" } });
  expect(answer.stderr).toBe("said on FCGI_STDERR\n");
  await site.text("lab.fcgi?op=say");
  await waitUntil("it is in nginx's error log", () => site.nginx.errorLog().includes("said on FCGI_STDERR"));
});

test("a program that floods its stderr delays no other", async () => {
  await using site = await startSite({ lab: ["lab.fcgi", "other.fcgi"] });
  const floods = Array.from({ length: 4 }, () => site.text("lab.fcgi?op=flood&kib=2048"));
  const started = performance.now();
  for (let i = 0; i < 20; i++) await site.text("other.fcgi");
  expect(performance.now() - started).toBeLessThan(3_000);
  await Promise.all(floods);
});

test("a program cannot forge a line of the log", async () => {
  await using site = await startSite({
    lab: [],
    files: { "forge.fcgi": '#!/usr/bin/perl\nprint STDERR "a\\e[31mred\\x00\\n"; exit 1;\n' },
  });
  await site.ask("forge.fcgi");
  await waitUntil("it is logged", () => site.fpm.log().includes("red"));
  expect(site.fpm.log()).not.toContain("\x1b");
  expect(site.fpm.log()).not.toContain("\0");
});

test("a program's lines name the request that it is at, without the query", async () => {
  await using site = await startSite();
  const pid = await site.text("lab.fcgi?op=say&token=secret");
  const line = await waitUntil("it is logged", () => {
    return site.fpm
      .log()
      .split("\n")
      .find((each) => each.includes("said on stderr"));
  });
  expect(line).toContain(
    `program=${site.root}/lab.fcgi pid=${pid} stream=stderr request="GET /direct/lab.fcgi"`,
  );
  expect(site.fpm.log()).not.toContain("secret");
});

test("of a flood so many lines are logged as output_limit says, and how many were dropped", async () => {
  await using site = await startSite({ app: "output_limit = 100" });
  await site.text("lab.fcgi?op=flood&kib=2048");
  await waitUntil("it is counted", () => site.fpm.log().includes("lines were dropped"));
  const lines = site.fpm
    .log()
    .split("\n")
    .filter((each) => each.includes("stream=")).length;
  expect(lines).toBeWithin(100, 300);
  expect(site.fpm.log()).toMatch(
    /it printed more than output_limit \(100 lines a second\): \d+ lines were dropped/,
  );
});

describe.each([
  ["lines", "yes AAAAAAAA"],
  ["a line that never ends", "tr '\\0' A </dev/zero"],
  ["control characters without an end", "tr '\\0' '\\001' </dev/zero"],
  ["empty lines", "tr '\\0' '\\n' </dev/zero"],
])("a program that prints %s", (_what, command) => {
  test("holds up nobody else, and fills the log no more than output_limit lets it", async () => {
    await using site = await startSite({
      files: { "flood.fcgi": `#!/bin/sh\nexec timeout 2 sh -c "${command.replaceAll("\\", "\\\\")} >&2"\n` },
    });
    await site.text("lab.fcgi");
    const flood = site.ask("flood.fcgi");
    await waitUntil("it prints", () => site.fpm.log().includes("flood.fcgi pid="));
    const waits: number[] = [];
    for (const until = performance.now() + 1000; performance.now() < until; ) {
      const askedAt = performance.now();
      await site.text("lab.fcgi");
      waits.push(performance.now() - askedAt);
    }
    expect(Math.max(...waits)).toBeLessThan(1000);
    // Undisturbed it is a hundred or two; a third of a second each was what control characters cost.
    expect(waits.length).toBeGreaterThan(10);
    await flood;
    // 1000 lines a second of a KiB at most, as they stand in the log, for two seconds and what may come at once.
    expect(site.fpm.log().length).toBeLessThan(4 * 1024 * 1024);
  });
});
