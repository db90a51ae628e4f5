import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { encodeHead, encodeRecord, encodeStream } from "../../src/fcgi/encoder.ts";
import { encodeParams } from "../../src/fcgi/params.ts";
import { FCGI_BEGIN_REQUEST, FCGI_DATA, FCGI_FILTER, FCGI_STDIN } from "../../src/fcgi/protocol.ts";
import { connectFcgi, type FcgiConnection } from "../support/fcgi-connection.ts";
import { cpuMs } from "../support/processes.ts";
import { freePort } from "../support/server-process.ts";
import { startSite } from "../support/site.ts";
import { EXECUTABLE, logged } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

/** Sends what it reads, then takes 512 bytes of the answer every 200 ms; prints how often, and how many bytes. */
const SIPPING = `
import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(sys.stdin.buffer.read())
got = []
while len(got) < 15 and (sip := s.recv(512)): got.append(len(sip)); time.sleep(0.2)
print(len(got), sum(got))
`;

const query = (text: string, more = {}) => ({ params: { QUERY_STRING: text, ...more } });

describe("head_timeout", () => {
  test("closes a connection on which nothing comes", async () => {
    await using site = await startSite({ server: 'head_timeout = "200ms"' });
    using connection = await connectFcgi(site.fpm.socket);
    await connection.closed();
  });

  test("refuses a request whose PARAMS do not end, with 408", async () => {
    await using site = await startSite({ server: 'head_timeout = "200ms"' });
    using connection = await connectFcgi(site.fpm.socket);
    await connection.send(encodeRecord(FCGI_BEGIN_REQUEST, 1, Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 0)));
    expect((await connection.answer()).stdout).toStartWith("Status: 408 Request Timeout\r\n");
    await connection.closed();
  });

  test("does not count the time in which std-fpm itself did not run", async () => {
    await using site = await startSite({ server: 'head_timeout = "400ms"' });
    const lab = `${site.root}/lab.fcgi`;
    const clients = await Promise.all(Array.from({ length: 20 }, () => connectFcgi(site.fpm.socket)));
    await Bun.sleep(150);
    site.fpm.signal("SIGSTOP");
    for (const client of clients) await client.send(client.encode(lab));
    await Bun.sleep(800);
    site.fpm.signal("SIGCONT");
    for (const client of clients) expect((await client.answer()).stdout).not.toStartWith("Status:");
  });

  test("holds for each head by itself, also while others come and go", async () => {
    await using site = await startSite({ server: 'head_timeout = "400ms"' });
    using connection = await connectFcgi(site.fpm.socket);
    await connection.send(encodeRecord(FCGI_BEGIN_REQUEST, 9, Uint8Array.of(0, 1, 1, 0, 0, 0, 0, 0)));
    const started = performance.now();
    let id = 10;
    const isRefused = () => connection.records.some(({ requestId }) => requestId === 9);
    while (!isRefused() && performance.now() - started < 5_000)
      await connection.request(`${site.root}/lab.fcgi`, { id: id++, keepConn: true });
    expect((await connection.answer(9)).stdout).toStartWith("Status: 408 Request Timeout\r\n");
    expect(id).toBeGreaterThan(11);
  });

  test("closes a kept connection on which only the first bytes of a request come", async () => {
    await using site = await startSite({ server: 'head_timeout = "200ms"' });
    using connection = await connectFcgi(site.fpm.socket);
    await connection.request(`${site.root}/lab.fcgi`, { keepConn: true });
    await connection.send(Uint8Array.of(1, 1, 0));
    await connection.closed();
  });

  test("leaves a kept connection alone that waits between two requests", async () => {
    await using site = await startSite({ server: 'head_timeout = "100ms"' });
    using connection = await connectFcgi(site.fpm.socket);
    await connection.request(`${site.root}/lab.fcgi`, { keepConn: true });
    await Bun.sleep(400);
    expect(connection.isClosed).toBe(false);
    await connection.request(`${site.root}/lab.fcgi`, { keepConn: true });
  });
});

