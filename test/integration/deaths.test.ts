import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { FCGI_STDOUT } from "../../src/fcgi/protocol.ts";
import { connectFcgi } from "../support/fcgi-connection.ts";
import type { Way } from "../support/nginx.ts";
import { isAlive } from "../support/processes.ts";
import { type Site, startSite } from "../support/site.ts";
import { waitUntil } from "../support/wait-until.ts";

/** Starts a request and waits until its process works on it. */
async function working(site: Site, query: string, way: Way = "direct", body?: Uint8Array) {
  const { promise: begun, resolve: onBegun } = Promise.withResolvers<void>();
  const before = site.fpm.backends();
  const answer = site.ask(`lab.fcgi?${query}`, { way, onBody: () => onBegun(), ...(body ? { body } : {}) });
  answer.catch(() => {});
  const pid = await waitUntil("a process works", () =>
    site.fpm.backends().find((each) => !before.includes(each)),
  );
  return { answer, begun, pid };
}

/** Has a child that holds all that it has itself, and is killed as soon as it has read a POST. */
const DIES = `#!/usr/bin/perl
use FCGI;
my $request = FCGI::Request(\\*STDIN, \\*STDOUT, \\*STDERR, \\my %env);
while ($request->Accept() >= 0) {
  if ($env{REQUEST_METHOD} eq 'POST') { open my $paid, '>>', 'paid'; print $paid "paid\\n"; close $paid; kill 'KILL', $$ }
  if (!fork) { sleep 1000 }
  print "Content-Type: text/plain\\r\\n\\r\\nforked";
}
`;

