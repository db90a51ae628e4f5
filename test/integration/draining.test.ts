import { describe, expect, test } from "bun:test";
import { encodeStream } from "../../src/fcgi/encoder.ts";
import { FCGI_STDIN } from "../../src/fcgi/protocol.ts";
import { connectFcgi, type FcgiConnection } from "../support/fcgi-connection.ts";
import { handOver } from "../support/hand-over.ts";
import { isAlive } from "../support/processes.ts";
import { freePort } from "../support/server-process.ts";
import { type Site, startSite } from "../support/site.ts";
import { answers, logged, type StdFpm } from "../support/std-fpm.ts";
import { waitUntil } from "../support/wait-until.ts";

/** More than the kernel takes for a client that does not read, and less than what pauses a program. */
const BYTES = 400_000;
/** A daemon that does not wait is gone by then. */
const LONG_ENOUGH_MS = 500;

const download = { params: { QUERY_STRING: `op=download&bytes=${BYTES}` } };

/** A client that has asked for an answer and reads nothing of it; the program has given all of it. */
async function slowClient(
  fpm: StdFpm,
  script: string,
  to: Parameters<typeof connectFcgi>[0],
  keepConn: boolean,
): Promise<FcgiConnection> {
  const connection = await connectFcgi(to);
  connection.pause();
  const before = answered(fpm);
  await connection.send(connection.encode(script, { keepConn, ...download }));
  await waitUntil("the program has answered", () => answered(fpm) > before);
  return connection;
}

function answered(fpm: StdFpm): number {
  return fpm.log().split("debug answered").length;
}

async function expectWhole(connection: FcgiConnection): Promise<void> {
  connection.resume();
  const { stdout } = await connection.answer();
  expect(stdout.length - stdout.indexOf("\r\n\r\n") - 4).toBe(BYTES);
  await connection.closed();
}

/** Slow clients of every kind: over TCP and Unix, with and without kept connections. */
async function slowClients(site: Site, port: number): Promise<FcgiConnection[]> {
  const lab = `${site.root}/lab.fcgi`;
  const clients: FcgiConnection[] = [];
  for (const to of [site.fpm.socket, { hostname: "127.0.0.1", port }])
    for (const keepConn of [false, true]) clients.push(await slowClient(site.fpm, lab, to, keepConn));
  return clients;
}

/** Clients ask while the daemon does not run, which then goes on, and ends when all have been served. */
async function expectServedWhenBack({ fpm, root }: Site, clients: readonly FcgiConnection[]): Promise<void> {
  for (const [index, client] of clients.entries())
    await client.send(client.encode(`${root}/lab.fcgi`, { id: 2, keepConn: index % 2 === 0 }));
  await Bun.sleep(1_200);
  fpm.signal("SIGCONT");
  for (const client of clients) expect((await client.answer(2)).protocolStatus).toBe(0);
  expect(await fpm.exited).toBe(0);
}

describe("a stop", () => {
  test("waits until slow clients have read the last byte of their answers", async () => {
    const port = freePort();
    await using site = await startSite({ alsoListen: [`127.0.0.1:${port}`] });
    const clients = await slowClients(site, port);
    site.fpm.signal("SIGTERM");
    await waitUntil("nobody accepts", async () => !(await answers(site.fpm.socket)));
    expect(await Promise.race([site.fpm.exited, Bun.sleep(LONG_ENOUGH_MS)])).toBeUndefined();
    for (const client of clients) await expectWhole(client);
    expect(await site.fpm.exited).toBe(0);
  });

  test("serves requests that came on new connections while std-fpm itself did not run for a while", async () => {
    await using site = await startSite();
    const clients = await Promise.all(Array.from({ length: 10 }, () => connectFcgi(site.fpm.socket)));
    site.fpm.signal("SIGTERM");
    await logged(site.fpm, "stopping");
    site.fpm.signal("SIGSTOP");
    await expectServedWhenBack(site, clients);
  });

  test("serves requests that came on kept connections while std-fpm itself did not run for a while", async () => {
    await using site = await startSite();
    const clients = await Promise.all(Array.from({ length: 10 }, () => connectFcgi(site.fpm.socket)));
    for (const client of clients) await client.request(`${site.root}/lab.fcgi`, { keepConn: true });
    // Not the other way round: a stop closes what has been idle for 100 ms, rightly.
    site.fpm.signal("SIGSTOP");
    site.fpm.signal("SIGTERM");
    await expectServedWhenBack(site, clients);
  });

  test("does not wait longer than drain_timeout for a client that never reads", async () => {
    await using site = await startSite({ server: 'drain_timeout = "400ms"' });
    using client = await slowClient(site.fpm, `${site.root}/lab.fcgi`, site.fpm.socket, true);
    const started = performance.now();
    site.fpm.signal("SIGTERM");
    expect(await site.fpm.exited).toBe(0);
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(client.isClosed).toBe(false);
  });

  test("does not wait for a client that has read its answer and leaves the connection open", async () => {
    await using site = await startSite();
    using client = await connectFcgi(site.fpm.socket);
    await client.request(`${site.root}/lab.fcgi`, { keepConn: true });
    // The begin of a request that goes no further.
    await client.send(Uint8Array.of(1, 1, 0, 1));
    const started = performance.now();
    site.fpm.signal("SIGTERM");
    expect(await site.fpm.exited).toBe(0);
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  test("does not wait for the rest of a body whose request was answered, nor for a head that was refused", async () => {
    await using site = await startSite({ server: 'head_timeout = "200ms"' });
    using upload = await connectFcgi(site.fpm.socket);
    const params = { REQUEST_METHOD: "POST", CONTENT_LENGTH: "1000000" };
    await upload.send(upload.encode(`${site.root}/none.fcgi`, { keepConn: true, params, body: null }));
    await upload.send(encodeStream(FCGI_STDIN, 1, new Uint8Array(9), false));
    expect((await upload.answer()).stdout).toStartWith("Status: 404");
    using late = await connectFcgi(site.fpm.socket);
    await late.send(late.encode(`${site.root}/lab.fcgi`, { keepConn: true }).subarray(0, 16));
    expect((await late.answer()).stdout).toStartWith("Status: 408");
    const started = performance.now();
    site.fpm.signal("SIGTERM");
    expect(await site.fpm.exited).toBe(0);
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  test("serves those who wait in the backlog while max_connections is reached", async () => {
    await using site = await startSite({ server: "max_connections = 2" });
    const lab = `${site.root}/lab.fcgi`;
    await site.text("lab.fcgi");
    const clients = await Promise.all(Array.from({ length: 8 }, () => connectFcgi(site.fpm.socket)));
    for (const [index, client] of clients.entries())
      await client.send(
        client.encode(lab, { keepConn: index % 2 === 0, params: { QUERY_STRING: "op=sleep&ms=200" } }),
      );
    site.fpm.signal("SIGTERM");
    await logged(site.fpm, "stopping");
    for (const client of clients) expect((await client.answer()).protocolStatus).toBe(0);
    expect(await site.fpm.exited).toBe(0);
  });
});

describe("a hand-over", () => {
  test("lets slow clients of the old daemon read the last byte of their answers", async () => {
    const port = freePort();
    await using site = await startSite({ alsoListen: [`127.0.0.1:${port}`] });
    const clients = await slowClients(site, port);
    const old = site.fpm.pid;
    await handOver(site.fpm);
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
    expect(await Promise.race([site.fpm.exited, Bun.sleep(LONG_ENOUGH_MS)])).toBeUndefined();
    for (const client of clients) await expectWhole(client);
    await waitUntil("the old one has ended", () => !isAlive(old));
  });
});
