import { describe, expect, test } from "bun:test";
import { release } from "node:os";
import { resolve } from "node:path";
import { snapshotOf } from "../support/admin.ts";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { type Site, startSite } from "../support/site.ts";
import { logged } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";

/** More than anything takes that waits for nobody, on a busy machine. */
const SOON_MS = 1500;

/** Linux refuses to send descriptors, where the reader asks it to, since 6.16. */
const [major = 0, minor = 0] = release().split(".").map(Number);
const OUTCOME = major > 6 || (major === 6 && minor >= 16) ? "refused" : "sent";

describe("a program that means harm to std-fpm", () => {
  test("does not have it wait, where it takes connections away that are taken back", async () => {
    await using site = await startSite({
      app: "max_processes = 3",
      files: { "steals.fcgi": { copyOf: "dist/test-programs/steals" } },
    });
    let isOver = false;
    const steal = async () => {
      while (!isOver) {
        using client = await connectFcgi(site.fpm.socket);
        const params = { REQUEST_METHOD: "POST" };
        await client.request(`${site.root}/steals.fcgi`, { params });
        await Bun.sleep(4);
      }
    };
    const thieves = [steal(), steal()];
    let slowest = 0;
    for (const end = performance.now() + 8000; performance.now() < end; await Bun.sleep(10)) {
      const askedAt = performance.now();
      await site.text("lab.fcgi");
      slowest = Math.max(slowest, performance.now() - askedAt);
    }
    isOver = true;
    await Promise.all(thieves);
    expect((await snapshotOf(site.fpm)).total.taken_back).toBeGreaterThan(0);
    expect(slowest).toBeLessThan(SOON_MS);
  });

  test("does not have it kill a process that it has sent its socket to", async () => {
    using dir = makeTempDir();
    await using site = await startSite({
      files: { "gives.fcgi": { copyOf: "dist/test-programs/gives-away" } },
      programEnv: { GIVE_TO: dir.at("taker.sock") },
    });
    const taker = Bun.spawn([resolve("dist/test-programs/gives-away"), dir.at("taker.sock")], {
      stdout: "pipe",
    });
    const said = taker.stdout.getReader();
    const hears = async () => new TextDecoder().decode((await said.read()).value);
    expect(await hears()).toBe("ready\n");
    expect((await site.ask("gives.fcgi")).status).toBe(502);
    expect(await hears()).toBe("taken\n");
    // Whoever it has left behind itself is looked for by now, and ended.
    await logged(site.fpm, "exited with status 0 before it accepted a connection");
    expect(taker.exitCode ?? taker.signalCode).toBe(null);
    taker.kill("SIGKILL");
    await taker.exited;
  });

  test("does not have it wait for the end of a descriptor that it sends along", async () => {
    await using site = await startSite({
      files: { "sends.fcgi": { copyOf: "dist/test-programs/sends-descriptor" } },
    });
    await site.text("lab.fcgi");
    expect(await site.text("sends.fcgi")).toBe(OUTCOME);
    await answersSoon(site);
  });

  test.each(["the socket for web servers", "the socket for status and control"])(
    "nor does a client, on %s",
    async (which) => {
      await using site = await startSite();
      await site.text("lab.fcgi");
      const path = which.includes("web") ? site.fpm.socket : `${site.fpm.runtimeDir}/admin.sock`;
      const client = Bun.spawn([resolve("dist/test-programs/sends-descriptor"), path], { stdout: "pipe" });
      const { value } = await client.stdout.getReader().read();
      expect(new TextDecoder().decode(value)).toBe(`${OUTCOME}\n`);
      await answersSoon(site);
      client.kill("SIGKILL");
      await client.exited;
    },
  );
});

/** Not where the kernel takes them from anybody: docs/security.md. */
async function answersSoon(site: Site): Promise<void> {
  if (OUTCOME !== "refused") return;
  const askedAt = performance.now();
  await site.text("lab.fcgi");
  expect(performance.now() - askedAt).toBeLessThan(SOON_MS);
}
