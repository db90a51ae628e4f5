import { describe, expect, test } from "bun:test";
import { startSite } from "../support/site.ts";
import { logged } from "../support/std-fpm.ts";
import { waitUntil } from "../support/wait-until.ts";

/** A site with a program whose processes serve so many requests at once. */
function threadedSite(app: string, concurrency = 8) {
  return startSite({
    files: { "threads.fcgi": { copyOf: "dist/test-programs/threads" } },
    app: `concurrency = ${concurrency}\n${app}`,
  });
}

describe("concurrency", () => {
  test("gives one process as many requests at once, and not one more", async () => {
    await using site = await threadedSite("max_processes = 1");
    await site.text("threads.fcgi");
    const started = performance.now();
    const eight = await Promise.all(Array.from({ length: 8 }, () => site.text("threads.fcgi?ms=1000")));
    expect(performance.now() - started).toBeLessThan(1_900);
    expect(new Set(eight).size).toBe(1);
    const nine = performance.now();
    await Promise.all(Array.from({ length: 9 }, () => site.text("threads.fcgi?ms=1000")));
    expect(performance.now() - nine).toBeGreaterThan(1_990);
  });

  test("starts a second process when the places of the first are taken", async () => {
    await using site = await threadedSite("");
    await site.text("threads.fcgi");
    const pids = await Promise.all(Array.from({ length: 16 }, () => site.text("threads.fcgi?ms=600")));
    expect(new Set(pids).size).toBe(2);
    expect(site.fpm.backends().length).toBe(2);
  });

  test.each(["direct", "kept"] as const)("serves a thousand requests of 40 clients (%s)", async (way) => {
    await using site = await threadedSite("max_processes = 2");
    const client = async () => {
      for (let i = 0; i < 25; i++) expect(await site.text("threads.fcgi?ms=1", way)).toMatch(/^\d+$/);
    };
    await Promise.all(Array.from({ length: 40 }, client));
  });

  test("after request_timeout answers 504, lets the other requests end, then kills the process", async () => {
    await using site = await threadedSite('max_processes = 2\nrequest_timeout = "1500ms"');
    const first = await site.text("threads.fcgi");
    const hanging = site.ask("threads.fcgi?hang");
    await Bun.sleep(1000);
    // It ends 900 ms after the other one's limit: there is time for a new process.
    const other = site.text("threads.fcgi?ms=1400");
    expect((await hanging).status).toBe(504);
    // It takes no more requests at once.
    expect(await site.text("threads.fcgi")).not.toBe(first);
    expect(site.fpm.backends()).toContain(Number(first));
    expect(await other).toBe(first);
    await waitUntil("it is gone", () => !site.fpm.backends().includes(Number(first)));
    await logged(site.fpm, 'reason="request timeout"');
  });

  test("after request_timeout lends nobody the process that has just hung", async () => {
    await using site = await threadedSite('max_processes = 1\nrequest_timeout = "1500ms"', 2);
    const first = await site.text("threads.fcgi");
    const hanging = [site.ask("threads.fcgi?hang"), site.ask("threads.fcgi?hang")];
    await Bun.sleep(200);
    const waiting = site.text("threads.fcgi");
    for (const each of hanging) expect((await each).status).toBe(504);
    expect(await waiting).not.toBe(first);
  });

  test("frees the place of a client that leaves, and nobody is killed for it", async () => {
    await using site = await threadedSite("max_processes = 1");
    const first = await site.text("threads.fcgi");
    const other = site.text("threads.fcgi?ms=900");
    await Promise.all(
      Array.from({ length: 7 }, () => site.ask("threads.fcgi?ms=500", { leaveAfterMs: 100 })),
    );
    expect([await site.text("threads.fcgi"), await other]).toEqual([first, first]);
  });

  test("a process that is killed fails only the requests at work, and a GET among them is asked once more", async () => {
    await using site = await threadedSite("max_processes = 1");
    const pid = Number(await site.text("threads.fcgi"));
    const gets = Array.from({ length: 4 }, () => site.ask("threads.fcgi?ms=500"));
    const posts = Array.from({ length: 4 }, () => site.ask("threads.fcgi?ms=500", { method: "POST" }));
    await Bun.sleep(200);
    process.kill(pid, "SIGKILL");
    for (const get of gets) expect((await get).status).toBe(200);
    for (const post of posts) expect((await post).status).toBe(502);
  });
});
