import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { snapshotOf } from "../support/admin.ts";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { isAlive } from "../support/processes.ts";
import { type Site, startSite } from "../support/site.ts";
import { logged } from "../support/std-fpm.ts";
import { waitUntil } from "../support/wait-until.ts";

/** As in any cgi-bin folder. */
const HELLO =
  "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\necho \"hello $REQUEST_METHOD $QUERY_STRING\"\n";
const DUMP = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\npwd\nls -l /proc/self/fd/0\nenv\n";
/** nginx gives up on a body that is not sent when the answer begins: read all of it first. */
const ECHO = `#!/usr/bin/perl
my $body = '';
1 while read STDIN, $body, 65536, length $body;
print "Content-Type: application/octet-stream\\r\\n\\r\\n$body";
`;
const PERL = `#!/usr/bin/perl
$| = 1;
my ($op, $arg) = $ENV{QUERY_STRING} =~ /op=([a-z-]+)(?:&n=(\\d+))?/;
if ($op eq 'die-first') { kill 'SEGV', $$; sleep 1 }
if ($op eq 'spin') { 1 while 1 }
if ($op eq 'silent') { exit 3 }
if ($op eq 'no-header') { print "hello, this is no header\\n"; exit 0 }
print STDERR "said on stderr\\n" if $op eq 'stderr';
print "Status: 404 Not Found\\r\\n" if $op eq 'status';
print "Content-Type: text/plain\\r\\n\\r\\n$$ ";
if ($op eq 'sleep') { select undef, undef, undef, $arg / 1000 }
if ($op eq 'die-later') { print 'x' x 5000; kill 'KILL', $$; sleep 1 }
if ($op eq 'large') { print 'y' x 65536 for 1 .. $arg }
if ($op eq 'background') { if (!fork) { setpgrp; sleep 3; exit } }
exit 7 if $op eq 'fail';
`;

const APPS = `[[apps]]
match = "/**/*.cgi"
extensions = [".cgi"]
protocol = "cgi"
env = { FROM_CONFIG = "yes" }
[[apps]]
match = "/**/limited/*.cgi"
max_processes = 2
request_timeout = "600ms"
abort_timeout = "300ms"
queue_timeout = "2s"
[[apps]]
match = "/**/perl/*.cgi"
command = ["/usr/bin/perl"]
[[apps]]
match = "/**/configured/*.cgi"
env = { REMOTE_USER = "configured" }
`;

let site: Site;

beforeAll(async () => {
  site = await startSite({
    apps: APPS,
    files: {
      "hello.cgi": HELLO,
      "dump.cgi": DUMP,
      "configured/dump.cgi": DUMP,
      "echo.cgi": ECHO,
      "ops.cgi": PERL,
      "limited/ops.cgi": PERL,
      "broken.cgi": "#!/nowhere/sh\n",
    },
  });
  site.put("perl/plain.cgi", "print qq(Content-Type: text/plain\\n\\n@ARGV);", 0o644);
});

afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

describe("a plain CGI program", () => {
  test("answers, each request in a process of its own", async () => {
    expect(await site.text("hello.cgi?a=1")).toBe("hello GET a=1\n");
    const pids = new Set<string>();
    for (let i = 0; i < 5; i++) pids.add(await site.text("ops.cgi"));
    expect(pids.size).toBe(5);
  });

  test("gets the CGI variables, its folder, a pipe, and a clean environment", async () => {
    const dump = await site.text("dump.cgi/more/path?q=1");
    const lines = dump.split("\n");
    expect(lines[0]).toBe(site.root);
    expect(lines[1]).toContain("pipe:");
    for (const line of [
      "GATEWAY_INTERFACE=CGI/1.1",
      "REQUEST_METHOD=GET",
      "QUERY_STRING=q=1",
      "PATH_INFO=/more/path",
      `SCRIPT_FILENAME=${site.root}/dump.cgi`,
      "FROM_CONFIG=yes",
      "LANG=C.UTF-8",
    ])
      expect(lines).toContain(line);
    expect(dump).not.toContain("NOTIFY_SOCKET");
  });

  test("takes nothing of a request that programs act upon, and the configuration goes before the rest", async () => {
    using connection = await connectFcgi(site.fpm.socket);
    const params = {
      LD_PRELOAD: "/tmp/x.so",
      PERL5OPT: "-Mx",
      HOME: "/elsewhere",
      STD_FPM_INSTANCE: "forged",
    };
    const { stdout } = await connection.request(`${site.root}/configured/dump.cgi`, {
      params: { ...params, HTTP_HOST: "a.example", REMOTE_USER: "from the request" },
    });
    const lines = stdout.split("\n");
    expect(lines).toContain("HTTP_HOST=a.example");
    expect(lines).toContain("REMOTE_USER=configured");
    for (const [name, value] of Object.entries(params)) expect(lines).not.toContain(`${name}=${value}`);
  });

  test.each([0, 1, 65_536, 5_000_000])("gets a body of %i bytes whole", async (length) => {
    const body = new Uint8Array(length).map((_, i) => i % 251);
    for (const way of ["direct", "unbuffered"] as const) {
      const answer = await site.ask("echo.cgi", { way, body });
      expect([answer.status, answer.end === "aborted"]).toEqual([200, false]);
      expect(Buffer.compare(answer.body, body)).toBe(0);
    }
  });

  test("need not read its body", async () => {
    const answer = await site.ask("ops.cgi", { body: new Uint8Array(3_000_000) });
    expect(answer.status).toBe(200);
  });

  test.each([100_000, 3_000_000])(
    "gets all %i bytes of its body, also after its answer, or when its client has left",
    async (bytes) => {
      const head = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nok\\n'\n";
      const taken = (name: string) => `sleep 0.3; cat > ${name}.part; mv ${name}.part ${name}`;
      site.put("closes.cgi", `${head}exec >&- 2>&-\n${taken("closed")}\n`);
      site.put("job.cgi", `${head}exec 3<&0\n( exec 0<&3; ${taken("job")} ) >&- 2>&- &\n`);
      site.put("slow.cgi", `#!/bin/sh\n${taken("left")}\n`);
      const sizeOf = async (name: string) => {
        const file = Bun.file(`${site.root}/${name}`);
        await waitUntil(`${name} has read`, () => file.exists());
        await file.stat().then(({ size }) => expect(size).toBe(bytes));
        await file.delete();
      };
      const body = new Uint8Array(bytes).fill(97);
      for (const [program, file] of [
        ["closes.cgi", "closed"],
        ["job.cgi", "job"],
      ] as const) {
        expect((await site.ask(program, { body })).status).toBe(200);
        await sizeOf(file);
      }
      const client = await connectFcgi(site.fpm.socket);
      const params = { REQUEST_METHOD: "POST", CONTENT_LENGTH: String(bytes) };
      await client.send(client.encode(`${site.root}/slow.cgi`, { params, body }));
      await waitUntil("it is at work", () => site.fpm.backends().length > 0);
      await Bun.sleep(100);
      client[Symbol.dispose]();
      await sizeOf("left");
    },
  );

  test("may answer much to a slow reader", async () => {
    const answer = await site.ask("ops.cgi?op=large&n=200");
    expect(answer.text().length).toBeGreaterThan(200 * 65536);
  });

  test("sets the status, its exit status goes on, and what it says on stderr is logged", async () => {
    expect((await site.ask("ops.cgi?op=status")).status).toBe(404);
    expect((await site.ask("ops.cgi?op=fail")).status).toBe(200);
    await site.ask("ops.cgi?op=stderr");
    await waitUntil("it is logged", () =>
      /warn "?said on stderr.* program=.*ops\.cgi pid=\d+ stream=stderr/.test(site.fpm.log()),
    );
  });

  test("of which something else holds the output is answered when it has ended", async () => {
    const started = performance.now();
    expect((await site.ask("ops.cgi?op=background")).status).toBe(200);
    expect(performance.now() - started).toBeLessThan(2_500);
  });

  test("is started by `command` with its path, and need only be readable then", async () => {
    expect(await site.text("perl/plain.cgi")).toBe("");
  });
});