describe("a process that is killed", () => {
  test("while idle fails nobody: the next client gets another process", async () => {
    await using site = await startSite();
    for (let i = 0; i < 10; i++) {
      const pid = Number(await site.text("lab.fcgi"));
      process.kill(pid, "SIGKILL");
      const answer = await site.ask("lab.fcgi", i % 2 === 0 ? {} : { body: Buffer.from("body") });
      expect(answer.status).toBe(200);
      expect(Number(answer.text())).not.toBe(pid);
    }
  });

  test("shortly after its answer fails nobody", async () => {
    await using site = await startSite();
    const pid = Number(await site.text("lab.fcgi?op=die-idle&ms=50"));
    await waitUntil("it is dead", () => !isAlive(pid));
    expect(Number(await site.text("lab.fcgi"))).not.toBe(pid);
  });

  test("while it works on a GET is replaced, and the GET is asked once more", async () => {
    await using site = await startSite();
    const { answer, pid } = await working(site, "op=sleep&ms=1000");
    await Bun.sleep(200);
    process.kill(pid, "SIGKILL");
    const { status, text } = await answer;
    expect([status, Number.isInteger(Number(text()))]).toEqual([200, true]);
  });

  test("after it has worked on a GET for longer than queue_timeout is replaced as well: the GET has not waited", async () => {
    await using site = await startSite({ app: 'queue_timeout = "300ms"' });
    const { answer, pid } = await working(site, "op=sleep&ms=700");
    await Bun.sleep(450);
    process.kill(pid, "SIGKILL");
    const { status, text } = await answer;
    expect([status, Number.isInteger(Number(text()))]).toEqual([200, true]);
  });

  test("while it works on a POST is a 502, not a second execution", async () => {
    await using site = await startSite();
    const { answer, pid } = await working(site, "op=sleep&ms=3000", "direct", Buffer.from("pay once"));
    await Bun.sleep(300);
    process.kill(pid, "SIGKILL");
    expect((await answer).status).toBe(502);
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
  });

  test("at once when it has read a POST, with a child of it left, is no second execution either", async () => {
    await using site = await startSite({ files: { "dies.fcgi": DIES } });
    for (let i = 0; i < 20; i++) {
      await site.text("dies.fcgi");
      expect((await site.ask("dies.fcgi", { body: Buffer.from("pay once") })).status).toBe(502);
    }
    expect(readFileSync(`${site.root}/paid`, "utf8")).toBe("paid\n".repeat(20));
  });

  test("somebody kills a process while it starts: the request waits for the next one, and is refused after three", async () => {
    const once = `#!/bin/sh\nif mkdir "$PWD/once.killed" 2>/dev/null; then kill -9 $$; fi\nexec "$PWD/lab.fcgi"\n`;
    const always = '#!/bin/sh\necho started >> "$PWD/starts"\nkill -9 $$\n';
    await using site = await startSite({
      files: { "once.fcgi": once, "always.fcgi": always },
    });
    expect((await site.ask("once.fcgi", { body: Buffer.from("pay") })).status).toBe(200);
    expect((await site.ask("always.fcgi")).status).toBe(502);
    expect(readFileSync(`${site.root}/starts`, "utf8")).toBe("started\n".repeat(3));
  });

  test.each(["direct", "kept", "unbuffered"] as const)(
    "in mid-answer is an aborted transfer (%s)",
    async (way) => {
      await using site = await startSite();
      // nginx drops what it has not sent yet when the answer breaks off in the same read: then there is no status either.
      expect((await site.ask("lab.fcgi?op=die-in-answer&bytes=5000", { way })).end).toBe("aborted");
      for (const op of ["op=die-in-answer&bytes=5000&ms=50", "op=die-in-answer&bytes=3000000&ms=50"]) {
        const answer = await site.ask(`lab.fcgi?${op}`, { way });
        expect([answer.status, answer.end]).toEqual([200, "aborted"]);
      }
      expect(await site.text("lab.fcgi", way)).toMatch(/^\d+$/);
    },
  );

  test.each(["direct", "kept", "unbuffered"] as const)(
    "in mid-answer with a Content-Length is an aborted transfer, not a hanging one (%s)",
    async (way) => {
      await using site = await startSite();
      expect((await site.ask("lab.fcgi?op=die-in-sized-answer&bytes=5000", { way })).end).toBe("aborted");
    },
  );

  test("in mid-answer is not the end of a record for a web server other than nginx, and comes after all the rest", async () => {
    await using site = await startSite();
    using connection = await connectFcgi(site.fpm.socket);
    const params = { QUERY_STRING: "op=die-in-answer&bytes=5000" };
    await connection.send(connection.encode(`${site.root}/lab.fcgi`, { params }));
    await waitUntil("the answer has broken off", () => connection.partOfRecord.length > 0);
    expect([...connection.partOfRecord]).toEqual([1]);
    expect(connection.isClosed).toBe(false);
    await connection.closed();
    expect(connection.records.every(({ type }) => type === FCGI_STDOUT)).toBe(true);
    expect(connection.partOfRecord.length).toBe(1);
  });

  test("by a signal between the head and the rest of the answer is an aborted transfer", async () => {
    await using site = await startSite();
    const { answer, begun, pid } = await working(site, "op=drip&ms=10000", "unbuffered");
    await begun;
    process.kill(pid, "SIGKILL");
    expect((await answer).end).toBe("aborted");
  });

  test("again and again under load fails no GET, and a POST only where its own process was killed", async () => {
    // Of so many processes no GET meets three that die.
    await using site = await startSite({ app: "max_processes = 8\nmin_processes = 8" });
    const failed: string[] = [];
    let isOver = false;
    let asked = 0;
    const clients = Array.from({ length: 20 }, async (_, index) => {
      const isPost = index % 4 === 3;
      while (!isOver) {
        const body = isPost ? { body: Buffer.from("x") } : {};
        const { status } = await site.ask("lab.fcgi?op=sleep&ms=2", {
          way: index % 2 === 0 ? "kept" : "direct",
          ...body,
        });
        asked++;
        if (status !== 200) failed.push(`${isPost ? "POST" : "GET"} ${status}`);
      }
    });
    const KILLS = 40;
    for (let kills = 0; kills < KILLS; ) {
      const pids = site.fpm.backends();
      const pid = pids[kills % pids.length];
      if (pid !== undefined) {
        process.kill(pid, "SIGKILL");
        kills++;
      }
      await Bun.sleep(100);
    }
    isOver = true;
    await Promise.all(clients);
    expect(failed.filter((each) => each !== "POST 502")).toEqual([]);
    expect(failed.length).toBeLessThanOrEqual(KILLS);
    expect(asked).toBeGreaterThan(200);
  });
});

