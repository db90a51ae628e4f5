import { describe, expect, test } from "bun:test";
import { resolve } from "node:path";
import { snapshotOf } from "../support/admin.ts";
import { startSite } from "../support/site.ts";
import { waitUntil } from "../support/wait-until.ts";

const BRITTLE = { copyOf: resolve("test/fixtures/programs/by-hand.fcgi") };
/** Ends by itself when it has taken its first connection. */
const USELESS = `#!/usr/bin/python3
import socket
socket.socket(fileno=0).accept()
`;

function siteOf(app: string) {
  return startSite({ lab: [], files: { "brittle.fcgi": BRITTLE, "useless.fcgi": USELESS }, app });
}

describe("a program that ends when a connection brings no request", () => {
  test("is kept at hand all the same, and serves", async () => {
    await using site = await siteOf("min_processes = 2");
    await site.text("brittle.fcgi");
    await waitUntil("it is learned", () => site.fpm.log().includes("stays open for its next request"));
    await Bun.sleep(1000);
    const { started, exits } = (await snapshotOf(site.fpm)).total;
    expect(started).toBeLessThan(8);
    for (let i = 0; i < 20; i++) await site.text("brittle.fcgi", i % 2 === 0 ? "direct" : "kept");
    expect((await snapshotOf(site.fpm)).total.exits).toEqual(exits);
  });

  test("costs no process a request when it works on after its answer", async () => {
    await using site = await siteOf("max_processes = 1");
    for (let i = 0; i < 3; i++) await site.text("brittle.fcgi?work=1");
    await waitUntil("it is learned", () => site.fpm.log().includes("stays open for its next request"));
    const pids = new Set<string>();
    for (let i = 0; i < 10; i++) pids.add(await site.text("brittle.fcgi?work=1"));
    expect(pids.size).toBe(1);
  });

  test("is Ruby's, as Debian has it", async () => {
    await using site = await startSite({
      lab: [],
      files: { "hello.fcgi": { copyOf: resolve("examples/ruby/hello.fcgi") } },
      app: "min_processes = 2",
    });
    await site.text("hello.fcgi");
    await Bun.sleep(2000);
    expect((await snapshotOf(site.fpm)).total.started).toBeLessThan(8);
    for (let i = 0; i < 10; i++) await site.text("hello.fcgi");
  });
});

test("one that always ends unused is not started again and again to be at hand", async () => {
  await using site = await siteOf("min_processes = 1");
  // It may end over the request, or before it is seen.
  expect([502, 503]).toContain((await site.ask("useless.fcgi")).status);
  await Bun.sleep(2000);
  expect((await snapshotOf(site.fpm)).total.started).toBeLessThan(12);
});
