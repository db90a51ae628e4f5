import { expect, test } from "bun:test";
import { isAlive } from "../support/processes.ts";
import { startSite } from "../support/site.ts";
import { endOf, linesOf, reportOf, SLOW_LOG } from "../support/slow-log.ts";
import { edit, logged } from "../support/std-fpm.ts";
import { waitUntil } from "../support/wait-until.ts";

const tracedBy = (...command: string[]) => `${SLOW_LOG}\ncommand = ${JSON.stringify(command)}`;

test("a tracer is run without a shell on the process of a slow request, and its lines follow the report", async () => {
  const log = tracedBy("/usr/bin/head", "-n", "3", "/proc/{pid}/status");
  await using site = await startSite({ log });
  const pid = await site.text("lab.fcgi?op=sleep&ms=900");
  const fields = `program=${site.root}/lab.fcgi pid=${pid} request="GET /direct/lab.fcgi" stream=tracer`;
  await reportOf(site, "");
  await endOf(site, "");
  const lines = linesOf(site, "");
  const at = lines.findIndex((line) => line.startsWith("slow request,"));
  expect(lines.slice(at + 1, at + 4)).toEqual([
    `Name:\\tlab.fcgi ${fields}`,
    expect.stringMatching(/^Umask:\\t\d{4} program=/),
    `State:\\tS (sleeping) ${fields}`,
  ]);
});

test("a tracer that cannot be started, fails, or floods the log harms nobody", async () => {
  await using site = await startSite({
    lab: ["lab.fcgi", "failing.fcgi", "flooding.fcgi"],
    log: tracedBy("/nonexistent/tracer", "{pid}"),
  });
  await site.text("lab.fcgi?op=sleep&ms=900");
  await logged(site.fpm, "the tracer cannot be started: ");
  expect(linesOf(site, "the tracer cannot be started")[0]).toMatch(/ENOENT.* command=\/nonexistent\/tracer$/);

  edit(site.fpm, '["/nonexistent/tracer","{pid}"]', '["/usr/bin/cat","/nonexistent/{pid}"]');
  site.fpm.signal("SIGHUP");
  await logged(site.fpm, "changed=slow_log.command");
  const pid = await site.text("failing.fcgi?op=sleep&ms=900");
  await logged(site.fpm, "the tracer ended with status 1 ");
  expect(linesOf(site, "/usr/bin/cat")[0]).toContain(
    `/nonexistent/${pid}: No such file or directory program=`,
  );

  edit(site.fpm, '["/usr/bin/cat","/nonexistent/{pid}"]', '["/usr/bin/yes"]');
  site.fpm.signal("SIGHUP");
  await waitUntil("it is another", () => linesOf(site, "configuration reloaded").length === 2);
  await site.text("flooding.fcgi?op=sleep&ms=900");
  await logged(site.fpm, "the tracer was killed: it printed more than 500 lines or 64 KiB");
  expect(linesOf(site, "y program=")).toHaveLength(500);
  await endOf(site, "flooding.fcgi");
});

test("a tracer that hangs is alone, and does not outlive std-fpm", async () => {
  await using site = await startSite({ log: tracedBy("/usr/bin/sleep", "1000000") });
  const slow = Array.from({ length: 3 }, () => site.text("lab.fcgi?op=sleep&ms=900"));
  const programs = (await Promise.all(slow)).map(Number);
  const tracers = () => site.fpm.backends().filter((pid) => !programs.includes(pid));
  expect(tracers()).toHaveLength(1);
  const [tracer = 0] = tracers();
  await site.fpm.stop();
  expect(isAlive(tracer)).toBe(false);
  expect(linesOf(site, "2 slow requests were not traced: only one is traced at a time")).toHaveLength(1);
  expect(linesOf(site, "the tracer was killed: std-fpm stops")).toHaveLength(1);
});
