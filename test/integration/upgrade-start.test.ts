import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { copyOfExecutable, handOver, putExecutable, startSlowly } from "../support/hand-over.ts";
import { type Site, startSite } from "../support/site.ts";
import { answers, edit, logged, startStdFpm } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

describe("while a new executable starts", () => {
  test("another SIGUSR2 is ignored with a line, and so is one to a std-fpm that stops", async () => {
    await using site = await startSlowly();
    site.fpm.signal("SIGUSR2");
    await waitUntil("it starts", () => site.fpm.daemons().length > 1);
    process.kill(site.fpm.pid, "SIGUSR2");
    await logged(site.fpm, "not starting a new executable: one is being started already");
    const old = site.fpm.pid;
    const inFlight = site.ask("lab.fcgi?op=sleep&ms=2000");
    await logged(site.fpm, "has taken over");
    process.kill(old, "SIGUSR2");
    await logged(site.fpm, "not starting a new executable: std-fpm is stopping");
    expect((await inFlight).status).toBe(200);
  });

  test("SIGTERM ends both", async () => {
    await using site = await startSlowly();
    site.fpm.signal("SIGUSR2");
    await waitUntil("it starts", () => site.fpm.daemons().length > 1);
    site.fpm.signal("SIGTERM");
    expect(await site.fpm.exited).toBe(0);
    expect(site.fpm.log()).toContain("the new executable does not serve: std-fpm was told to stop");
    expect(site.fpm.log()).not.toContain("going on as before");
  });
});

describe("the old one goes on as before, and the log says why, when the new one", () => {
  test("finds a mistake in the configuration", async () => {
    await using site = await startSite();
    const good = readFileSync(site.fpm.configFile, "utf8");
    writeFileSync(site.fpm.configFile, `${good}\nno_such_key = 1\n`);
    await refused(site, "it ended with status 1");
    expect(site.fpm.log()).toMatch(/std-fpm\.toml:\d+: .*no_such_key: unknown key/);
    writeFileSync(site.fpm.configFile, good);
    await handOver(site.fpm);
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
  });

  test("cannot listen on an address that is new", async () => {
    using dir = makeTempDir();
    writeFileSync(dir.at("plain"), "data");
    await using site = await startSite({ alsoListen: [dir.at("first.sock")] });
    edit(site.fpm, dir.at("first.sock"), `${dir.at("second.sock")}", "${dir.at("plain")}`);
    await refused(site, "it ended with status 1");
    expect(existsSync(dir.at("second.sock"))).toBe(false);
    expect(await answers(dir.at("first.sock"))).toBe(true);
  });

  test.each([
    ["ends at once", "#!/bin/sh\nexit 3\n", 0o755, "it ended with status 3"],
    ["is killed", "#!/bin/sh\nkill -9 $$\n", 0o755, "SIGKILL ended it"],
    [
      "says something else than that it serves",
      "#!/bin/sh\necho hello >&3; exec sleep 60\n",
      0o755,
      "ready pipe",
    ],
    ["is not executable", "#!/bin/sh\nexit 3\n", 0o644, "cannot be started"],
  ])("%s", async (_what, script, mode, why) => {
    using dir = makeTempDir();
    const executable = dir.at("std-fpm");
    await using site = await startSite({ command: [copyOfExecutable(executable)] });
    putExecutable(executable, script, mode);
    await refused(site, why);
  });

  test("finds another one's pid file in the place of the old one's, whose lock keeps nobody out then", async () => {
    await using site = await startSite();
    const [pidFile, others] = ["std-fpm.pid", "other.pid"].map((name) => `${site.fpm.runtimeDir}/${name}`);
    const other = Bun.spawn(["flock", others as string, "cat"], { stdin: "pipe" });
    await waitUntil(
      "it is locked",
      () => Bun.spawnSync(["flock", "-n", others as string, "true"]).exitCode === 1,
    );
    renameSync(others as string, pidFile as string);
    try {
      await refused(site, "it ended with status 1");
    } finally {
      other.stdin.end();
      await other.exited;
    }
    await waitUntil("the old one has its own again", () => {
      return readFileSync(pidFile as string, "utf8").trim() === String(site.fpm.pid);
    });
  });
});

test("STD_FPM_HANDOVER that makes no sense is refused", async () => {
  using dir = makeTempDir();
  const fpm = await startStdFpm({ folder: dir.path, env: { STD_FPM_HANDOVER: "{}" }, noWait: true });
  expect(await fpm.exited).toBe(1);
  expect(fpm.log()).toContain("STD_FPM_HANDOVER is set by std-fpm itself");
});

/** Sends SIGUSR2, which must come to nothing for this reason. */
async function refused(site: Site, why: string): Promise<void> {
  const { fpm } = site;
  const old = fpm.pid;
  process.kill(old, "SIGUSR2");
  await logged(fpm, "going on as before");
  expect(fpm.log()).toContain(`the new executable does not serve: `);
  expect(fpm.log()).toContain(why);
  expect(fpm.daemons()).toEqual([old]);
  expect(fpm.pid).toBe(old);
  expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
}
