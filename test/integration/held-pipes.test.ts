import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { isRoot } from "../support/server-process.ts";
import { type Site, startSite } from "../support/site.ts";
import { logged } from "../support/std-fpm.ts";
import { TIME_FACTOR, waitUntil } from "../support/wait-until.ts";

/** Others are served within this time, on a machine that has other things to do as well. */
const MOST_MS = 400 * TIME_FACTOR;
const HELD_MS = 2000;
const BODY = new Uint8Array(1_000_000);
const SPLICES = { copyOf: "dist/test-programs/splices" };

const APPS = `[[apps]]
match = "/**/*.cgi"
extensions = [".cgi"]
protocol = "cgi"
max_processes = 50
[[apps]]
match = "/**/*.fcgi"
start_timeout = "3s"
`;

/** Programs of another user, where the tests are root. */
const ROOTS = `[[apps]]
match = "/**/roots/*.cgi"
extensions = [".cgi"]
protocol = "cgi"
user = "root"
`;
/** Whose pipes std-fpm may believe, and whose not. */
const USERS = isRoot() ? ["root", "nobody"] : [""];

let sites: Site[];

beforeAll(async () => {
  sites = await Promise.all(
    USERS.map((user) =>
      startSite({
        server: 'ping_path = "/ping"',
        ...(user === "" ? {} : { app: `user = "${user}"` }),
        apps: isRoot() ? APPS + ROOTS : APPS,
        files: {
          "splices.cgi": SPLICES,
          "other.cgi": SPLICES,
          "roots/other.cgi": SPLICES,
          "holds.fcgi": SPLICES,
        },
      }),
    ),
  );
  // A program of another user must get there.
  for (const { folder } of sites) chmodSync(folder, 0o755);
});

afterAll(async () => {
  for (const site of sites) await site[Symbol.asyncDispose]();
});

/** How long the slowest of some requests took that no program is asked for. */
async function slowest(site: Site, forMs: number): Promise<number> {
  let slowestMs = 0;
  for (const end = performance.now() + forMs; performance.now() < end; await Bun.sleep(20)) {
    const begun = performance.now();
    using connection = await connectFcgi(site.fpm.socket);
    await connection.request("/none", { params: { SCRIPT_NAME: "/ping" } });
    slowestMs = Math.max(slowestMs, performance.now() - begun);
  }
  return slowestMs;
}