describe("a CGI program that fails", () => {
  test.each([
    ["op=die-first", "ended by SIGSEGV"],
    ["op=silent", "exited with status 3 and printed nothing"],
    ["op=no-header", 'printed no header: its first line is "hello, this is no header"'],
  ])("%s is a 502 that says why", async (query, why) => {
    const answer = await site.ask(`ops.cgi?${query}`, { method: "POST" });
    expect([answer.status, answer.end]).toEqual([502, "complete"]);
    await waitUntil("the log says why", () => site.fpm.log().includes(why));
  });

  test("in mid-answer is an aborted transfer", async () => {
    expect((await site.ask("ops.cgi?op=die-later")).end).toBe("aborted");
  });

  test("to start is a 502 that says why, and does not close the site", async () => {
    for (let i = 0; i < 5; i++) expect((await site.ask("broken.cgi")).status).toBe(502);
    await waitUntil("the log says why", () => site.fpm.log().includes("interpreter /nowhere/sh of"));
    expect(site.fpm.log()).not.toContain("a bug in std-fpm");
  });

  test("to end in request_timeout is killed and a 504", async () => {
    const answer = await site.ask("limited/ops.cgi?op=spin");
    expect(answer.status).toBe(504);
    await waitUntil("it is gone", () => site.fpm.backends().length === 0);
  });

  test("to end for a client that left is ended", async () => {
    const before = site.fpm.backends();
    await site.ask("limited/ops.cgi?op=sleep&n=500", { leaveAfterMs: 100 });
    await waitUntil("it is gone", () =>
      site.fpm.backends().every((pid) => before.includes(pid) || !isAlive(pid)),
    );
  });
});

describe("many CGI requests at once", () => {
  test("are queued: never more processes than max_processes", async () => {
    let most = 0;
    const watching = setInterval(() => {
      most = Math.max(most, site.fpm.backends().length);
    }, 10);
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => site.ask("limited/ops.cgi?op=sleep&n=100")),
    );
    clearInterval(watching);
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
    expect(most).toBe(2);
  });

  test("of 100 clients are all answered, by a bounded number of processes", async () => {
    const answers = await Promise.all(Array.from({ length: 100 }, () => site.ask("hello.cgi")));
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    expect(site.fpm.backends()).toEqual([]);
  });
});

test("a program that ends as its client has left has not crashed, and one that ends itself by SIGPIPE has", async () => {
  const print = (line: string) => `#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nbegun'\n${line}\n`;
  await using site = await startSite({
    app: 'protocol = "cgi"\nextensions = [".cgi"]',
    files: {
      "prints.cgi": print("for i in $(seq 1 60); do printf '%08000d' 0; sleep 0.01; done"),
      "pipe.cgi": print("kill -PIPE $$"),
    },
  });
  for (let i = 0; i < 3; i++) await site.ask("prints.cgi", { leaveAfter: 100 });
  await waitUntil("they have ended", () => site.fpm.log().split("debug ended by SIGPIPE").length === 4);
  const { total } = await snapshotOf(site.fpm);
  expect([total.exits.crash, total.exits.own_will]).toEqual([0, 3]);
  expect(site.fpm.log()).not.toContain("warn ended by");
  await site.ask("pipe.cgi");
  await logged(site.fpm, "warn ended by SIGPIPE");
  expect((await snapshotOf(site.fpm)).total.exits.crash).toBe(1);
});
