import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { snapshotOf } from "../support/admin.ts";
import { isAlive, peakResidentBytes } from "../support/processes.ts";
import { type Site, startSite } from "../support/site.ts";
import { logged } from "../support/std-fpm.ts";
import { TIME_FACTOR, waitUntil } from "../support/wait-until.ts";

const TIMES = 20;
/** More than an idle daemon ever has. */
const MEMORY_BYTES = 384 * 1024 * 1024;
const CGI = 'protocol = "cgi"\nextensions = [".cgi"]';
/** Touches the file that the query names, after a while. */
const JOB = `sh -c "sleep 1; touch '$PWD/done-$QUERY_STRING'"`;
const QUIET = ">/dev/null 2>&1 </dev/null";
const HEAD = "printf 'Content-Type: text/plain\\n\\nstarted'";

/** The same, once the file `go` is there. */
const UNTIL_GO = `while ! test -e '$PWD/go'; do sleep 0.1; done; touch '$PWD/done-$QUERY_STRING'`;

const CGI_WAYS: Record<string, string> = {
  amp: `sh -c "${UNTIL_GO}" ${QUIET} &`,
  nohup: `nohup sh -c "${UNTIL_GO}" ${QUIET} &`,
  setsid: `setsid sh -c "${UNTIL_GO}" ${QUIET} &`,
  "setsid -f": `setsid -f sh -c "${UNTIL_GO}" ${QUIET}`,
  "works on without its output": `exec >&- 2>&-; ${UNTIL_GO.replaceAll("'", '"')}`,
};

const PERL = `#!/usr/bin/perl
use FCGI; use Cwd; my $cwd = getcwd;
my $request = FCGI::Request(\\*STDIN, \\*STDOUT, \\*STDERR, \\my %env);
while ($request->Accept() >= 0) {
  my ($number) = $env{QUERY_STRING} =~ /(\\d+)/;
  system("(sleep 4; touch $cwd/done-$number) ${QUIET} &") if defined $number;
  print "Content-Type: text/plain\\r\\n\\r\\n$$";
}
`;

const doneIn = ({ root }: Site) => readdirSync(root).filter((name) => name.startsWith("done-")).length;
const zombiesOf = ({ fpm }: Site) =>
  readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return state === "Z" && Number(parent) === fpm.pid;
    } catch {
      return false;
    }
  });

/** Leaves a job, and prints more than its client reads. */
const PRINTS = `#!/bin/sh
${JOB} ${QUIET} &
${HEAD}
for i in $(seq 1 60); do printf '%08000d' 0; sleep 0.01; done
`;

describe("a job that a CGI program leaves on purpose", () => {
  test.each([
    ["is of HEAD, of which nginx reads the header only", { method: "HEAD" }],
    ["has left in the middle of the answer", { leaveAfter: 100 }],
  ] as const)(
    "comes to its end where the request %s, and the program ends by SIGPIPE",
    async (_how, request) => {
      await using site = await startSite({ app: CGI, files: { "prints.cgi": PRINTS } });
      await site.ask("prints.cgi?1", request);
      await waitUntil("the job is done", () => doneIn(site) === 1);
    },
  );

  test("comes to its end after a crash of the program", async () => {
    const crashes = `#!/bin/sh\n${JOB} ${QUIET} &\n${HEAD}\nkill -SEGV $$\n`;
    await using site = await startSite({ app: CGI, files: { "crashes.cgi": crashes } });
    await site.ask("crashes.cgi?1");
    await waitUntil("the job is done", () => doneIn(site) === 1);
  });

  test.each(Object.keys(CGI_WAYS))(
    "by %s comes to its end, and the answer does not wait for it",
    async (way) => {
      await using site = await startSite({
        app: CGI,
        files: { "job.cgi": `#!/bin/sh\n${HEAD}\n${CGI_WAYS[way]}\n` },
      });
      const answers = await Promise.all(
        Array.from({ length: TIMES }, (_, number) => site.text(`job.cgi?${number}`)),
      );
      expect(answers).toEqual(Array(TIMES).fill("started"));
      expect(doneIn(site)).toBe(0);
      site.put("go", "");
      await waitUntil("all are done", () => doneIn(site) === TIMES);
      await waitUntil("no zombie is left", () => zombiesOf(site).length === 0);
    },
  );
});

describe("a job that a FastCGI program leaves on purpose", () => {
  test.each(["max_requests", "idle_timeout", "a new version"])(
    "goes on when its process is ended by %s",
    async (why) => {
      const app =
        why === "max_requests" ? "max_requests = 1" : why === "idle_timeout" ? 'idle_timeout = "300ms"' : "";
      await using site = await startSite({ app, files: { "job.fcgi": PERL } });
      const pids = await Promise.all(
        Array.from({ length: TIMES }, (_, number) => site.text(`job.fcgi?${number}`)),
      );
      if (why === "a new version") {
        // What is known of a file may be a second old.
        await Bun.sleep(1_100);
        site.put("job.fcgi", `${PERL}# new\n`);
        await waitUntil("it serves", async () => !pids.includes(await site.text("job.fcgi")));
      }
      await waitUntil("their processes have ended", () => pids.every((pid) => !isAlive(Number(pid))));
      expect(doneIn(site)).toBeLessThan(TIMES);
      await waitUntil("all are done", () => doneIn(site) === TIMES);
      await waitUntil("no zombie is left", () => zombiesOf(site).length === 0);
    },
  );
});

