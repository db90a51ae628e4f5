import { describe, expect, test } from "bun:test";
import { linkSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { hangDisk } from "../support/hung-disk.ts";
import { isAlive } from "../support/processes.ts";
import { type Site, startSite } from "../support/site.ts";
import { logged } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

const isRoot = process.geteuid?.() === 0;
/** As in any cgi-bin folder. */
const HELLO = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhello'\n";
/** More than a start takes on a busy machine, and less than any of these programs stands. */
const SOON_MS = 1500;
/** A start that takes longer has failed. */
const DEADLINE_MS = 10_000;

/** Executing the file waits from now on until `seconds` after somebody has tried to. */
async function lease(path: string, seconds: number): Promise<Bun.Subprocess> {
  const holder = Bun.spawn([resolve("dist/test-programs/lease"), path, String(seconds)], { stdout: "pipe" });
  const { value } = await holder.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toStartWith("held");
  return holder;
}

/** How long the slowest of some requests to a program takes, in milliseconds; each is a new one for std-fpm. */
async function slowestStart(site: Site, count: number): Promise<number> {
  let slowest = 0;
  for (let i = 0; i < count; i++) {
    const name = `other-${i}.fcgi`;
    site.put(name, { copyOf: "dist/test-programs/lab" });
    const startedAt = performance.now();
    await site.text(name);
    slowest = Math.max(slowest, performance.now() - startedAt);
  }
  return slowest;
}

describe("a program whose file holds up its start", () => {
  test("holds up no other, and is a 502 that says so when it takes too long", async () => {
    // Nothing is set of such a program: it is executed by the starter itself.
    await using site = await startSite({
      apps: `[[apps]]\nmatch = "/**/*.cgi"\nextensions = [".cgi"]\nprotocol = "cgi"\n`,
      files: { "standing.cgi": HELLO },
    });
    const holder = await lease(`${site.root}/standing.cgi`, 13);
    const startedAt = performance.now();
    // nginx would wait for longer than whoever asks it here.
    using client = await connectFcgi(site.fpm.socket);
    const standing = client.request(`${site.root}/standing.cgi`);
    await Bun.sleep(100);
    expect(await slowestStart(site, 10)).toBeLessThan(SOON_MS);
    expect((await standing).stdout).toStartWith("Status: 502");
    expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS + SOON_MS);
    await logged(site.fpm, "executing it has taken longer than 10 s");
    await holder.exited;
    // The process that comes of it too late is nobody's.
    await waitUntil("it is ended", () => site.fpm.marked().every((pid) => !isStanding(pid)));
    expect(await site.text("standing.cgi")).toBe("hello");
  });

  test("is served late when that takes a while, and its other requests wait meanwhile", async () => {
    await using site = await startSite({ lab: ["standing.fcgi"] });
    const holder = await lease(`${site.root}/standing.fcgi`, 2);
    const answers = await Promise.all(Array.from({ length: 8 }, () => site.ask("standing.fcgi")));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    await holder.exited;
  });

  test("holds up no exit: what ends meanwhile is noticed", async () => {
    await using site = await startSite({ lab: ["lab.fcgi", "standing.fcgi"] });
    const pid = Number(await site.text("lab.fcgi"));
    const holder = await lease(`${site.root}/standing.fcgi`, 3);
    const standing = site.ask("standing.fcgi");
    await Bun.sleep(100);
    process.kill(pid, "SIGKILL");
    const startedAt = performance.now();
    await waitUntil("its exit is logged", () => site.fpm.log().includes(`pid=${pid} cause=crash`));
    expect(performance.now() - startedAt).toBeLessThan(SOON_MS);
    expect((await standing).status).toBe(200);
    await holder.exited;
  });

  test("where many of them do, leaves the rest served", async () => {
    await using site = await startSite();
    const names = Array.from({ length: 4 }, (_, index) => `standing-${index}.fcgi`);
    for (const name of names) site.put(name, { copyOf: "dist/test-programs/lab" });
    const holders = await Promise.all(names.map((name) => lease(`${site.root}/${name}`, 3)));
    const standing = names.map((name) => site.ask(name));
    expect(await slowestStart(site, 5)).toBeLessThan(SOON_MS);
    for (const each of standing) expect((await each).status).toBe(200);
    for (const holder of holders) await holder.exited;
  });
});

