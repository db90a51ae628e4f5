import { describe, expect, test } from "bun:test";
import { ServiceManager } from "../../src/daemon/service-manager.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { listenForNotifications } from "../support/notify-socket.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

const OURS = 4711;

/** What a service manager hears at the start and for five seconds after it. */
async function heardWith(environment: Record<string, string>): Promise<string[]> {
  using dir = makeTempDir();
  await using socket = await listenForNotifications(dir.at("notify"), dir.path);
  const clock = new FakeClock();
  const manager = new ServiceManager({ NOTIFY_SOCKET: socket.address, ...environment }, OURS);
  manager.begin(clock, () => "fine");
  clock.advance(5000);
  manager.end();
  expect(clock.timers).toBe(0);
  manager.stopping(1500);
  const heard = () => socket.messages().map((message) => message.replace(/^\d+ /, ""));
  await waitUntil("the last is heard", () => heard().at(-1)?.startsWith("STOPPING=1") === true);
  return heard();
}

describe("a service manager", () => {
  test("hears that std-fpm is alive twice as often as its watchdog waits for it", async () => {
    for (const pid of [{}, { WATCHDOG_PID: String(OURS) }]) {
      const heard = await heardWith({ WATCHDOG_USEC: "2000000", ...pid });
      expect(heard.filter((message) => message === "WATCHDOG=1")).toHaveLength(6);
      expect(heard[0]).toBe("STATUS=fine");
      expect(heard.at(-1)).toBe("STOPPING=1 EXTEND_TIMEOUT_USEC=1500000");
    }
  });

  test("hears nothing of that where it has no watchdog, or one for another process", async () => {
    for (const watchdog of [
      {},
      { WATCHDOG_USEC: "2000000", WATCHDOG_PID: String(OURS + 1) },
      { WATCHDOG_USEC: "0" },
      { WATCHDOG_USEC: "soon" },
    ])
      expect(await heardWith(watchdog)).not.toContain("WATCHDOG=1");
  });

  test("that is not there is told nothing, and no time runs for it", () => {
    const clock = new FakeClock();
    const manager = new ServiceManager({ WATCHDOG_USEC: "2000000" }, OURS);
    manager.begin(clock, () => expect.unreachable());
    expect(clock.timers).toBe(0);
  });
});
