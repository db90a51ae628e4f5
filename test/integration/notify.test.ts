import { describe, expect, test } from "bun:test";
import { listenForNotifications, type NotifySocket } from "../support/notify-socket.ts";
import { startSite } from "../support/site.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

const count = (socket: NotifySocket, what: string) =>
  socket.messages().filter((message) => message.includes(what)).length;

/** A site whose std-fpm has a service manager. */
async function managed(environment: Record<string, string> = {}, abstract = false) {
  const dir = makeTempDir();
  const address = abstract ? `@std-fpm-test-${crypto.randomUUID()}` : dir.at("notify");
  const socket = await listenForNotifications(address, dir.path);
  const site = await startSite({ env: { NOTIFY_SOCKET: address, ...environment } });
  return {
    site,
    socket,
    async [Symbol.asyncDispose]() {
      await site[Symbol.asyncDispose]();
      await socket[Symbol.asyncDispose]();
      dir[Symbol.dispose]();
    },
  };
}

describe("the service manager hears", () => {
  test.each([false, true])(
    "that it is ready when it serves, what it is at, and that it stops (abstract name: %p)",
    async (abstract) => {
      await using world = await managed({}, abstract);
      const { site, socket } = world;
      await waitUntil("ready", () => count(socket, "READY=1") === 1);
      await waitUntil("the status", () => count(socket, "STATUS=running: ") > 0);
      // Programs have no business with it.
      expect(await site.text("lab.fcgi?op=env")).not.toContain("NOTIFY_SOCKET");
      site.fpm.signal("SIGTERM");
      await site.fpm.exited;
      expect(socket.messages().at(-1)).toMatch(/^\d+ STOPPING=1 EXTEND_TIMEOUT_USEC=\d+$/);
    },
  );

  test("that it reloads, and that it has", async () => {
    await using world = await managed();
    const { site, socket } = world;
    site.fpm.signal("SIGHUP");
    await waitUntil("both", () => count(socket, "READY=1") === 2);
    const told = socket.messages().filter((message) => /READY|RELOADING/.test(message));
    expect(told.map((message) => message.split(" ")[1])).toEqual(["READY=1", "RELOADING=1", "READY=1"]);
    const reloadedAt = Number(/MONOTONIC_USEC=(\d+)/.exec(told[1] ?? "")?.[1]) / 1e6;
    const uptime = Number((await Bun.file("/proc/uptime").text()).split(" ")[0]);
    expect(reloadedAt).toBeWithin(uptime - 60, uptime + 1);
  });

  test("from the old one who the new one is, after a hand-over", async () => {
    await using world = await managed();
    const { site, socket } = world;
    const { pid } = site.fpm;
    site.fpm.signal("SIGUSR2");
    await waitUntil("the new one has taken over", () => site.fpm.pid !== pid);
    await waitUntil("it is told", () => socket.messages().includes(`${pid} MAINPID=${site.fpm.pid}`));
  });

  test("that the event loop turns, and no longer when it does not", async () => {
    await using world = await managed({ WATCHDOG_USEC: "200000" });
    const { site, socket } = world;
    await waitUntil("some signs of life", () => count(socket, "WATCHDOG=1") >= 5);
    // A stopped process is as good as one whose event loop hangs: what counts is that nothing else sends.
    process.kill(site.fpm.pid, "SIGSTOP");
    await Bun.sleep(100);
    const before = count(socket, "WATCHDOG=1");
    await Bun.sleep(500);
    expect(count(socket, "WATCHDOG=1")).toBe(before);
    process.kill(site.fpm.pid, "SIGCONT");
    await waitUntil("it goes on", () => count(socket, "WATCHDOG=1") > before + 2);
  });

  test("signs of life from both sides of a hand-over", async () => {
    await using world = await managed({ WATCHDOG_USEC: "200000" });
    const { site, socket } = world;
    const { pid } = site.fpm;
    site.fpm.signal("SIGUSR2");
    await waitUntil("it is told", () => count(socket, "MAINPID=") > 0);
    const from = (sender: number) => socket.messages().filter((each) => each.startsWith(`${sender} `));
    expect(from(pid).slice(-2)).toEqual([`${pid} WATCHDOG=1`, `${pid} MAINPID=${site.fpm.pid}`]);
    await waitUntil(
      "the new one lives",
      () => from(site.fpm.pid).filter((each) => each.includes("WATCHDOG")).length > 3,
    );
  });

  test("no sign of life that is meant for another process", async () => {
    await using world = await managed({ WATCHDOG_USEC: "100000", WATCHDOG_PID: "1" });
    await Bun.sleep(400);
    expect(count(world.socket, "WATCHDOG=1")).toBe(0);
  });
});

test("without anybody at NOTIFY_SOCKET it serves all the same", async () => {
  await using site = await startSite({ env: { NOTIFY_SOCKET: "/nowhere/at/all" } });
  expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
});