describe("a FIFO in the place of a program", () => {
  test("holds up nobody: not as a program, nor as what a #! line names", async () => {
    await using site = await startSite();
    Bun.spawnSync(["mkfifo", "-m", "755", `${site.root}/pipe.fcgi`]);
    site.put("by-pipe.fcgi", `#!${site.root}/pipe.fcgi\n`);
    linkSync(`${site.root}/by-pipe.fcgi`, `${site.root}/again.fcgi`);
    const refused = await Promise.all(
      ["pipe.fcgi", "by-pipe.fcgi", "again.fcgi"].map((name) => site.ask(name)),
    );
    expect(refused.map(({ status }) => status)).toEqual([404, 502, 502]);
    expect(await slowestStart(site, 3)).toBeLessThan(SOON_MS);
  });
});

describe("umask and no_new_privileges", () => {
  const statusOf = async (site: Site, name: string) => {
    const pid = Number(await site.text(name));
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Object.fromEntries(status.split("\n").map((line) => line.split(":\t") as [string, string]));
  };

  test("are those of the processes, and of nobody else", async () => {
    await using site = await startSite({
      lab: ["lab.fcgi", "other.fcgi"],
      apps: '[[apps]]\nmatch = "/**/lab.fcgi"\numask = "0027"\nno_new_privileges = true\n',
    });
    const [lab, other] = [await statusOf(site, "lab.fcgi"), await statusOf(site, "other.fcgi")];
    const own = readFileSync(`/proc/${site.fpm.pid}/status`, "utf8");
    expect([lab["Umask"], lab["NoNewPrivs"]]).toEqual(["0027", "1"]);
    expect([other["Umask"], other["NoNewPrivs"]]).toEqual([/^Umask:\t(\d+)/m.exec(own)?.[1], "0"]);
  });

  test("hold for plain CGI programs", async () => {
    await using site = await startSite({
      app: 'protocol = "cgi"\nextensions = [".cgi"]\numask = "0077"\nno_new_privileges = true',
      files: { "status.cgi": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\ncat /proc/self/status\n" },
    });
    const text = await site.text("status.cgi");
    expect(text).toMatch(/^Umask:\t0077$/m);
    expect(text).toMatch(/^NoNewPrivs:\t1$/m);
  });
});

describe("limits", () => {
  /** Forks before anything else, and asks for its limits in the child. */
  const ESCAPES = `#!/bin/sh
printf 'Content-Type: text/plain\\n\\n'
(ulimit -Hn; ulimit -Sn; ulimit -Hc)
`;

  test("are in force before the first instruction, also where they are another user's", async () => {
    await using site = await startSite({
      app: `protocol = "cgi"\nextensions = [".cgi"]\nlimits = { nofile = 77, core = "0" }${isRoot ? '\nuser = "www-data"' : ""}`,
      files: { "limits.cgi": ESCAPES },
    });
    if (isRoot) Bun.spawnSync(["chmod", "-R", "go+rX", site.folder]);
    const answers = await Promise.all(Array.from({ length: 40 }, () => site.text("limits.cgi")));
    expect(answers).toEqual(Array(40).fill("77\n77\n0\n"));
  });

  test("that cannot be set are a 502 that says which and why, and the program does not run", async () => {
    const hard = 1_048_576;
    await using site = await startSite({ app: `limits = { nofile = ${hard} }` });
    const { status } = await site.ask("lab.fcgi");
    // Root with CAP_SYS_RESOURCE may do that, whatever the hard limit is
    if (status === 200) return;
    expect(status).toBe(502);
    await logged(
      site.fpm,
      "lab.fcgi cannot be started: limits.nofile cannot be set: Operation not permitted",
    );
    expect(site.fpm.log()).not.toContain("prlimit");
  });
});

function isStanding(pid: number): boolean {
  return isAlive(pid) && readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("standing");
}

describe("a disk that does not answer", () => {
  test("holds up the programs that lie on it, and no others; they are a 503 that says so", async () => {
    await using site = await startSite();
    using elsewhere = makeTempDir();
    await using disk = await hangDisk(elsewhere.at("www"));
    using client = await connectFcgi(site.fpm.socket);
    // Where nothing can be mounted the folder is empty.
    const expected = disk ? "Status: 503" : "Status: 404";
    const startedAt = performance.now();
    const standing = Array.from({ length: 12 }, (_, index) =>
      client.request(elsewhere.at(`www/${index}.fcgi`), { id: index + 1, keepConn: true }),
    );
    await Bun.sleep(100);
    expect(await slowestStart(site, 10)).toBeLessThan(SOON_MS);
    for (const each of standing) expect((await each).stdout).toStartWith(expected);
    expect(performance.now() - startedAt).toBeLessThan(5000 + 2 * SOON_MS);
    if (disk) await logged(site.fpm, "the disk that it is on has not answered for 5 s");
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
  });
});
