import { describe, expect, test } from "bun:test";
import { startSite } from "../support/site.ts";
import { waitUntil } from "../support/wait-until.ts";

/** A program that grows by `mb` megabytes with each request, and tells its process id. */
const GROWING = `#!/usr/bin/perl
use FCGI;
my $request = FCGI::Request();
my @kept;
while ($request->Accept() >= 0) {
  my ($mb) = $ENV{QUERY_STRING} =~ /mb=(\\d+)/;
  my ($wait) = $ENV{QUERY_STRING} =~ /wait=(\\d+)/;
  push @kept, "x" x ($mb * 1048576);
  sleep $wait if $wait;
  print "Content-Type: text/plain\\r\\n\\r\\n$$";
}
`;

describe("max_requests", () => {
  test("replaces a process after about so many requests, and no request is lost", async () => {
    await using site = await startSite({ app: "max_requests = 20\nmax_processes = 1" });
    const served = new Map<string, number>();
    for (let i = 0; i < 100; i++) {
      const pid = await site.text("lab.fcgi");
      served.set(pid, (served.get(pid) ?? 0) + 1);
    }
    const counts = [...served.values()].slice(0, -1);
    expect(counts.length).toBeGreaterThanOrEqual(4);
    for (const count of counts) expect(Math.abs(count - 20)).toBeLessThanOrEqual(2);
    expect(site.fpm.log()).toContain("reason=max_requests");
  });
});

describe("max_age", () => {
  test("replaces a process that is older, when it is free", async () => {
    await using site = await startSite({ app: 'max_age = "400ms"' });
    const first = await site.text("lab.fcgi");
    await Bun.sleep(500);
    await site.text("lab.fcgi");
    await waitUntil("it has ended", () => site.fpm.log().includes("reason=max_age"));
    expect(await site.text("lab.fcgi")).not.toBe(first);
  });
});

describe("max_memory", () => {
  test("replaces a process that has grown, within a second of its request's end", async () => {
    await using site = await startSite({ app: 'max_memory = "40M"', files: { "grow.fcgi": GROWING } });
    const first = await site.text("grow.fcgi?mb=1");
    expect(await site.text("grow.fcgi?mb=1")).toBe(first);
    await site.text("grow.fcgi?mb=60");
    await waitUntil("it has ended", () => site.fpm.log().includes("reason=max_memory"), 2500);
    expect(await site.text("grow.fcgi")).not.toBe(first);
  });

  test("as a hard limit kills a process in the middle of its request, and no other", async () => {
    await using site = await startSite({
      app: 'max_memory_hard = "60M"\nabort_timeout = "1s"',
      files: { "grow.fcgi": GROWING },
    });
    const calm = site.ask("lab.fcgi?op=sleep&ms=2500");
    const answer = await site.ask("grow.fcgi?mb=100&wait=20", {
      method: "POST",
      body: { chunks: [], length: 0 },
    });
    expect(answer.status).toBe(502);
    await waitUntil("the log says why", () => site.fpm.log().includes("reason=max_memory_hard"));
    expect((await calm).status).toBe(200);
  });
});
