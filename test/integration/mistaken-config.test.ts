import { describe, expect, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { command } from "../support/admin.ts";
import { runCli } from "../support/cli-process.ts";
import { isAlive } from "../support/processes.ts";
import { startSite } from "../support/site.ts";
import { EXECUTABLE, edit } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

const WARNING =
  /^warning: the configuration on disk cannot be taken as it is; the std-fpm that runs keeps its own: .+\n/;

describe("a mistake in the configuration on disk", () => {
  const mistakes: [what: string, make: (folder: string, file: string) => void][] = [
    ["a missing value", (_, file) => appendFileSync(file, "oops=\n")],
    ["an open quote before all else", (_, file) => prepend(file, 'title = "x\n')],
    ["a value that is none", (_, file) => appendFileSync(file, "[slow_log]\nafter = 3\n")],
    ["bytes that are no UTF-8", (_, file) => appendFileSync(file, Buffer.from("# \xff\n", "latin1"))],
    [
      "a dangling link in what it includes",
      (folder, file) => {
        mkdirSync(`${folder}/conf.d`);
        symlinkSync("nowhere", `${folder}/conf.d/a.toml`);
        replace(file, 'include = ""', `include = "${folder}/conf.d/*.toml"`);
      },
    ],
  ];
  test.each(mistakes)("does not hide the daemon: %s", async (_, make) => {
    await using site = await startSite();
    const { configFile, pid } = site.fpm;
    const before = readFileSync(configFile, "utf8");
    make(site.folder, configFile);
    const ready = await command(site.fpm, "status", "--ready");
    expect(ready).toEqual({ out: "ready\n", err: expect.stringMatching(WARNING), status: 0 });
    expect(ready.err.split("\n")).toHaveLength(2);
    expect((await command(site.fpm, "reopen-logs")).status).toBe(0);
    const asked = await command(site.fpm, "request", `${site.root}/lab.fcgi`);
    expect([asked.status, asked.err]).toEqual([0, expect.stringMatching(WARNING)]);
    // Those that judge it go on to.
    expect((await command(site.fpm, "check")).status).toBe(1);
    expect((await command(site.fpm, "config", "--effective")).status).toBe(1);
    const reload = await command(site.fpm, "reload");
    expect([reload.status, reload.out]).toEqual([1, ""]);
    expect(reload.err).not.toContain("warning");
    const stop = await command(site.fpm, "stop");
    expect([stop.status, isAlive(pid)]).toEqual([0, false]);
    writeFileSync(configFile, before);
  });

  test("that may be where the daemon is found leads to no other daemon", async () => {
    await using site = await startSite();
    const other = `${site.folder}/other.toml`;
    writeFileSync(other, '[server]\nruntime_dri = "/run/other"\n');
    const { status, err } = await runCli("stop", "--config", other);
    expect(status).toBe(1);
    expect(err).toContain('other.toml:2: server.runtime_dri: unknown key; did you mean "runtime_dir"?\n');
    expect(err).toContain(`std-fpm: which daemon is meant cannot be told from ${other}; `);
    expect(err).toContain("give its address with --socket");
    // Started with this very file, it is named.
    edit(site.fpm, "runtime_dir", "runtime_dri");
    const { err: named } = await command(site.fpm, "stop");
    expect(named).toContain(`give --socket ${site.fpm.runtimeDir}/admin.sock\n`);
    edit(site.fpm, "runtime_dri", "runtime_dir");
  });
});

test("a daemon whose folder may not be searched is somebody else's, and hides nothing", async () => {
  if (process.geteuid?.() !== 0) return;
  // Its folder is root's alone.
  await using _other = await startSite();
  using dir = makeTempDir();
  chmodSync(dir.path, 0o755);
  writeFileSync(dir.at("mine.toml"), "[server\n");
  const words = ["status", "--config", dir.at("mine.toml")];
  const become = ["setpriv", "--reuid=33", "--regid=33", "--clear-groups"];
  const { exitCode, stderr } = Bun.spawnSync([...become, EXECUTABLE, ...words]);
  expect([exitCode, stderr.toString()]).toEqual([
    1,
    expect.stringContaining("none that runs is known to have it: give its address with --socket\n"),
  ]);
});

test("what another user calls a std-fpm with this configuration is named as that user's", async () => {
  if (process.geteuid?.() !== 0) return;
  using dir = makeTempDir();
  chmodSync(dir.path, 0o777);
  writeFileSync(dir.at("mine.toml"), "[server\n");
  writeFileSync(
    dir.at("pretends.py"),
    `import os, socket, time
os.setgid(33); os.setuid(33)
s = socket.socket(socket.AF_UNIX); s.bind(f"{os.getcwd()}/q.{os.getpid()}"); s.listen(1)
os.rename(f"q.{os.getpid()}", "q"); time.sleep(1000)`,
  );
  const words = ["serve", "--config", dir.at("mine.toml")];
  const other = Bun.spawn(["python3", dir.at("pretends.py"), ...words], { cwd: dir.path });
  try {
    await waitUntil("its socket is there", () => existsSync(dir.at("q")));
    const { stderr } = Bun.spawnSync([EXECUTABLE, "stop", "--config", dir.at("mine.toml")]);
    expect(stderr.toString()).toContain(
      `the std-fpm with this configuration (pid ${other.pid}, which user 33 answers for) was started with another address`,
    );
  } finally {
    other.kill("SIGKILL");
    await other.exited;
  }
});

test("a daemon that was started with another address is named, and found by it", async () => {
  await using site = await startSite();
  const { pid, runtimeDir } = site.fpm;
  edit(site.fpm, `runtime_dir = "${runtimeDir}"`, `runtime_dir = "${site.folder}/new"`);
  const { status, err } = await command(site.fpm, "upgrade");
  expect(status).toBe(1);
  expect(err).toBe(
    `std-fpm: nobody answers at ${site.folder}/new/admin.sock: there is no such socket; the std-fpm with this configuration (pid ${pid}) was started with another address: give --socket ${runtimeDir}/admin.sock\n`,
  );
  const upgraded = await command(site.fpm, "upgrade", "--socket", `${runtimeDir}/admin.sock`);
  expect([upgraded.status, upgraded.err]).toEqual([0, ""]);
  expect((await command(site.fpm, "status", "--ready")).out).toBe("ready\n");
  expect((await command(site.fpm, "stop")).status).toBe(0);
});

function prepend(file: string, text: string): void {
  writeFileSync(file, text + readFileSync(file, "utf8"));
}

function replace(file: string, from: string, to: string): void {
  writeFileSync(file, readFileSync(file, "utf8").replace(from, to));
}
