import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, symlinkSync } from "node:fs";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { isAlive } from "../support/processes.ts";
import { isRoot } from "../support/server-process.ts";
import { type Site, startSite } from "../support/site.ts";
import { EXECUTABLE } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

let site: Site;

beforeAll(async () => {
  site = await startSite({
    lab: ["lab.fcgi", "exit-at-boot.fcgi", "slow-boot.fcgi", "noisy-boot.fcgi"],
    files: {
      "crlf.fcgi": "#!/usr/bin/perl\r\nprint 1;\r\n",
      "no-interpreter.fcgi": "#!/nowhere/perl\nprint 1;\n",
      "no-format.fcgi": "\x7fELF and nothing more",
      "env-interpreter.fcgi": "#!/usr/bin/env perl6\nprint 1;\n",
      "env-options.fcgi": "#!/usr/bin/env perl -w\nprint 1;\n",
      "plain-cgi.fcgi": "#!/bin/sh\necho 'Content-Type: text/plain'\necho\necho hello\n",
      "notes.txt": "#!/bin/sh\n",
      "folder.fcgi/inside.txt": "",
    },
    programEnv: { LAB_BOOT_MS: "3000" },
    apps: `[[apps]]
match = "/**/slow-boot.fcgi"
start_timeout = "300ms"`,
  });
  site.put("not-executable.fcgi", "#!/usr/bin/perl\n", 0o644);
});

afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

describe("404", () => {
  test.each(["missing.fcgi", "no/such/folder/missing.fcgi", "notes.txt", "folder.fcgi"])(
    "%s is not found",
    async (path) => {
      const answer = await site.ask(path);
      expect([answer.status, answer.end]).toEqual([404, "complete"]);
      expect(answer.text()).toContain("File not found.");
    },
  );

  test("a program outside of the allowed roots is not found", async () => {
    await using closed = await startSite({ app: 'roots = ["/srv/nowhere"]' });
    const answer = await closed.ask("lab.fcgi");
    expect(answer.status).toBe(404);
    expect(answer.text()).toContain("File not found.");
  });

  test("a link that leads out of the allowed roots is not found", async () => {
    using dir = makeTempDir();
    await using inside = await startSite({ lab: [], app: `roots = ["${dir.path}"]` });
    symlinkSync(`${site.root}/lab.fcgi`, dir.at("lab.fcgi"));
    using connection = await connectFcgi(inside.fpm.socket);
    expect((await connection.request(dir.at("lab.fcgi"))).stdout).toStartWith("Status: 404");
  });
});

test("403 for a program that may not be executed, and 200 once it may", async () => {
  expect((await site.ask("not-executable.fcgi")).status).toBe(403);
  const path = site.put("late.fcgi", { copyOf: `${site.root}/lab.fcgi` }, 0o644);
  expect((await site.ask("late.fcgi")).status).toBe(403);
  chmodSync(path, 0o755);
  await waitUntil("it runs", async () => (await site.ask("late.fcgi")).status === 200);
});

test("a file system without programs is named: of the program, and of its interpreter", async () => {
  using mount = makeTempDir();
  const inNamespace = isRoot() ? ["unshare", "-m"] : ["unshare", "-mr"];
  const mounted = `mount -t tmpfs -o noexec tmpfs "$0" && cp /bin/true "$0/true" && cp /bin/true "$0/x.fcgi" && exec "$@"`;
  await using inside = await startSite({
    lab: [],
    files: { "interpreted.fcgi": `#!${mount.path}/true\n` },
    app: 'user = "root"',
    command: [...inNamespace, "sh", "-c", mounted, mount.path, EXECUTABLE],
  });
  expect((await inside.ask("interpreted.fcgi")).status).toBe(502);
  await waitUntil("the reason is logged", () =>
    inside.fpm.log().includes(`${mount.path}/true lies on a file system that is mounted noexec`),
  );
  using client = await connectFcgi(inside.fpm.socket);
  expect((await client.request(mount.at("x.fcgi"))).stdout).toStartWith("Status: 403");
  await waitUntil("the other reason is logged", () =>
    inside.fpm.log().includes(`${mount.path}/x.fcgi: its file system is mounted noexec.`),
  );
});