describe("a stop", () => {
  test("ends jobs: with SIGTERM, after stop_timeout with SIGKILL, and says which", async () => {
    await using site = await startSite({
      app: `${CGI}\nstop_timeout = "500ms"`,
      files: {
        "job.cgi": `#!/bin/sh\n${HEAD}\nsetsid sh -c 'trap "touch $PWD/told; exit" TERM; echo $$ > $PWD/polite; while :; do sleep 0.1; done' ${QUIET} &
setsid env -i sh -c 'trap "" TERM; echo $$ > '$PWD/stubborn'; while :; do sleep 0.1; done' ${QUIET} &
while ! test -s polite || ! test -s stubborn; do sleep 0.01; done\n`,
      },
    });
    await site.text("job.cgi");
    expect((await snapshotOf(site.fpm)).left_behind).toBe(2);
    const [polite, stubborn] = ["polite", "stubborn"].map((name) =>
      Number(readFileSync(`${site.root}/${name}`, "utf8")),
    );
    site.fpm.signal("SIGTERM");
    expect(await site.fpm.exited).toBe(0);
    expect(existsSync(`${site.root}/told`)).toBe(true);
    const line = site.fpm
      .log()
      .split("\n")
      .find((each) => each.includes("ended processes that programs left"));
    expect(line).toContain(String(polite));
    expect(line).toContain(String(stubborn));
    expect([polite, stubborn].map((pid) => isAlive(pid as number))).toEqual([false, false]);
  });

  test("leaves alone what somebody else has started with the environment of a program, as atd does", async () => {
    await using site = await startSite({
      app: CGI,
      files: { "env.cgi": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nenv\n" },
    });
    const environment = (await site.text("env.cgi")).trim().split("\n");
    expect(environment.join("\n")).toContain("STD_FPM_INSTANCE=");
    const job = Bun.spawn(["/bin/sh", "-c", "sleep 1000 & wait"], {
      env: Object.fromEntries(
        environment.map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]),
      ),
      detached: true,
    });
    try {
      // Whoever started it is no program of std-fpm's, and goes on.
      site.fpm.signal("SIGTERM");
      await logged(site.fpm, "info stopped");
      expect(isAlive(job.pid)).toBe(true);
    } finally {
      process.kill(-job.pid, "SIGKILL");
      await job.exited;
    }
  });

  test("reads no more than the beginning of an environment, however long a process makes its own, nor does a start", async () => {
    await using site = await startSite({ app: CGI, files: { "job.cgi": `#!/bin/sh\n${HEAD}\n` } });
    const program = resolve("dist/test-programs/long-environment");
    // With a parent that adopts: of others' children nothing is read.
    Bun.spawnSync(["setsid", "-f", program, "384", `${site.root}/pid`], {
      stdio: ["ignore", "ignore", "ignore"],
    });
    const pid = () => Number(existsSync(`${site.root}/pid`) && readFileSync(`${site.root}/pid`, "latin1"));
    await waitUntil("its environment is long", () => pid() > 0);
    try {
      await site.fpm.kill();
      const startedAt = performance.now();
      await site.restart();
      expect(performance.now() - startedAt).toBeLessThan(2500 * TIME_FACTOR);
      expect(await site.text("job.cgi")).toBe("started");
      let peak = 0;
      let hasEnded = false;
      site.fpm.signal("SIGTERM");
      void site.fpm.exited.then(() => {
        hasEnded = true;
      });
      while (!hasEnded) {
        peak = Math.max(peak, peakResidentBytes(site.fpm.pid));
        await Bun.sleep(5);
      }
      expect(await site.fpm.exited).toBe(0);
      expect(peak).toBeLessThan(MEMORY_BYTES);
      expect(isAlive(pid())).toBe(true);
    } finally {
      process.kill(pid(), "SIGKILL");
    }
  });
});

/** As with the option --daemonize of many a program. */
const DAEMONISING = `#!/usr/bin/perl
use FCGI; use POSIX "setsid";
exit 0 if fork; setsid(); exit 0 if fork;
open STDERR, '>', '/dev/null'; open STDOUT, '>', '/dev/null';
my $request = FCGI::Request(\\*STDIN, \\*STDOUT, \\*STDERR, \\my %env);
while ($request->Accept() >= 0) { print "Content-Type: text/plain\\r\\n\\r\\nhello from the background\\n" }
`;

test("a program that puts itself into the background is told so, and leaves no process behind", async () => {
  await using site = await startSite({ files: { "background.fcgi": DAEMONISING }, lab: [] });
  for (let i = 0; i < 3; i++) {
    // The process in the background may be quick enough to be taken for it.
    expect((await site.ask("background.fcgi")).status).toBeOneOf([200, 502, 503]);
    await waitUntil("nobody is left", () => site.fpm.marked().length === 0);
  }
  expect(site.fpm.log()).toMatch(/(?:went|goes) on in the background.*must stay in the foreground/);
});
