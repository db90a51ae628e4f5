import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { encodeStream } from "../../src/fcgi/encoder.ts";
import { FCGI_AUTHORIZER, FCGI_END_REQUEST, FCGI_STDIN } from "../../src/fcgi/protocol.ts";
import { connectFcgi, type FcgiConnection } from "../support/fcgi-connection.ts";
import { descriptorsOf } from "../support/processes.ts";
import { type Site, startSite } from "../support/site.ts";
import { logged } from "../support/std-fpm.ts";
import { waitUntil } from "../support/wait-until.ts";

/** Tells its CONTENT_LENGTH, how much it could read (by itself, to the end of STDIN), a checksum, and its process id. */
const TELLING = `#!/usr/bin/perl
use FCGI;
my $request = FCGI::Request();
while ($request->Accept() >= 0) {
  my ($bytes, $sum, $chunk) = (0, 0);
  $sum += unpack('%32C*', $chunk), $bytes += length $chunk while read STDIN, $chunk, 65536;
  open my $seen, '>>', $ENV{SEEN} if $ENV{SEEN}; print $seen "$$\\n" if $ENV{SEEN}; close $seen if $ENV{SEEN};
  sleep 60 if $ENV{QUERY_STRING} eq 'hang';
  print "Content-Type: text/plain\\r\\n\\r\\n[$ENV{CONTENT_LENGTH}] $bytes $sum $$";
}
`;

const pattern = (length: number) => new Uint8Array(length).map((_, i) => i % 251);
const sumOf = (bytes: Uint8Array) => bytes.reduce((sum, byte) => sum + byte, 0);

let site: Site;
let spoolDir: string;

beforeAll(async () => {
  site = await startSite({
    files: Object.fromEntries(
      ["auto", "always", "never", "limited", "streamed"].map((name) => [`${name}/tell.fcgi`, TELLING]),
    ),
    // The folder is made below: that it may come later shows that it is looked for when it is needed.
    server: 'spool_dir = "$FOLDER/spool"',
    apps: `[[apps]]
match = "/**/always/*"
spool = "always"
max_processes = 1
[[apps]]
match = "/**/never/*"
spool = "never"
[[apps]]
match = "/**/limited/*"
max_body = "100000"
[[apps]]
match = "/**/streamed/*"
max_body = "100000"
spool = "never"
`,
  });
  spoolDir = `${site.folder}/spool`;
  mkdirSync(spoolDir);
});

afterAll(async () => {
  expect(readdirSync(spoolDir)).toEqual([]);
  await site[Symbol.asyncDispose]();
});

/** A chunked upload: nginx does not buffer it, so nobody knows its length at first. */
function upload(path: string, bytes: Uint8Array) {
  const chunks = [bytes.subarray(0, 10), bytes.subarray(10, 70_000), bytes.subarray(70_000)];
  const nonEmpty = chunks.filter(({ length }) => length > 0);
  return site.ask(path, { way: "unbuffered", body: { chunks: nonEmpty, length: "chunked" } });
}

