import { describe, expect, test } from "bun:test";
import { encodeRecord } from "../../src/fcgi/encoder.ts";
import { FCGI_BEGIN_REQUEST, FCGI_END_REQUEST, FCGI_PARAMS } from "../../src/fcgi/protocol.ts";
import { snapshotOf } from "../support/admin.ts";
import { connectFcgi, type FcgiConnection } from "../support/fcgi-connection.ts";
import { residentBytes } from "../support/processes.ts";
import { startSite } from "../support/site.ts";
import { logged, type StdFpm } from "../support/std-fpm.ts";
import { waitUntil } from "../support/wait-until.ts";

const MIB = 1024 * 1024;

/** A head of 240 KB that does not end. */
function unfinishedHead(id: number): Uint8Array {
  const begin = encodeRecord(FCGI_BEGIN_REQUEST, id, Uint8Array.of(0, 1, 1, 0, 0, 0, 0, 0));
  const params = Array.from({ length: 4 }, () => encodeRecord(FCGI_PARAMS, id, new Uint8Array(60_000)));
  return Buffer.concat([begin, ...params]);
}

function refusals(connection: FcgiConnection): number {
  return connection.records.filter(({ type }) => type === FCGI_END_REQUEST).length;
}

async function nothingHeld(fpm: StdFpm): Promise<void> {
  await waitUntil("nothing is held any more", async () => (await snapshotOf(fpm)).buffered_bytes === 0);
}

describe("heads that do not end", () => {
  test("are held up to 8 MiB a connection; what comes then is refused, and the connection goes on", async () => {
    await using site = await startSite();
    using connection = await connectFcgi(site.fpm.socket);
    for (let id = 2; id <= 250; id++) await connection.send(unfinishedHead(id));
    await waitUntil("some are refused", () => refusals(connection) > 200);
    const { buffered_bytes } = await snapshotOf(site.fpm);
    expect(buffered_bytes).toBeLessThan(9 * MIB);
    expect(buffered_bytes).toBeGreaterThan(7 * MIB);
    await logged(site.fpm, "Requests on one connection hold more than 8 MiB");
    using other = await connectFcgi(site.fpm.socket);
    expect((await other.request(`${site.root}/lab.fcgi`)).protocolStatus).toBe(0);
    connection[Symbol.dispose]();
    await nothingHeld(site.fpm);
  });

  test("of many connections are held up to buffer_limit, and given back", async () => {
    await using site = await startSite({ server: 'buffer_limit = "20M"' });
    await site.text("lab.fcgi");
    const before = residentBytes(site.fpm.pid);
    const clients = await Promise.all(Array.from({ length: 20 }, () => connectFcgi(site.fpm.socket)));
    for (let id = 1; id <= 25; id++) for (const client of clients) await client.send(unfinishedHead(id));
    await logged(site.fpm, "buffer_limit reached: requests are refused");
    const snapshot = await snapshotOf(site.fpm);
    expect(snapshot.buffered_bytes).toBeLessThan(21 * MIB);
    expect(snapshot.buffer_limit_bytes).toBe(20 * MIB);
    expect(snapshot.others.failures["BUFFER_FULL"]).toBeGreaterThan(100);
    // 120 MB were sent.
    expect(residentBytes(site.fpm.pid) - before).toBeLessThan(90 * MIB);
    for (const client of clients) client[Symbol.dispose]();
    await nothingHeld(site.fpm);
    expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
  });

  test("hold no more than themselves, whatever else came with them", async () => {
    await using site = await startSite();
    using client = await connectFcgi(site.fpm.socket);
    // Records of a request that does not exist: they are dropped.
    const chaff = encodeRecord(5, 999, new Uint8Array(65_000));
    for (let id = 1; id <= 250; id++)
      await client.send(Buffer.concat([unfinishedHead(id).subarray(0, 16), chaff]));
    // All of the last one but its end.
    await client.send(chaff.subarray(0, 60_000));
    const held = async () => (await snapshotOf(site.fpm)).buffered_bytes;
    await waitUntil("the begins are held, and nothing else", async () => (await held()) === 250 * 16);
    client[Symbol.dispose]();
    await nothingHeld(site.fpm);
  });
});

