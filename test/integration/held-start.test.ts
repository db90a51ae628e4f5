import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { listenForNotifications } from "../support/notify-socket.ts";
import { EXECUTABLE, logged, startStdFpm } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

test("while it ends what an earlier daemon left, std-fpm says that it is starting, to nobody that it is ready, and what its pid is", async () => {
  using dir = makeTempDir();
  await using socket = await listenForNotifications(dir.at("notify"), dir.path);
  mkdirSync(dir.at("run"), { recursive: true });
  writeFileSync(dir.at("run/instance"), "an-earlier-one\n");
  writeFileSync(dir.at("run/std-fpm.pid"), "4194303\n");
  const fpm = await startStdFpm({
    folder: dir.path,
    env: { NOTIFY_SOCKET: dir.at("notify") },
    command: [process.execPath, resolve("test/support/daemon-that-holds.ts")],
    noWait: true,
  });
  const run = (command: string) => {
    const words = [EXECUTABLE, command, "--config", fpm.configFile];
    const { exitCode, stdout, stderr } = Bun.spawnSync(words, { timeout: 20_000 });
    return { exitCode, text: `${stdout}${stderr}` };
  };
  const ready = () => socket.messages().filter((each) => /READY|RELOADING|MAINPID/.test(each));
  try {
    await waitUntil("it can be asked", () => existsSync(dir.at("run/admin.sock")));
    for (const command of ["reload", "upgrade"])
      expect(run(command)).toEqual({ exitCode: 1, text: expect.stringContaining("std-fpm is starting") });
    const pid = readFileSync(dir.at("run/std-fpm.pid"), "latin1").trim();
    expect(run("serve").text).toContain(`already running in ${dir.at("run")} (pid ${pid})`);
    expect(fpm.daemons()).toEqual([Number(pid)]);
    expect(ready()).toEqual([]);
    writeFileSync(dir.at("go"), "");
    await logged(fpm, "info serving");
    await waitUntil("it is ready", () => ready().length === 1);
    expect(run("reload").exitCode).toBe(0);
  } finally {
    writeFileSync(dir.at("go"), "");
    await fpm.stop();
  }
});