describe("a body of unknown length", () => {
  test.each([0, 1, 65_536, 65_537, 200_000, 5_000_000])(
    "of %i bytes is told with its length",
    async (length) => {
      const bytes = pattern(length);
      const answer = await upload("auto/tell.fcgi", bytes);
      expect(answer.text()).toStartWith(`[${length}] ${length} ${sumOf(bytes)} `);
    },
  );

  test.each(["", "-1"])("is repaired also where the web server sends CONTENT_LENGTH %j", async (sent) => {
    using connection = await connectFcgi(site.fpm.socket);
    const params = { REQUEST_METHOD: "POST", CONTENT_LENGTH: sent };
    const script = `${site.root}/auto/tell.fcgi`;
    const { stdout } = await connection.request(script, { params, body: pattern(300) });
    expect(stdout).toContain(`[300] 300 ${sumOf(pattern(300))} `);
  });

  test("streams as it is with `spool` = never", async () => {
    expect((await upload("never/tell.fcgi", pattern(200_000))).text()).toStartWith("[] 200000 ");
  });

  test("occupies no process while it comes, and goes to a second one whole when the first dies before it has read it", async () => {
    using connection = await connectFcgi(site.fpm.socket);
    const script = `${site.root}/always/tell.fcgi`;
    const first = (await connection.request(script, { id: 1, keepConn: true })).stdout;
    const pid = Number(/(\d+)$/.exec(first)?.[1]);
    const params = { REQUEST_METHOD: "POST", CONTENT_LENGTH: "400000" };
    const bytes = pattern(400_000);
    await connection.send(connection.encode(script, { id: 2, keepConn: true, params, body: null }));
    await connection.send(encodeStream(FCGI_STDIN, 2, bytes.subarray(0, 200_000), false));
    // There is one process only, and others get it meanwhile.
    using other = await connectFcgi(site.fpm.socket);
    expect((await other.request(script)).stdout).toContain(String(pid));
    process.kill(pid, "SIGSTOP");
    await connection.send(encodeStream(FCGI_STDIN, 2, bytes.subarray(200_000), true));
    await Bun.sleep(200);
    process.kill(pid, "SIGKILL");
    expect((await connection.answer(2)).stdout).toContain(`[400000] 400000 ${sumOf(bytes)} `);
  });

  test("of a client that leaves is forgotten, and no process sees it", async () => {
    const seen = `${site.folder}/seen`;
    using connection = await connectFcgi(site.fpm.socket);
    const params = { REQUEST_METHOD: "POST", SEEN: seen };
    await connection.send(connection.encode(`${site.root}/auto/tell.fcgi`, { params, body: null }));
    await connection.send(encodeStream(FCGI_STDIN, 1, pattern(300_000), false));
    connection[Symbol.dispose]();
    await waitUntil("it is noticed", () => site.fpm.log().includes("client left"));
    expect(existsSync(seen) ? readFileSync(seen, "utf8") : "").toBe("");
  });
});

describe("max_body", () => {
  test("refuses a body that announces one byte too many with 413, not one at the limit", async () => {
    expect((await site.ask("limited/tell.fcgi", { body: pattern(100_000) })).status).toBe(200);
    expect((await site.ask("limited/tell.fcgi", { body: pattern(100_001) })).status).toBe(413);
  });

  test("refuses one of unknown length as soon as it is too large", async () => {
    expect((await upload("limited/tell.fcgi", pattern(100_000))).status).toBe(200);
    expect((await upload("limited/tell.fcgi", pattern(100_001))).status).toBe(413);
  });

  test("does not refuse an authorizer, which gets no body, for that of the request it is asked about", async () => {
    for (const folder of ["limited", "streamed"]) {
      using connection = await connectFcgi(site.fpm.socket);
      const params = { REQUEST_METHOD: "POST", CONTENT_LENGTH: "100001" };
      const options = { role: FCGI_AUTHORIZER, params, body: null };
      const program = site.put(`${folder}/lab.fcgi`, { copyOf: "dist/test-programs/lab" });
      expect((await connection.request(program, options)).stdout).toMatch(/\r\n\r\n\d+$/);
    }
  });
});

