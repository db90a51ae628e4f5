import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { command, snapshotOf } from "../support/admin.ts";
import { isAlive } from "../support/processes.ts";
import { type Site, startSite } from "../support/site.ts";
import { logged } from "../support/std-fpm.ts";
import { TIME_FACTOR, waitUntil } from "../support/wait-until.ts";

/** A program with so many threads, each with one connection at a time, which it keeps. Works on for a second and a half after its answer to "work", and for two before it to "left". */
const threads = (count: number) => `#!/usr/bin/python3
import socket, struct, threading, time
listener = socket.socket(fileno=0)
def record(kind, number, content):
    return struct.pack(">BBHHBB", 1, kind, number, len(content), 0, 0) + content
def exactly(connection, length):
    data = b""
    while len(data) < length:
        more = connection.recv(length - len(data))
        if not more: raise EOFError
        data += more
    return data
def answer(connection):
    params = b""
    while True:
        _, kind, number, length, padding, _ = struct.unpack(">BBHHBB", exactly(connection, 8))
        content = exactly(connection, length + padding)[:length]
        if kind == 4: params += content
        if kind == 5 and length == 0: break
    if b"left" in params:
        time.sleep(2)
        open("done", "a").write("done\\n")
    connection.sendall(record(6, number, b"Content-Type: text/plain\\r\\n\\r\\nanswered") + record(3, number, bytes(8)))
    if b"work" in params: time.sleep(1.5)
def serve():
    while True:
        connection, _ = listener.accept()
        try:
            while True: answer(connection)
        except (EOFError, OSError): connection.close()
for _ in range(${count - 1}): threading.Thread(target=serve, daemon=True).start()
serve()
`;
/** The same with a lock around what libfcgi does in FCGX_Accept_r: its own example of a threaded program has one. */
const LOCKED = threads(3).replace(
  /def serve[\s\S]*?OSError\): connection.close\(\)/,
  `lock = threading.Lock()
def serve():
    connection = None
    while True:
        with lock:
            while True:
                if not connection: connection, _ = listener.accept()
                try:
                    connection.recv(1, socket.MSG_PEEK) or fail()
                    break
                except OSError: connection.close(); connection = None
        try: answer(connection)
        except (EOFError, OSError): connection.close(); connection = None
def fail(): raise OSError`,
);
/** Takes its time to begin, as most programs do that load modules. */
const ONE = `#!/usr/bin/perl
use FCGI;
select undef, undef, undef, 0.15;
my $request = FCGI::Request();
while ($request->Accept() >= 0) { select undef, undef, undef, 0.005; print "Content-Type: text/plain\\r\\n\\r\\nok" }
`;
const PHP = `[[apps]]
match = "/**/*.php"
extensions = [".php"]
command = ["/usr/bin/php-cgi"]
children = 3
max_processes = 1
`;
const PAGE = `<?php ignore_user_abort(true); usleep((int) ($_GET["us"] ?? 0)); echo getmypid();`;
const BODY = { body: Buffer.from("a form") };
/** Who waits for a worker that is at something else waits for longer. */
const AT_ONCE_MS = 700;

/** How long a request takes; it is answered with 200. */
async function timeOf(site: Site, path: string, request: Parameters<Site["ask"]>[1] = {}): Promise<number> {
  const start = performance.now();
  expect((await site.ask(path, request)).status).toBe(200);
  return performance.now() - start;
}

async function expectAtOnce(site: Site, path: string): Promise<void> {
  for (const request of [BODY, {}, BODY, {}])
    expect(await timeOf(site, path, request)).toBeLessThan(AT_ONCE_MS);
}

