import { describe, expect, test } from "bun:test";
import { type Site, startSite } from "../support/site.ts";
import { waitUntil } from "../support/wait-until.ts";

const SLOW_LOG = '[slow_log]\nafter = "300ms"';

/** The lines of the log that begin so, without their time and level. */
function linesOf({ fpm }: Site, start: string): string[] {
  const lines = fpm
    .log()
    .split("\n")
    .map((line) => line.replace(/^\S+ \w+ /, ""));
  return lines.filter((line) => line.startsWith(start));
}

async function firstReport(site: Site): Promise<string> {
  return await waitUntil("a slow request is reported", () => linesOf(site, "slow request,")[0]);
}

describe("a slow request's report", () => {
  test("says that its program sleeps, and later how it ended, without its query", async () => {
    await using site = await startSite({ log: SLOW_LOG });
    const pid = await site.text("lab.fcgi?op=sleep&ms=1000");
    const report = await firstReport(site);
    expect(report).toMatch(
      /^slow request, 0\.[56] s so far: (0\.\d+ s for a process to start, )?0\.[56] s in the program: sleeps \(clock_nanosleep, hrtimer_nanosleep\) program=/,
    );
    expect(report).toEndWith(` program=${site.root}/lab.fcgi pid=${pid} request="GET /direct/lab.fcgi"`);
    const end = await waitUntil("its end is reported", () => linesOf(site, "slow request ended")[0]);
    expect(end).toMatch(
      /^slow request ended after 1\.[01] s: .*1\.0 s in the program \(0\.0 s on the CPU\) program=/,
    );
    expect(end).toEndWith(`pid=${pid} request="GET /direct/lab.fcgi" outcome=answered`);
    expect(site.fpm.log()).not.toContain("ms=1000");
  });
});
