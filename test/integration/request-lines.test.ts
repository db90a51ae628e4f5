import { describe, expect, test } from "bun:test";
import { command } from "../support/admin.ts";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { makeMemoryGroup } from "../support/memory-group.ts";
import { type Site, startSite } from "../support/site.ts";
import { edit, logged } from "../support/std-fpm.ts";
import { waitUntil } from "../support/wait-until.ts";

const PHP_TABLE =
  '[[apps]]\nname = "php"\nmatch = "**/*.php"\nextensions = [".php"]\ncommand = ["/usr/bin/php-cgi"]\n';
const FATAL = '<?php ini_set("log_errors", "1"); ini_set("error_log", ""); no_such_function();';
const SLOW = "<?php usleep(400000); echo getmypid();";
const DIES = "<?php posix_kill(getmypid(), 11);";

/** The first line of the log with this in it. */
async function line(site: Site, ...parts: string[]): Promise<string> {
  return await waitUntil(`a line with ${parts.join(" and ")}`, () =>
    site.fpm
      .log()
      .split("\n")
      .find((each) => parts.every((part) => each.includes(part))),
  );
}

function phpSite(options: Parameters<typeof startSite>[0] = {}) {
  const files = { "a/index.php": FATAL, "b/index.php": SLOW, "c/index.php": DIES };
  return startSite({ lab: ["lab.fcgi"], files, apps: PHP_TABLE, ...options });
}

describe("a line about a request of a program that many share", () => {
  test("names script and host: an error, a slow report, what is printed", async () => {
    await using site = await phpSite({ apps: `${PHP_TABLE}[slow_log]\nafter = "200ms"\n` });
    await site.ask("c/index.php", { headers: { Host: "c.example" } });
    const failed = await line(site, "code=BACKEND_BROKEN");
    expect(failed).toContain(`program=php script=${site.root}/c/index.php host=c.example`);
    expect(failed).toMatch(/php \(pid \d+\) ended by SIGSEGV before it answered/);
    await site.ask("b/index.php", { headers: { Host: "b.example" } });
    const slow = await line(site, "slow request", "b/index.php");
    expect(slow).toContain(`script=${site.root}/b/index.php host=b.example`);
    await site.ask("a/index.php", { headers: { Host: "a.example" } });
    const printed = await line(site, "no_such_function");
    expect(printed).toContain(`script=${site.root}/a/index.php host=a.example`);
  });

  test("names what [log] request_fields wants, until a reload wants something else", async () => {
    const log = 'request_fields = ["HTTP_X_REQUEST_ID"]\n';
    await using site = await phpSite({ log });
    const headers = { "X-Request-Id": "4711", "X-Other": "a b" };
    await site.ask("c/index.php", { headers });
    expect(await line(site, "code=BACKEND_BROKEN")).toContain("HTTP_X_REQUEST_ID=4711");
    edit(site.fpm, '"HTTP_X_REQUEST_ID"', '"HTTP_X_OTHER"');
    await command(site.fpm, "reload");
    await site.ask("c/index.php", { headers });
    const later = await line(site, "code=BACKEND_BROKEN", "HTTP_X_OTHER");
    expect(later).toContain('HTTP_X_OTHER="a b"');
    expect(later).not.toContain("4711");
  });

  test("has no script where that is the program, and UTF-8 is text", async () => {
    await using site = await startSite();
    using connection = await connectFcgi(site.fpm.socket);
    const params = { QUERY_STRING: "op=die-before", REQUEST_URI: Buffer.from("/straße").toString("latin1") };
    await connection.request(`${site.root}/lab.fcgi`, { params });
    const failed = await line(site, "code=BACKEND_BROKEN");
    expect(failed).toContain(`uri=/straße program=${site.root}/lab.fcgi ms=`);
  });
});

describe("FCGI_STDERR", () => {
  test("is in the log with its request, tagged, in whole lines", async () => {
    await using site = await startSite();
    await site.text("lab.fcgi?op=say");
    const said = await line(site, "said on FCGI_STDERR");
    expect(said).toContain('stream=FCGI_STDERR request="GET /direct/lab.fcgi"');
  });

  test("is not in the log with log_stderr = false, and reaches the web server all the same", async () => {
    await using site = await startSite({ app: "log_stderr = false" });
    await site.text("lab.fcgi?op=say");
    await waitUntil("it is in nginx's log", () => site.nginx.errorLog().includes("said on FCGI_STDERR"));
    await line(site, "said on stderr");
    expect(site.fpm.log()).not.toContain("said on FCGI_STDERR");
  });

  test("counts for output_limit", async () => {
    const flood =
      '<?php ini_set("log_errors", "1"); ini_set("error_log", ""); for ($i = 0; $i < 500; $i++) error_log("flood $i"); echo "ok";';
    await using site = await phpSite({ files: { "flood.php": flood }, app: "output_limit = 20" });
    expect(await site.text("flood.php")).toBe("ok");
    await line(site, "lines were dropped");
    const logged = site.fpm
      .log()
      .split("\n")
      .filter((each) => each.includes("flood "));
    expect(logged.length).toBeWithin(20, 60);
  });
});

describe("a SIGKILL that std-fpm has not sent", () => {
  test.each(["fastcgi", "cgi"])(
    "is said to be another's, with the pid in the 502's line (%s)",
    async (protocol) => {
      const files = { "sleep.cgi": "#!/bin/sh\necho $$ >&2\nsleep 60\n" };
      const apps = `[[apps]]\nmatch = "**/*.cgi"\nextensions = [".cgi"]\nprotocol = "cgi"\n`;
      await using site = await startSite({ files, apps });
      const path = protocol === "cgi" ? "sleep.cgi" : "lab.fcgi?op=hang";
      const answer = site.ask(path, { body: Buffer.from("x") });
      const pid = await waitUntil("it works", () => site.fpm.backends()[0]);
      if (protocol === "cgi") await line(site, "stream=stderr");
      else
        await waitUntil("it is busy", async () =>
          (await command(site.fpm, "status", "--json")).out.includes('"busy":1'),
        );
      process.kill(pid, "SIGKILL");
      expect((await answer).status).toBe(502);
      const failed = await line(site, "code=BACKEND_BROKEN");
      expect(failed).toContain(
        `(pid ${pid}) ended by SIGKILL, not by std-fpm: the kernel's memory killer, or somebody`,
      );
    },
  );

  test("of the kernel's memory killer is told with its counter", async () => {
    using group = makeMemoryGroup(64 * 2 ** 20);
    // Where nobody may make one, the counter is known to be read: see the unit tests.
    if (!group) return;
    const hungry =
      '#!/usr/bin/perl\nprint STDERR "begins\\n"; my @all; push @all, "x" x 1e6 for 1..1000; print "Status: 200\\n\\n";\n';
    const apps = `[[apps]]\nmatch = "**/*.cgi"\nextensions = [".cgi"]\nprotocol = "cgi"\ncgroup = "${group.path}"\n`;
    await using site = await startSite({ files: { "hungry.cgi": hungry }, apps });
    expect((await site.ask("hungry.cgi", { body: Buffer.from("x") })).status).toBe(502);
    expect(await line(site, "code=BACKEND_BROKEN")).toContain(
      `oom_kill of ${group.counter} went from 0 to 1`,
    );
  });
});

test("a restart by hand says so, and so do the exits that come of it", async () => {
  await using site = await startSite();
  await site.text("lab.fcgi");
  await command(site.fpm, "restart", `${site.root}/lab.fcgi`);
  await logged(site.fpm, "restarting, as asked for");
  await line(site, "exited with status 0", 'reason="restarted by hand"');
});
