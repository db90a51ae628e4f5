import { describe, expect, test } from "bun:test";
import { command } from "../support/admin.ts";
import { runCli } from "../support/cli-process.ts";
import { isAlive } from "../support/processes.ts";
import { startSite } from "../support/site.ts";
import { EXECUTABLE } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";

/** Status and stderr of a line of the shell; "$0" is the executable. */
function shell(line: string, env: Record<string, string> = {}): { status: number; out: string; err: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["/bin/sh", "-c", line, EXECUTABLE], {
    env: { PATH: "/usr/bin:/bin", ...env },
  });
  return { status: exitCode, out: stdout.toString(), err: stderr.toString() };
}

describe("what the system refuses", () => {
  test("is a line with the reason, and never a stack of the runtime", async () => {
    await using site = await startSite();
    const { socket } = site.fpm;
    const full = shell('"$0" config > /dev/full');
    expect([full.status, full.err]).toEqual([
      1,
      expect.stringContaining("standard output cannot be written: "),
    ]);
    expect(full.err).toContain("ENOSPC");
    for (const words of [
      `status --socket ${socket}`,
      `status --json --socket ${socket}`,
      `status --socket ${site.fpm.configFile}`,
      "config --effective --config /proc/1/mem",
    ]) {
      const { status, err } = shell(`"$0" ${words}`);
      expect([words, status, err.split("\n").length]).toEqual([words, 1, 2]);
      expect(err).toMatch(/^std-fpm: /);
    }
  });
});

describe("a daemon that does not answer any more", () => {
  test.each(["status", "reload", "restart x", "stop"])(
    "does not hold up std-fpm %s",
    async (words) => {
      await using site = await startSite();
      site.fpm.signal("SIGSTOP");
      try {
        const { status, err } = await command(site.fpm, ...words.split(" "));
        expect([status, err]).toEqual([1, expect.stringContaining("no answer in 3 s")]);
      } finally {
        site.fpm.signal("SIGCONT");
      }
    },
    20_000,
  );
});

describe("std-fpm request --fail", () => {
  test.each([
    [200, 0],
    [399, 0],
    [400, 22],
    [503, 22],
  ])("of an answer with status %p ends with %p", async (answer, expected) => {
    await using site = await startSite({ files: { "s.fcgi": STATUS } });
    const words = ["request", `${site.root}/s.fcgi`, "--query", String(answer)];
    expect((await command(site.fpm, ...words, "--fail")).status).toBe(expected);
    expect((await command(site.fpm, ...words)).status).toBe(0);
  });

  test("of a program that is not there is 22, too", async () => {
    await using site = await startSite();
    expect((await command(site.fpm, "request", "/none.fcgi", "--fail")).status).toBe(22);
  });
});

describe("std-fpm stop", () => {
  test("waits for the end also where the daemon's pid says nothing", async () => {
    await using site = await startSite();
    const { pid, runtimeDir } = site.fpm;
    const inFlight = site.ask("lab.fcgi?op=sleep&ms=600");
    await site.text("lab.fcgi");
    // Another pid namespace: there its number is nobody's, or somebody else's.
    const elsewhere = ["unshare", "--pid", "--fork", "--mount-proc", EXECUTABLE];
    const stop = Bun.spawn([...elsewhere, "stop", "--socket", `${runtimeDir}/admin.sock`], {
      stdout: "pipe",
    });
    expect(await new Response(stop.stdout).text()).toEndWith(`pid ${pid} has ended\n`);
    expect([await stop.exited, isAlive(pid)]).toEqual([0, false]);
    expect((await inFlight).status).toBe(200);
  });
});

test("NO_COLOR and TERM=dumb are obeyed on a terminal, in help and log", () => {
  using dir = makeTempDir();
  for (const [env, expected] of [
    [{ TERM: "xterm" }, true],
    [{ TERM: "xterm", NO_COLOR: "1" }, false],
    [{ TERM: "dumb" }, false],
  ] as const) {
    // script(1) is the terminal.
    const { out } = shell(`script -qec '"'"$0"'" --help; "'"$0"'" dev ${dir.path}/none' /dev/null`, env);
    expect([env, out.includes("\x1b[")]).toEqual([env, expected]);
  }
});

test("the version is told by a word as by flags", async () => {
  expect((await runCli("version")).out).toBe((await runCli("--version")).out);
});

/** Answers with the status that the query names. */
const STATUS = `#!/usr/bin/perl
use FCGI;
my $request = FCGI::Request();
print "Status: $ENV{QUERY_STRING} Something\\r\\nContent-Type: text/plain\\r\\n\\r\\n" while $request->Accept() >= 0;
`;