describe("max_body counts what comes, not what is announced:", () => {
  /** Sends a body in records of 50,000 bytes and gives the answer. */
  async function send(folder: string, announced: string, bytes: number, keepConn: boolean) {
    using connection = await connectFcgi(site.fpm.socket);
    const params = { REQUEST_METHOD: "POST", CONTENT_LENGTH: announced };
    const script = `${site.root}/${folder}/tell.fcgi`;
    await connection.send(connection.encode(script, { params, keepConn, body: null }));
    for (let left = bytes; left > 0; left -= 50_000)
      await connection.send(encodeStream(FCGI_STDIN, 1, new Uint8Array(Math.min(left, 50_000)), false));
    await connection.send(encodeStream(FCGI_STDIN, 1, new Uint8Array(0), true));
    const { stdout } = await connection.answer();
    // A kept connection goes on.
    if (keepConn) expect((await connection.request(script, { id: 2, keepConn })).protocolStatus).toBe(0);
    else await connection.closed();
    return stdout;
  }

  const cases = ["limited", "streamed"].flatMap((folder) =>
    ["", "-1", "10", "90000", "100000"].flatMap((announced) =>
      [true, false].map((keepConn) => [folder, announced, keepConn] as const),
    ),
  );

  test.each(cases)("413 (%s, CONTENT_LENGTH %j, kept: %j)", async (folder, announced, keepConn) => {
    expect(await send(folder, announced, 100_000, keepConn)).toContain(" 100000 ");
    expect(await send(folder, announced, 100_001, keepConn)).toStartWith("Status: 413 Content Too Large\r\n");
    expect(await send(folder, announced, 3_000_000, keepConn)).toStartWith("Status: 413");
  });

  test("an answer that has begun breaks off", async () => {
    await using lab = await startSite({ app: 'max_body = "1000000"\nspool = "never"' });
    for (const keepConn of [true, false]) {
      using connection = await connectFcgi(lab.fpm.socket);
      const params = { REQUEST_METHOD: "POST", QUERY_STRING: "op=stream", CONTENT_LENGTH: "900000" };
      await connection.send(connection.encode(`${lab.root}/lab.fcgi`, { params, keepConn, body: null }));
      await connection.send(encodeStream(FCGI_STDIN, 1, new Uint8Array(900_000), false));
      await waitUntil("the answer has begun", () => connection.records.length > 0);
      await connection.send(encodeStream(FCGI_STDIN, 1, new Uint8Array(200_000), false));
      await connection.closed();
      expect([
        connection.records.filter(({ type }) => type === FCGI_END_REQUEST).length,
        connection.partOfRecord.length,
      ]).toEqual([0, 1]);
    }
  });

  test("one that waits for a process is refused as well", async () => {
    await using busy = await startSite({ app: 'max_processes = 1\nmax_body = "200000"' });
    const script = `${busy.root}/lab.fcgi`;
    using first = await connectFcgi(busy.fpm.socket);
    await first.send(first.encode(script, { params: { QUERY_STRING: "op=sleep&ms=1500" } }));
    await waitUntil("it is at work", () => busy.fpm.backends().length === 1);
    using second = await connectFcgi(busy.fpm.socket);
    const params = { REQUEST_METHOD: "POST", CONTENT_LENGTH: "100000" };
    await second.send(second.encode(script, { params, body: null }));
    await second.send(encodeStream(FCGI_STDIN, 1, new Uint8Array(100_000), false));
    await second.send(encodeStream(FCGI_STDIN, 1, new Uint8Array(100_001), true));
    expect((await second.answer()).stdout).toStartWith("Status: 413");
    expect((await first.answer()).protocolStatus).toBe(0);
  });
});

test("a client that leaves while its program is looked for leaves nothing behind: no request in flight, no file", async () => {
  await using site = await startSite({ files: { "tell.fcgi": TELLING } });
  await site.text("tell.fcgi");
  const script = `${site.root}/tell.fcgi`;
  const spooled = () =>
    [...descriptorsOf(site.fpm.pid).values()].filter((path) => path.includes("(deleted)"));
  const before = spooled().length;
  for (let i = 0; i < 20; i++) {
    // Another name each time: the disk is asked.
    copyFileSync(script, `${site.root}/tell-${i}.fcgi`);
    using connection = await connectFcgi(site.fpm.socket);
    const head = connection.encode(`${site.root}/tell-${i}.fcgi`, {
      params: { REQUEST_METHOD: "POST" },
      body: null,
    });
    await connection.send(Buffer.concat([head, encodeStream(FCGI_STDIN, 1, pattern(90_000), false)]));
  }
  const noticed = () => site.fpm.log().split("client left").length - 1;
  await waitUntil("all of them are forgotten", () => noticed() === 20, 5_000);
  expect(spooled().length).toBe(before);
});

