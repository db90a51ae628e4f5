import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { isAlive } from "../support/processes.ts";
import { isRoot } from "../support/server-process.ts";
import { type Site, type SiteOptions, startSite } from "../support/site.ts";
import { EXECUTABLE, edit, logged } from "../support/std-fpm.ts";
import { waitUntil } from "../support/wait-until.ts";

/**
 * A PID namespace of its own, as a container has. Without root's rights nobody gets one; then the same is seen of a std-fpm that is the
 * reaper of its descendants alone.
 */
const ISOLATED = isRoot() ? ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"] : [];
const JOBS = 20;
const QUIET = ">/dev/null 2>&1 </dev/null";
const HEAD = "printf 'Content-Type: text/plain\\n\\nok'";
const CGI = '[[apps]]\nmatch = "/**/*.cgi"\nprotocol = "cgi"\n';
/** One process that stays, of the FastCGI program. */
const ONE = 'extensions = [".cgi", ".fcgi"]\nmax_processes = 1';
const PERL = `#!/usr/bin/perl
use FCGI;
my $request = FCGI::Request(\\*STDIN, \\*STDOUT, \\*STDERR, \\my %env);
while ($request->Accept() >= 0) {
  system("(env -i /bin/sleep 0.3 &) ${QUIET}");
  print "Content-Type: text/plain\\r\\n\\r\\nok";
}
`;

async function startFirst(options: SiteOptions = {}) {
  const site = await startSite({ ...options, command: [...ISOLATED, EXECUTABLE] });
  const pid = daemonOf(site);
  return {
    site,
    pid,
    /** Sends a signal, and has the exit status. */
    async end(signal: NodeJS.Signals) {
      process.kill(pid, signal);
      return await site.fpm.exited;
    },
    async [Symbol.asyncDispose]() {
      if (childrenOf(process.pid).has(site.fpm.pid)) await this.end("SIGTERM");
      await site[Symbol.asyncDispose]();
    },
  };
}

/** With a namespace it is the child of who made that. */
function daemonOf({ fpm }: Site): number {
  const [child] = ISOLATED.length > 0 ? childrenOf(fpm.pid).keys() : [fpm.pid];
  if (child === undefined) throw new Error(`no std-fpm below ${fpm.pid}`);
  return child;
}

/** With the state of each: a letter. */
function childrenOf(parent: number): Map<number, string> {
  const found = new Map<number, string>();
  for (const name of readdirSync("/proc")) {
    try {
      const stat = readFileSync(`/proc/${Number(name)}/stat`, "latin1");
      const [state = "", of] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (Number(of) === parent) found.set(Number(name), state);
    } catch {
      // No process, or one that has ended.
    }
  }
  return found;
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "latin1").trim();
  } catch {
    return "";
  }
}

describe("as the first process of a container std-fpm", () => {
  test.each(["SIGTERM", "SIGINT", "SIGQUIT"] as const)(
    "stops in order at %s, with status 0",
    async (signal) => {
      await using first = await startFirst();
      const { site, pid } = first;
      if (ISOLATED.length > 0)
        expect(readFileSync(`/proc/${pid}/status`, "utf8")).toMatch(/^NSpid:\t\d+\t1$/m);
      await site.text("lab.fcgi");
      expect(await first.end(signal)).toBe(0);
      expect(site.fpm.log()).toContain("info stopped");
    },
  );

  test("finishes the requests in flight first", async () => {
    await using first = await startFirst();
    const asked = first.site.ask("lab.fcgi?op=sleep&ms=700");
    await waitUntil("it is at work", () => childrenOf(first.pid).size > 0);
    await Bun.sleep(200);
    expect(await first.end("SIGTERM")).toBe(0);
    expect((await asked).status).toBe(200);
  });

  test("reloads at SIGHUP, and goes on", async () => {
    await using first = await startFirst({ app: "max_processes = 3" });
    const { site, pid } = first;
    edit(site.fpm, "max_processes = 3", "max_processes = 4");
    process.kill(pid, "SIGHUP");
    await logged(site.fpm, "configuration reloaded changed=app.max_processes");
    await site.text("lab.fcgi");
  });

  test("does not hand over: all others would end with it", async () => {
    // Without a namespace it is no first process.
    if (ISOLATED.length === 0) return;
    await using first = await startFirst();
    const { site, pid } = first;
    process.kill(pid, "SIGUSR2");
    await logged(site.fpm, "not starting a new executable: std-fpm is the first process of its container");
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
  });

  test("ends with status 1 when it cannot start", async () => {
    const { exited, stderr } = Bun.spawn([...ISOLATED, EXECUTABLE, "serve", "--config", "/nonexistent"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    expect(await exited).toBe(1);
    expect(await new Response(stderr).text()).toContain("/nonexistent");
  });

  test("reaps every job that a program leaves: of CGI programs, and of FastCGI programs", async () => {
    await using first = await startFirst({
      files: { "job.cgi": `#!/bin/sh\n${HEAD}\nsetsid -f sleep 0.3 ${QUIET}\n`, "job.fcgi": PERL },
      app: ONE,
      apps: CGI,
    });
    const { site, pid } = first;
    for (let turn = 0; turn < JOBS; turn++) {
      expect(await site.text("job.cgi")).toBe("ok");
      expect(await site.text("job.fcgi")).toBe("ok");
    }
    await waitUntil("the program's process alone is left", () => childrenOf(pid).size === 1);
    expect([...childrenOf(pid).values()]).not.toContain("Z");
    expect(site.fpm.log()).not.toMatch(/ (?:warn|error) /);
  });

  test("reaps what no program of its own has started", async () => {
    await using first = await startFirst({
      files: {
        "job.cgi": `#!/bin/sh\n${HEAD}\nsetsid -f env -i sh -c 'sleep 0.2; exec sleep 0.2' ${QUIET}\n`,
      },
      app: ONE,
      apps: CGI,
    });
    const { site, pid } = first;
    const before = childrenOf(pid).size;
    // As `docker exec` does; who starts it is not in the namespace.
    const leave = ["sh", "-c", `for each in 1 2 3 4 5 6 7 8; do (sleep 0.$each &) ${QUIET}; done`];
    const enter = ["nsenter", `--target=${pid}`, "--pid", "--mount", "--", ...leave];
    if (ISOLATED.length > 0)
      expect(await Bun.spawn(enter, { stdio: ["ignore", "ignore", "ignore"] }).exited).toBe(0);
    else await site.text("job.cgi");
    await waitUntil("it is a child of std-fpm", () => childrenOf(pid).size > before);
    await waitUntil("all have gone", () => childrenOf(pid).size === before);
  });

  test("leaves no process behind when it ends, whoever started it", async () => {
    await using first = await startFirst({
      files: { "job.cgi": `#!/bin/sh\n${HEAD}\nsetsid -f sleep 1000 ${QUIET}\n` },
      app: ONE,
      apps: CGI,
    });
    await first.site.text("job.cgi");
    const job = await waitUntil("the job is a child of std-fpm", () =>
      [...childrenOf(first.pid).keys()].find((pid) => nameOf(pid) === "sleep"),
    );
    expect(isAlive(job)).toBe(true);
    expect(await first.end("SIGTERM")).toBe(0);
    expect(isAlive(job)).toBe(false);
    expect(first.site.fpm.marked()).toEqual([]);
  });
});