describe("body_timeout", () => {
  test("answers 408 to a stalled large upload and gives its process back", async () => {
    await using site = await startSite({
      app: 'body_timeout = "300ms"\nmax_processes = 1\nabort_timeout = "1s"',
    });
    const lab = `${site.root}/lab.fcgi`;
    using stalled = await connectFcgi(site.fpm.socket);
    await stalled.send(
      stalled.encode(lab, { body: null, ...query("op=count", { CONTENT_LENGTH: "1000000" }) }),
    );
    await stalled.send(encodeStream(FCGI_STDIN, 1, new Uint8Array(100_000), false));
    expect((await stalled.answer()).stdout).toStartWith("Status: 408 Request Timeout\r\n");
    using next = await connectFcgi(site.fpm.socket);
    expect((await next.request(lab)).stdout).toContain("\r\n\r\n");
  });

  test("does not count while the program itself does not read", async () => {
    await using site = await startSite({ app: 'body_timeout = "300ms"' });
    using connection = await connectFcgi(site.fpm.socket);
    const body = new Uint8Array(2_000_000);
    const options = {
      body,
      ...query("op=sleep&ms=1000", { REQUEST_METHOD: "POST", CONTENT_LENGTH: "2000000" }),
    };
    expect((await connection.request(`${site.root}/lab.fcgi`, options)).stdout).toStartWith("Content-");
  });

  test("ends a connection whose client takes no byte of its answer", async () => {
    await using site = await startSite({ app: 'body_timeout = "300ms"\nabort_timeout = "300ms"' });
    using connection = await connectFcgi(site.fpm.socket);
    connection.pause();
    await connection.send(connection.encode(`${site.root}/lab.fcgi`, query("op=download&bytes=50000000")));
    await waitUntil("the log says so", () =>
      site.fpm.log().includes("took no byte of an answer within body_timeout"),
    );
  });

  test("lets a client go on that takes less at a time than the kernel tells of", async () => {
    await using site = await startSite({ app: 'body_timeout = "500ms"' });
    using connection = await connectFcgi(site.fpm.socket);
    const request = connection.encode(`${site.root}/lab.fcgi`, query("op=download&bytes=1000000"));
    const client = Bun.spawn(["python3", "-c", SIPPING, site.fpm.socket], { stdin: request, stdout: "pipe" });
    const [sips, bytes] = (await client.stdout.text()).split(" ").map(Number);
    expect([sips, bytes]).toEqual([15, 15 * 512]);
    // What the kernel has, the client gets in any case.
    expect(site.fpm.log()).not.toContain("took no byte");
  });

  test("lets a slow client go on that takes a little from time to time", async () => {
    await using site = await startSite({ app: 'body_timeout = "600ms"' });
    using connection = await connectFcgi(site.fpm.socket);
    connection.pause();
    await connection.send(connection.encode(`${site.root}/lab.fcgi`, query("op=download&bytes=20000000")));
    // A little is more than the kernel's buffer for the socket: below that nobody but the kernel sees it.
    for (let i = 0; i < 8; i++) {
      await Bun.sleep(200);
      await connection.take(300_000);
    }
    expect(connection.isClosed).toBe(false);
    connection.resume();
    expect((await connection.answer()).stdout.length).toBeGreaterThan(20_000_000);
  });
});