test("a spool_dir that is not there is a 500 that says so; small bodies need none", async () => {
  await using broken = await startSite({
    files: { "tell.fcgi": TELLING },
    server: 'spool_dir = "/var/tmp/no-such-folder"',
  });
  const chunked = (length: number) =>
    broken.ask("tell.fcgi", { way: "unbuffered", body: { chunks: [pattern(length)], length: "chunked" } });
  expect((await chunked(200_000)).status).toBe(500);
  await waitUntil("the log says why", () =>
    broken.fpm.log().includes("cannot be kept in /var/tmp/no-such-folder"),
  );
  expect((await chunked(60_000)).text()).toStartWith("[60000] ");
});

describe("spool_limit", () => {
  const params = { REQUEST_METHOD: "POST" };

  /** An upload that goes no further, and does not end. */
  async function hold(script: string, socket: string, bytes: number): Promise<FcgiConnection> {
    const connection = await connectFcgi(socket);
    await connection.send(connection.encode(script, { params, body: null }));
    await connection.send(encodeStream(FCGI_STDIN, 1, pattern(bytes), false));
    return connection;
  }

  test.each([true, false])("lets no body have more than half of it (kept: %j)", async (keepConn) => {
    await using limited = await startSite({ files: { "tell.fcgi": TELLING }, server: 'spool_limit = "1M"' });
    const script = `${limited.root}/tell.fcgi`;
    using connection = await connectFcgi(limited.fpm.socket);
    const answer = await connection.request(script, { params, keepConn, body: pattern(2_000_000) });
    expect(answer.stdout).toStartWith("Status: 413 Content Too Large\r\n");
    using other = keepConn ? connection : await connectFcgi(limited.fpm.socket);
    const fitting = await other.request(script, { id: 2, params, keepConn, body: pattern(500_000) });
    expect(fitting.stdout).toContain("[500000] 500000 ");
  });

  test("is not used up by those who hold a body and do not go on: what does not fit is refused, the rest is served", async () => {
    await using limited = await startSite({ files: { "tell.fcgi": TELLING }, server: 'spool_limit = "1M"' });
    const { socket } = limited.fpm;
    const script = `${limited.root}/tell.fcgi`;
    const deleted = () =>
      [...descriptorsOf(limited.fpm.pid).values()].filter((path) => path.includes("(deleted)"));
    const before = deleted().length;
    const holders = [];
    for (let i = 1; i <= 4; i++) {
      holders.push(await hold(script, socket, 200_000));
      await waitUntil("it is spooled", () => deleted().length === before + i);
    }
    const upload = async (bytes: number) => {
      using connection = await connectFcgi(socket);
      return (await connection.request(script, { params, body: pattern(bytes) })).stdout;
    };
    expect(await upload(200_000)).toStartWith("Status: 503 Service Unavailable\r\n");
    await logged(limited.fpm, "code=SPOOL_FULL");
    expect(await upload(100_000)).toContain("[100000] 100000 ");
    for (const holder of holders) holder[Symbol.dispose]();
    await waitUntil("their room is free again", () => deleted().length === before);
    expect(await upload(500_000)).toContain("[500000] 500000 ");
  });
});

test("an upload that stalls is refused after body_timeout", async () => {
  await using stalling = await startSite({ files: { "tell.fcgi": TELLING }, app: 'body_timeout = "300ms"' });
  using connection = await connectFcgi(stalling.fpm.socket);
  const params = { REQUEST_METHOD: "POST" };
  await connection.send(connection.encode(`${stalling.root}/tell.fcgi`, { params, body: null }));
  await connection.send(encodeStream(FCGI_STDIN, 1, pattern(200_000), false));
  expect((await connection.answer()).stdout).toStartWith("Status: 408");
});