describe("answers that nobody reads", () => {
  test("slow their programs down sooner when much is held, lose nothing, and new requests are refused above buffer_limit", async () => {
    await using site = await startSite({ server: 'buffer_limit = "2M"', app: "max_processes = 30" });
    const lab = `${site.root}/lab.fcgi`;
    const bytes = 3_000_000;
    const slow: FcgiConnection[] = [];
    const full = async () => {
      const { buffered_bytes, buffer_limit_bytes } = await snapshotOf(site.fpm);
      return buffered_bytes > buffer_limit_bytes;
    };
    while (slow.length < 30 && !(await full())) {
      const client = await connectFcgi(site.fpm.socket);
      client.pause();
      await client.send(
        client.encode(lab, {
          keepConn: slow.length % 2 === 0,
          params: { QUERY_STRING: `op=download&bytes=${bytes}` },
        }),
      );
      slow.push(client);
      const known = slow.length;
      const isAtWork = async () => (await snapshotOf(site.fpm)).total.in_flight >= known;
      await waitUntil("it is at work, or too much is held", async () => (await isAtWork()) || (await full()));
      // What those before it hold may be too much by the time that it is asked for.
      if (!(await isAtWork())) slow.pop()?.[Symbol.dispose]();
    }
    await waitUntil("too much is held", full);
    using refused = await connectFcgi(site.fpm.socket);
    expect((await refused.request(lab)).stdout).toStartWith("Status: 503 Service Unavailable\r\n");
    expect((await snapshotOf(site.fpm)).buffered_bytes).toBeLessThan(12 * MIB);
    for (const client of slow) client.resume();
    for (const client of slow) expect((await client.answer()).stdout.length).toBeGreaterThan(bytes);
    using served = await connectFcgi(site.fpm.socket);
    expect((await served.request(lab)).stdout).toContain("\r\n\r\n");
    for (const client of slow) client[Symbol.dispose]();
    await nothingHeld(site.fpm);
  }, 60_000);

  test("are given back when their clients leave", async () => {
    await using site = await startSite();
    const clients = await Promise.all(Array.from({ length: 5 }, () => connectFcgi(site.fpm.socket)));
    for (const client of clients) {
      client.pause();
      const params = { QUERY_STRING: "op=download&bytes=3000000" };
      await client.send(client.encode(`${site.root}/lab.fcgi`, { params }));
    }
    await waitUntil("something waits", async () => (await snapshotOf(site.fpm)).buffered_bytes > 100_000);
    for (const client of clients) client[Symbol.dispose]();
    await nothingHeld(site.fpm);
  });
});

test("bodies that are taken whole are held, and given back", async () => {
  await using site = await startSite();
  const held = async () => (await snapshotOf(site.fpm)).buffered_bytes;
  for (const [size, end] of [
    [50_000, true],
    [50_000, false],
    [300_000, false],
    [300_000, true],
  ] as const) {
    using connection = await connectFcgi(site.fpm.socket);
    const options = {
      params: { REQUEST_METHOD: "POST", QUERY_STRING: "op=count" },
      body: new Uint8Array(size),
    };
    const bytes = connection.encode(`${site.root}/lab.fcgi`, options);
    await connection.send(end ? bytes : bytes.subarray(0, -8));
    if (end) await connection.answer();
    else await waitUntil("it is held", async () => (await held()) > 0);
    connection[Symbol.dispose]();
    await nothingHeld(site.fpm);
  }
});

describe("of plain CGI", () => {
  test("what a script prints on stderr for a client that does not read is held no further than its answer", async () => {
    const flood =
      "#!/usr/bin/perl\nsyswrite STDOUT, qq(Content-Type: text/plain\\n\\nok\\n); syswrite STDERR, ('e' x 8000 . qq(\\n)) x 7 for 1 .. 4000;\n";
    await using site = await startSite({
      server: 'buffer_limit = "16M"',
      apps: '[[apps]]\nmatch = "/**/*.cgi"\nprotocol = "cgi"\nextensions = [".cgi"]\nstderr = "client"\noutput_limit = 0',
      files: { "flood.cgi": flood },
    });
    const clients = await Promise.all(Array.from({ length: 4 }, () => connectFcgi(site.fpm.socket)));
    for (const client of clients) {
      client.pause();
      await client.send(client.encode(`${site.root}/flood.cgi`));
    }
    // What nobody takes is in the log, all of it: 4 times 224 MB were printed.
    await waitUntil("they print", async () => (await snapshotOf(site.fpm)).buffered_bytes > 500_000);
    for (let i = 0; i < 10; i++) {
      expect((await snapshotOf(site.fpm)).buffered_bytes).toBeLessThan(4 * MIB);
      expect(await site.text("lab.fcgi")).toMatch(/^\d+$/);
      await Bun.sleep(100);
    }
    for (const client of clients) client[Symbol.dispose]();
    await nothingHeld(site.fpm);
  });

  test("a body that nobody has read is given up with its request, whoever has the pipe", async () => {
    await using site = await startSite({
      app: 'protocol = "cgi"\nextensions = [".cgi"]',
      files: {
        "hook.cgi":
          "#!/usr/bin/perl\nif (!fork) { open STDOUT, '>/dev/null'; open STDERR, '>/dev/null'; exec 'sleep', 8 }\nprint qq(Content-Type: text/plain\\n\\nok);\n",
      },
    });
    const ask = () => site.ask("hook.cgi", { body: Buffer.alloc(200_000) });
    expect((await ask()).text()).toBe("ok");
    const before = site.fpm.descriptors();
    for (let i = 0; i < 20; i++) expect((await ask()).text()).toBe("ok");
    // The jobs have their pipes for longer.
    await waitUntil("descriptors are closed", () => site.fpm.descriptors() <= before, 3_000);
    await nothingHeld(site.fpm);
  });
});