describe("a process that serves several requests at once", () => {
  test("with fewer workers than it is said to have keeps nobody waiting on a connection that nobody can accept", async () => {
    for (const count of [1, 2]) {
      const files = { "few.fcgi": threads(count) };
      await using site = await startSite({ app: "concurrency = 3\nmax_processes = 1", files });
      await Promise.all([1, 2, 3].map(() => site.text("few.fcgi")));
      await expectAtOnce(site, "few.fcgi");
    }
  });

  test("with one worker leaves nobody behind where several clients go on asking, and std-fpm goes on", async () => {
    const files = { "one.fcgi": ONE, "two.fcgi": ONE, "three.fcgi": ONE };
    await using site = await startSite({ app: "concurrency = 3", files });
    const times: number[] = [];
    const end = performance.now() + 2500;
    const client = async (program: string) => {
      while (performance.now() < end) times.push(await timeOf(site, program, { way: "kept" }));
    };
    const clients = Object.keys(files).flatMap((program) => Array.from({ length: 4 }, () => client(program)));
    await Promise.all(clients);
    expect(Math.max(...times)).toBeLessThan(4000 * TIME_FACTOR);
    expect(times.length).toBeGreaterThan(100);
  });

  test("behind a lock that whoever waits for a connection holds answers on the connections that it had kept", async () => {
    await using site = await startSite({
      app: "concurrency = 3\nmax_processes = 1",
      files: { "locked.fcgi": LOCKED },
    });
    for (let round = 0; round < 3; round++) await expectAtOnce(site, "locked.fcgi");
    const crowd = Array.from({ length: 3 }, () => timeOf(site, "locked.fcgi"));
    expect(Math.max(...(await Promise.all(crowd)))).toBeLessThan(AT_ONCE_MS);
    expect(site.fpm.log()).not.toContain(" warn ");
  });

  test("of which a child was stopped goes on with the others", async () => {
    await using site = await startSite({ lab: [], apps: PHP });
    site.put("page.php", PAGE, 0o644);
    const pids = await Promise.all([1, 2, 3].map(() => site.text("page.php?us=300000")));
    expect(new Set(pids).size).toBe(3);
    process.kill(Number(pids[0]), "SIGSTOP");
    try {
      for (let round = 0; round < 3; round++) await expectAtOnce(site, "page.php");
    } finally {
      process.kill(Number(pids[0]), "SIGCONT");
    }
  });

  test("of which a child works on for a client that has left has the others for those who come", async () => {
    await using site = await startSite({ lab: [], apps: PHP });
    site.put("page.php", PAGE, 0o644);
    for (let round = 0; round < 2; round++) {
      await Promise.all([1, 2, 3].map(() => site.text("page.php?us=200000")));
      await site.ask("page.php?us=2500000", { leaveAfterMs: 300 });
      await expectAtOnce(site, "page.php");
    }
  });

  test("and works on after an answer keeps nobody waiting from the second time on, while other threads are free", async () => {
    await using site = await startSite({
      app: "concurrency = 2\nmax_processes = 1",
      files: { "threads.fcgi": threads(2) },
    });
    for (let round = 0; round < 4; round++) {
      await site.text("threads.fcgi?work");
      const took = await timeOf(site, "threads.fcgi");
      if (round > 0) expect(took).toBeLessThan(AT_ONCE_MS);
      expect(await timeOf(site, "threads.fcgi", BODY)).toBeLessThan(AT_ONCE_MS);
      await Bun.sleep(1600);
    }
  });

  test("and of which every thread works on gives up who waits for it: another process has them", async () => {
    await using site = await startSite({
      app: "concurrency = 2\nmax_processes = 2",
      files: { "threads.fcgi": threads(2) },
    });
    await Promise.all([1, 2].map(() => site.text("threads.fcgi?work")));
    expect(await timeOf(site, "threads.fcgi", BODY)).toBeLessThan(AT_ONCE_MS);
    expect(site.fpm.backends().length).toBe(2);
    await waitUntil("both serve again", async () =>
      (await snapshotOf(site.fpm)).programs.every(({ processes }) => processes.idle === 2),
    );
    await expectAtOnce(site, "threads.fcgi");
  });

  test("and of which every thread works on gives up all who wait for it, however many", async () => {
    for (const away of ["threads.fcgi?work", "threads.fcgi?left"]) {
      await using site = await startSite({
        app: "concurrency = 2\nmax_processes = 2",
        files: { "threads.fcgi": threads(2) },
      });
      await Promise.all([1, 2].map(() => site.ask(away, { leaveAfterMs: 300 })));
      const times = await Promise.all([1, 2].map(() => timeOf(site, "threads.fcgi", BODY)));
      expect(Math.max(...times)).toBeLessThan(AT_ONCE_MS);
      expect(site.fpm.backends().length).toBe(2);
    }
  });
});

describe("a thread that works on for a client that has left", () => {
  const left = (site: Site) => site.ask("threads.fcgi?left", { leaveAfterMs: 300 });
  const start = (app: string) =>
    startSite({ app: `concurrency = 2\n${app}`, files: { "threads.fcgi": threads(2) } });

  test("is waited for, as idle as its process looks, before that ends", async () => {
    for (const leaves of ["idle", "restart"]) {
      await using site = await start(leaves === "idle" ? 'idle_timeout = "100ms"' : "");
      await site.text("threads.fcgi");
      const [pid] = site.fpm.backends();
      await left(site);
      if (leaves === "restart") await command(site.fpm, "restart", `${site.root}/threads.fcgi`);
      await Bun.sleep(800);
      expect(isAlive(pid as number)).toBe(true);
      const { programs } = await snapshotOf(site.fpm);
      expect(programs.some(({ processes }) => processes.busy + processes.idle > 0 && leaves === "idle")).toBe(
        false,
      );
      await waitUntil("it has ended", () => !isAlive(pid as number));
      expect(readFileSync(`${site.root}/done`, "utf8")).toBe("done\n");
    }
  });

  test.each(["request_timeout", "abort_timeout"])(
    "has its %s, and its process goes then",
    async (setting) => {
      await using site = await start(`${setting} = "700ms"`);
      await site.text("threads.fcgi");
      const [pid] = site.fpm.backends();
      await left(site);
      await waitUntil("it has ended", () => !isAlive(pid as number));
      await logged(site.fpm, `reason="${setting.replace("_", " ")}"`);
      expect(existsSync(`${site.root}/done`)).toBe(false);
      await site.text("threads.fcgi");
    },
  );
});
