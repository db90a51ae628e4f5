import { expect, test } from "bun:test";
import { snapshotOf } from "../support/admin.ts";
import { flood } from "../support/flood.ts";
import { startSite } from "../support/site.ts";
import { logged } from "../support/std-fpm.ts";
import { waitUntil } from "../support/wait-until.ts";

const LONGEST_PERIOD_MS = 7000;

test("5,000 requests for missing files do not fill the log, and all of them are counted", async () => {
  await using site = await startSite({ level: "info", lab: ["lab.fcgi", "exit-at-boot.fcgi"] });
  const { fpm } = site;
  const before = fpm.log().split("\n").length;
  await flood(fpm.socket, `${site.root}/missing.fcgi`, 5000, 20);
  // Errors of programs are not among what is limited.
  expect((await site.ask("exit-at-boot.fcgi")).status).toBe(502);
  await logged(fpm, "code=BOOT_FAILED");
  await waitUntil("the rest is told", () => fpm.log().includes("left_out="), LONGEST_PERIOD_MS);
  const after = fpm
    .log()
    .split("\n")
    .filter((line) => !line.includes("exit-at-boot"));
  expect(after.length - before).toBeLessThan(60);
  const lines = fpm.log().split("code=SCRIPT_NOT_FOUND").length - 1;
  const leftOut = [...fpm.log().matchAll(/left_out=(\d+)/g)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
  expect(lines + leftOut).toBe(5000);
  const { others } = await snapshotOf(fpm);
  expect(others.requests.refused).toBe(5000);
});