describe("max_connections", () => {
  test("leaves the connection above it in the backlog until another one closes", async () => {
    await using site = await startSite({ server: "max_connections = 2" });
    const lab = `${site.root}/lab.fcgi`;
    using first = await connectFcgi(site.fpm.socket);
    using second = await connectFcgi(site.fpm.socket);
    await first.request(lab, { keepConn: true });
    await second.request(lab, { keepConn: true });
    using third = await connectFcgi(site.fpm.socket);
    await third.send(third.encode(lab));
    await Bun.sleep(200);
    expect(third.records.length).toBe(0);
    expect(site.fpm.log()).toContain("max_connections reached");
    first[Symbol.dispose]();
    expect((await third.answer()).protocolStatus).toBe(0);
  });

  test("holds for all addresses together", async () => {
    const port = freePort();
    await using site = await startSite({ server: "max_connections = 2", alsoListen: [`127.0.0.1:${port}`] });
    const lab = `${site.root}/lab.fcgi`;
    const tcp = { hostname: "127.0.0.1", port };
    using first = await connectFcgi(site.fpm.socket);
    using second = await connectFcgi(tcp);
    for (const each of [first, second])
      await each.send(each.encode(lab, { keepConn: true, ...query("op=sleep&ms=1500") }));
    await waitUntil("they are at work", () => site.fpm.backends().length === 2);
    using third = await connectFcgi(tcp);
    await third.send(third.encode(lab));
    await logged(site.fpm, "max_connections reached");
    await Bun.sleep(200);
    expect(third.records.length).toBe(0);
    expect((await third.answer()).protocolStatus).toBe(0);
  });

  test.each([true, false])(
    "costs one line in the log, however often it is reached (kept: %j)",
    async (keepConn) => {
      await using site = await startSite({ server: "max_connections = 4" });
      const client = async () => {
        for (let i = 0; i < 20; i++) {
          using connection = await connectFcgi(site.fpm.socket);
          const { protocolStatus } = await connection.request(`${site.root}/lab.fcgi`, { keepConn });
          expect(protocolStatus).toBe(0);
        }
      };
      await Promise.all(Array.from({ length: 30 }, client));
      expect(site.fpm.log().split("max_connections reached").length - 1).toBe(1);
    },
  );

  test("closes the kept connection that is idle for longest for one that waits", async () => {
    await using site = await startSite({ server: "max_connections = 3" });
    const lab = `${site.root}/lab.fcgi`;
    const kept = await Promise.all([1, 2, 3].map(() => connectFcgi(site.fpm.socket)));
    for (const each of kept) await each.request(lab, { keepConn: true });
    await kept[0]?.request(lab, { id: 2, keepConn: true });
    using fourth = await connectFcgi(site.fpm.socket);
    expect((await fourth.request(lab)).protocolStatus).toBe(0);
    expect(kept.map(({ isClosed }) => isClosed)).toEqual([false, true, false]);
    for (const each of kept) each[Symbol.dispose]();
  });

  test("is never more than descriptors allow: no connection is lost, and nothing spins", async () => {
    using dir = makeTempDir();
    const more = [dir.at("second.sock"), dir.at("third.sock")];
    await using site = await startSite({
      command: ["/bin/sh", "-c", 'ulimit -n 400 && exec "$0" "$@"', EXECUTABLE],
      server: "max_connections = 5000",
      alsoListen: more,
    });
    const lab = `${site.root}/lab.fcgi`;
    await site.text("lab.fcgi");
    expect(site.fpm.log()).toContain("fewer are served at once");
    const clients: FcgiConnection[] = [];
    for (const path of [site.fpm.socket, ...more])
      for (let i = 0; i < 150; i++) {
        const client = await connectFcgi(path);
        clients.push(client);
        // The begin: none of them is idle.
        await client.send(client.encode(lab).subarray(0, 16));
      }
    await logged(site.fpm, "max_connections reached");
    const before = cpuMs(site.fpm.pid);
    await Bun.sleep(1_000);
    expect(cpuMs(site.fpm.pid) - before).toBeLessThan(300);
    for (const client of clients) await client.send(client.encode(lab).subarray(16));
    for (const client of clients) expect((await client.answer()).protocolStatus).toBe(0);
  });
});

describe("the roles", () => {
  test("a Filter's DATA goes to the program after its STDIN", async () => {
    await using site = await startSite();
    using connection = await connectFcgi(site.fpm.socket);
    const params = {
      SCRIPT_FILENAME: `${site.root}/lab.fcgi`,
      REQUEST_METHOD: "GET",
      QUERY_STRING: "op=pid",
      CONTENT_LENGTH: "0",
      FCGI_DATA_LENGTH: "8",
    };
    await connection.send(encodeHead(1, FCGI_FILTER, false, encodeParams(Object.entries(params))));
    await connection.send(encodeStream(FCGI_STDIN, 1, new Uint8Array(0), true));
    await Bun.sleep(100);
    expect(connection.records.length).toBe(0);
    await connection.send(encodeStream(FCGI_DATA, 1, Buffer.from("filtered"), true));
    expect((await connection.answer()).protocolStatus).toBe(0);
  });
});

describe("a listener on TCP", () => {
  test("serves beside one on a Unix socket", async () => {
    const port = freePort();
    await using site = await startSite({ alsoListen: [`127.0.0.1:${port}`] });
    using connection = await connectFcgi({ hostname: "127.0.0.1", port });
    expect((await connection.request(`${site.root}/lab.fcgi`)).protocolStatus).toBe(0);
    await connection.closed();
    using other = await connectFcgi(site.fpm.socket);
    expect((await other.request(`${site.root}/lab.fcgi`)).protocolStatus).toBe(0);
  });

  test("asks after a web server of which nothing is heard", async () => {
    const port = freePort();
    await using site = await startSite({ alsoListen: [`127.0.0.1:${port}`] });
    using connection = await connectFcgi({ hostname: "127.0.0.1", port });
    await connection.request(`${site.root}/lab.fcgi`, { keepConn: true });
    await waitUntil("the kernel's timer runs", () => {
      const sockets = readFileSync("/proc/net/tcp", "latin1").split("\n");
      const ours = `:${port.toString(16).toUpperCase().padStart(4, "0")} `;
      // The local address, the other end's, established, and a timer that is none of a transmission.
      return sockets.some((line) =>
        new RegExp(`^ *\\d+: 0100007F${ours}0100007F:\\w+ 01 \\S+ 02:`).test(line),
      );
    });
  });
});