describe.each(USERS.map((user, index) => [user, index] as const))(
  "a pipe that a program of %p holds",
  (user, index) => {
    const site = () => sites[index] as Site;
    const script = () => `${site().root}/splices.cgi`;
    const ask = async (query: string, body = new Uint8Array(0)) => {
      using connection = await connectFcgi(site().fpm.socket);
      const params = { QUERY_STRING: query, CONTENT_LENGTH: String(body.length), REQUEST_METHOD: "POST" };
      return (await connection.request(script(), { params, body })).stdout;
    };

    test.each([
      ["its output", "out", "late\n", undefined],
      ["what it prints on stderr", "err", "", undefined],
      ["what it is sent", "in", "1000000 bytes\n", BODY],
    ])("holds up nobody else, and %s comes whole", async (_what, way, end, body) => {
      const answer = ask(`${way}=${HELD_MS}`, body);
      const others = slowest(site(), HELD_MS);
      expect(await answer).toBe(`Content-Type: text/plain\n\n${end}`);
      expect(await others).toBeLessThan(MOST_MS);
      if (way === "err") await logged(site().fpm, "late");
    });

    test("holds up neither its own other requests nor a client that leaves", async () => {
      const left = await connectFcgi(site().fpm.socket);
      await left.send(left.encode(script(), { params: { QUERY_STRING: "out=10000" } }));
      await Bun.sleep(400);
      const others = slowest(site(), HELD_MS);
      left[Symbol.dispose]();
      const begun = performance.now();
      expect(await ask("out=1")).toContain("late");
      expect(performance.now() - begun).toBeLessThan(HELD_MS);
      expect(await others).toBeLessThan(MOST_MS);
    });

    test("holds up the others of its own program no longer than itself, many at once", async () => {
      const begun = performance.now();
      const answers = Array.from({ length: 12 }, (_, index) => ask(`out=${500 + 100 * (index % 4)}`));
      const others = slowest(site(), HELD_MS);
      for (const answer of answers) expect(await answer).toBe("Content-Type: text/plain\n\nlate\n");
      expect(performance.now() - begun).toBeLessThan(3 * HELD_MS * TIME_FACTOR);
      expect(await others).toBeLessThan(MOST_MS);
    });

    test("holds up nobody where it has opened its output anew, so that it has what std-fpm gave it no more", async () => {
      // execve(2) ends what the shell has of the first one.
      site().put("again.cgi", `#!/bin/sh\nexec "${site().root}/splices.cgi" >/dev/stdout\n`);
      const others = slowest(site(), 3 * HELD_MS);
      for (let round = 0; round < 2; round++) {
        const clients = await Promise.all(Array.from({ length: 8 }, () => connectFcgi(site().fpm.socket)));
        const answers = clients.map((each) =>
          each.request(`${site().root}/again.cgi`, { params: { QUERY_STRING: "out=1500" } }),
        );
        for (const { stdout } of await Promise.all(answers)) expect(stdout).toEndWith("\n\nlate\n");
        for (const each of clients) each[Symbol.dispose]();
      }
      expect(await others).toBeLessThan(MOST_MS);
    });

    test("takes no descriptors without end, and is told of", async () => {
      const { fpm } = site();
      const before = fpm.descriptors();
      const holders = await Promise.all(Array.from({ length: 6 }, () => connectFcgi(fpm.socket)));
      for (const each of holders)
        await each.send(each.encode(script(), { params: { QUERY_STRING: "out=9000" } }));
      await Bun.sleep(400);
      // Whether or not what they have printed was read in time, what is to be closed waits.
      for (const each of holders) each[Symbol.dispose]();
      await Bun.sleep(400);
      for (let i = 0; i < 80; i++) {
        using client = await connectFcgi(fpm.socket);
        await client.send(client.encode(script(), { params: { QUERY_STRING: "out=1" } }));
        await Bun.sleep(50);
      }
      expect(fpm.descriptors() - before).toBeLessThan(250);
      // What our own user's processes have left when they have ended is read and closed at once.
      const why = "splices.cgi cannot be started: processes of it, or of its user, hold too many pipes";
      if (user === "nobody") await logged(fpm, why);
      // Another program of the same user.
      using other = await connectFcgi(fpm.socket);
      const answer = await other.request(`${site().root}/other.cgi`, { params: { QUERY_STRING: "out=1" } });
      expect(answer.stdout).toContain("late");
      await waitUntil("all is given back", () => fpm.descriptors() <= before);
      expect(await ask("out=1")).toContain("late");
    });

    test("holds up nobody while it is started, and its line is logged when it comes", async () => {
      using connection = await connectFcgi(site().fpm.socket);
      await connection.send(connection.encode(`${site().root}/holds.fcgi`));
      expect(await slowest(site(), HELD_MS)).toBeLessThan(MOST_MS);
      await waitUntil("the line", () => /late .*holds\.fcgi/.test(site().fpm.log()));
      expect((await connection.answer()).stdout).toContain("Status: 504");
    });

    test("does not keep std-fpm from ending", async () => {
      const begun = performance.now();
      using connection = await connectFcgi(site().fpm.socket);
      await connection.send(connection.encode(script(), { params: { QUERY_STRING: "out=60000" } }));
      await Bun.sleep(300);
      site().fpm.signal("SIGTERM");
      site().fpm.signal("SIGTERM");
      expect(await site().fpm.exited).toBe(0);
      expect(performance.now() - begun).toBeLessThan(15_000 * TIME_FACTOR);
      await site().restart();
    });
  },
);

test.each(USERS.filter((user) => user === "nobody"))(
  "pipes that jobs of %p hold keep no program of another user from being started, whatever is closed in the same moment",
  async (user) => {
    const { fpm, root } = sites[USERS.indexOf(user)] as Site;
    const ask = async () => {
      using connection = await connectFcgi(fpm.socket);
      return await connection.request(`${root}/roots/other.cgi`, { params: { QUERY_STRING: "out=1" } });
    };
    let isOver = false;
    let worstMs = 0;
    const asking = Array.from({ length: 3 }, async () => {
      while (!isOver) {
        const begun = performance.now();
        expect((await ask()).stdout).toContain("late");
        worstMs = Math.max(worstMs, performance.now() - begun);
      }
    });
    for (let i = 0; i < 30; i++) {
      using client = await connectFcgi(fpm.socket);
      await client.send(client.encode(`${root}/splices.cgi`, { params: { QUERY_STRING: "job=4000" } }));
      await Bun.sleep(25);
    }
    await Bun.sleep(1500);
    isOver = true;
    await Promise.all(asking);
    expect(worstMs).toBeLessThan(1500 * TIME_FACTOR);
  },
);