describe("502 with the reason in the log", () => {
  test.each([
    ["crlf.fcgi", /the #! line of .*crlf\.fcgi ends in CR LF: save it with Unix line ends/],
    ["no-interpreter.fcgi", /interpreter \/nowhere\/perl of .*no-interpreter\.fcgi not found/],
    [
      "env-interpreter.fcgi",
      /exited with status 127 .*: interpreter perl6 of .*env-interpreter\.fcgi not found/,
    ],
    [
      "env-options.fcgi",
      /status 127 .*: env takes what follows it in the #! line of .*env-options\.fcgi for one command; write #!\/usr\/bin\/env -S/,
    ],
    ["no-format.fcgi", /no-format\.fcgi is neither an executable nor a script/],
    [
      "exit-at-boot.fcgi",
      /exited with status 3 before it accepted a connection\. .*this program leaves at once/,
    ],
    ["noisy-boot.fcgi", /noisy-boot\.fcgi.*exited with status 4 before it accepted a connection/],
    [
      "plain-cgi.fcgi",
      /exited with status 0 .*: it spoke CGI on stdout: not a FastCGI program; set `protocol = "cgi"` for it/,
    ],
  ])("%s", async (name, reason) => {
    const answer = await site.ask(name);
    expect([answer.status, answer.end]).toEqual([502, "complete"]);
    await waitUntil("the reason is logged", () => reason.test(site.fpm.log()), 2_000);
  });

  test("is that of the program, whatever is put in front of it: no shell runs what the kernel refuses, and CGI has it as well", async () => {
    const deep = `/${"d".repeat(80)}`.repeat(4);
    const lines = {
      "env.cgi": [
        "#!/usr/bin/env perl6",
        /status 127 and printed nothing: interpreter perl6 of \S+ not found/,
      ],
      "env-crlf.cgi": [
        "#!/usr/bin/env sh\r",
        /the #! line of \S+ ends in CR LF: save it with Unix line ends/,
      ],
      "missing.cgi": ["#!/nowhere/perl", /interpreter \/nowhere\/perl of \S+ not found/],
      "unnamed.cgi": ["#!", /the #! line of \S+ names no interpreter/],
      "long.cgi": [`#!${deep}/perl`, /the interpreter in the #! line of \S+ is not over after 256 bytes/],
      "broken.cgi": ["#!./none", /the interpreter \S+\/none of \S+ is neither an executable nor a script/],
    } as const;
    const bodies = Object.entries(lines).map(([name, [line]]) => [
      name,
      `${line}\nprintf 'Content-Type: text/plain\\n\\nthe shell ran it'\n`,
    ]);
    await using limited = await startSite({
      lab: [],
      files: { ...Object.fromEntries(bodies), none: "exit\n" },
      app: 'protocol = "cgi"\nextensions = [".cgi"]\nlimits = { nofile = 100 }',
    });
    for (const [name, [, reason]] of Object.entries(lines)) {
      const answer = await limited.ask(name);
      expect([name, answer.status, answer.text()]).toEqual([name, 502, "The program failed.\n"]);
      const isTold = () => reason.test(limited.fpm.log());
      await waitUntil(`the reason of ${name} is logged`, isTold, 2_000);
    }
  });

  test("a program's last words on stderr are in the log", async () => {
    await site.ask("exit-at-boot.fcgi");
    expect(site.fpm.log()).toContain("lab: this program leaves at once");
  });

  test("an exit is one line: program, pid, cause, age, requests served, last words", async () => {
    const pid = Number(await site.text("lab.fcgi?op=say"));
    process.kill(pid, "SIGSEGV");
    const line = new RegExp(
      `error ended by SIGSEGV program=${site.root}/lab.fcgi pid=${pid} cause=crash age=[0-9.]+s served=\\d+ stderr="said on stderr"`,
    );
    await waitUntil("it is logged", () => line.test(site.fpm.log()));
  });

  test.each(["GET", "POST"])("%s of a program that dies before it answers", async (method) => {
    const answer = await site.ask("lab.fcgi?op=die-before", { method });
    expect([answer.status, answer.end]).toEqual([502, "complete"]);
  });

  test("a POST whose program dies after it has read the body is not sent twice", async () => {
    const answer = await site.ask("lab.fcgi?op=die-after-body", { body: Buffer.from("once only") });
    expect([answer.status, answer.end]).toEqual([502, "complete"]);
  });

  test("the same program is there for the next client", async () => {
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
  });
});

test("504 for a program that does not start in start_timeout", async () => {
  const started = performance.now();
  const answer = await site.ask("slow-boot.fcgi");
  expect([answer.status, answer.end]).toEqual([504, "complete"]);
  expect(performance.now() - started).toBeLessThan(2_500);
});

test("504 for a request over request_timeout, and its process is killed at once", async () => {
  await using slow = await startSite({ app: 'request_timeout = "300ms"' });
  const answer = slow.ask("lab.fcgi?op=hang");
  const pid = await waitUntil("the program works", () => slow.fpm.backends()[0]);
  expect((await answer).status).toBe(504);
  await waitUntil("its process is gone", () => !isAlive(pid), 1_000);
  expect(await slow.text("lab.fcgi")).toMatch(/^\d+$/);
});

test("503 with Retry-After when the queue is full, and when queue_timeout is over", async () => {
  await using full = await startSite({
    app: 'max_processes = 1\nqueue_length = 1\nqueue_timeout = "1s"\nstop_timeout = "200ms"\nabort_timeout = "200ms"',
  });
  const holding = full.ask("lab.fcgi?op=sleep&ms=4000");
  await waitUntil("the program works", () => full.fpm.backends().length === 1);
  const [first, second, third] = await Promise.all([
    full.ask("lab.fcgi"),
    full.ask("lab.fcgi"),
    full.ask("lab.fcgi"),
  ]);
  for (const answer of [first, second, third]) {
    expect([answer?.status, answer?.end]).toEqual([503, "complete"]);
    expect(Number(answer?.headers.get("retry-after"))).toBeGreaterThan(0);
  }
  expect((await holding).status).toBe(200);
});

test("503 with the time of the next try while a program cannot be started, and no longer when its file was mended", async () => {
  await using broken = await startSite({ files: { "x.fcgi": "#!/nowhere/perl\n" }, lab: [] });
  const statuses: number[] = [];
  for (let i = 0; i < 4; i++) statuses.push((await broken.ask("x.fcgi")).status);
  expect(statuses).toEqual([502, 502, 502, 503]);
  // The pauses double; what is said is what is left of this one, in whole seconds.
  const said = await waitUntil("a pause of seconds", async () => {
    const answer = await broken.ask("x.fcgi");
    return answer.status === 503 && Number(answer.headers.get("retry-after")) > 1 ? answer : undefined;
  });
  const seconds = said.headers.get("retry-after");
  await waitUntil("the log says the same", () => broken.fpm.log().includes(`Next try in ${seconds} s. `));
  broken.put("x.fcgi", { copyOf: "dist/test-programs/lab" });
  await Bun.sleep(1100);
  expect(await broken.text("x.fcgi")).toMatch(/^\d+$/);
});

test("400 for a request without SCRIPT_FILENAME", async () => {
  using connection = await connectFcgi(site.fpm.socket);
  const answer = await connection.request("");
  expect(answer.stdout).toStartWith("Status: 400");
});

test("400 for an oversized head", async () => {
  using connection = await connectFcgi(site.fpm.socket);
  const params = Object.fromEntries(
    Array.from({ length: 40 }, (_, i) => [`HTTP_X_${i}`, "v".repeat(60_000)]),
  );
  const answer = await connection.request(`${site.root}/lab.fcgi`, { params });
  expect(answer.stdout).toStartWith("Status: 400");
});

test.each(["\0", "\n", "\r"])("400 or 404 for a path with a control character (%j)", async (character) => {
  using connection = await connectFcgi(site.fpm.socket);
  const answer = await connection.request(`${site.root}/lab${character}.fcgi`);
  expect(answer.stdout).toMatch(/^Status: 40[04]/);
});