describe("what a process leaves behind", () => {
  test("in its group ends with it, also when it ignores SIGTERM and holds the listening socket", async () => {
    await using site = await startSite();
    const grandchild = Number(await site.text("lab.fcgi?op=fork-holder"));
    process.kill(Number(await site.text("lab.fcgi")), "SIGKILL");
    await waitUntil("it is gone", () => !isAlive(grandchild));
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
  });

  test("is no zombie, however many end in whatever way", async () => {
    await using site = await startSite({ lab: ["lab.fcgi", "exit-each.fcgi"] });
    for (let i = 0; i < 10; i++) {
      await site.text("exit-each.fcgi");
      process.kill(Number(await site.text("lab.fcgi")), i % 2 === 0 ? "SIGKILL" : "SIGTERM");
    }
    await waitUntil("all were reaped", () => site.fpm.backends().every((pid) => isAlive(pid)));
  });
});

describe("a program that ends by itself", () => {
  test("after each answer is there for every client", async () => {
    await using site = await startSite({ lab: ["exit-each.fcgi"] });
    const pids = new Set<string>();
    for (let i = 0; i < 20; i++) pids.add(await site.text("exit-each.fcgi", i % 2 === 0 ? "direct" : "kept"));
    expect(pids.size).toBe(20);
  });

  test("after each answer fails nobody of 50 clients at once", async () => {
    await using site = await startSite({ lab: ["exit-each.fcgi"], app: "max_processes = 16" });
    const wrong: unknown[] = [];
    let left = 1500;
    const client = async (way: Way) => {
      while (left-- > 0) {
        const { status, text } = await site.ask("exit-each.fcgi", { way });
        if (status !== 200) wrong.push([status, text()]);
      }
    };
    await Promise.all(Array.from({ length: 50 }, (_, index) => client(index % 2 === 0 ? "direct" : "kept")));
    expect(wrong).toEqual([]);
  });

  test("after each answer is there for every POST", async () => {
    await using site = await startSite({ lab: ["exit-each.fcgi"] });
    const statuses: number[] = [];
    const client = async () => {
      for (let i = 0; i < 10; i++) {
        statuses.push((await site.ask("exit-each.fcgi?op=echo", { body: Buffer.from("body") })).status);
      }
    };
    await Promise.all(Array.from({ length: 10 }, client));
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
  });

  test("while other programs work does not touch them", async () => {
    await using site = await startSite({ lab: ["lab.fcgi", "other.fcgi"] });
    const other = site.text("other.fcgi?op=sleep&ms=500");
    for (let i = 0; i < 5; i++) await site.ask("lab.fcgi?op=die-before");
    expect(await other).toMatch(/^\d+$/);
  });
});

describe("a client that leaves", () => {
  test("while its program works: the process is not lent until it is done, and no other client waits for it", async () => {
    await using site = await startSite();
    const left = await site.ask("lab.fcgi?op=sleep&ms=3000", { leaveAfterMs: 150 });
    expect(left.end).toBe("left");
    const started = performance.now();
    await site.text("lab.fcgi");
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  test("while its program hangs: the process is killed after abort_timeout", async () => {
    await using site = await startSite({ app: 'abort_timeout = "200ms"' });
    await site.ask("lab.fcgi?op=hang", { leaveAfterMs: 150 });
    await waitUntil("the process is gone", () => site.fpm.backends().length === 0);
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
  });

  test("in the middle of a large answer leaves a program that still works", async () => {
    await using site = await startSite();
    for (const way of ["direct", "kept", "unbuffered"] as const) {
      const left = await site.ask("lab.fcgi?op=download&bytes=100000000", { way, leaveAfter: 100_000 });
      expect(left.end).toBe("left");
      expect(await site.text("lab.fcgi", way)).toMatch(/^\d+$/);
    }
  });

  test("in the middle of its upload leaves a program that still works", async () => {
    await using site = await startSite();
    const left = await site.ask("lab.fcgi?op=count", {
      way: "unbuffered",
      body: { chunks: [new Uint8Array(100_000)], length: 1_000_000 },
      leaveAfterMs: 200,
    });
    expect(left.end).toBe("left");
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
  });

  test("while it waits in the queue is taken out of it", async () => {
    await using site = await startSite({ app: "max_processes = 1" });
    const holding = site.ask("lab.fcgi?op=sleep&ms=1000");
    await waitUntil("the program works", () => site.fpm.backends().length === 1);
    await Promise.all(
      Array.from({ length: 10 }, () => site.ask("lab.fcgi?op=sleep&ms=5000", { leaveAfterMs: 200 })),
    );
    expect((await holding).status).toBe(200);
    const started = performance.now();
    await site.text("lab.fcgi");
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
