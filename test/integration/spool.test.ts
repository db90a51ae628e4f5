import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { encodeStream } from "../../src/fcgi/encoder.ts";
import { FCGI_STDIN } from "../../src/fcgi/protocol.ts";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { type Site, startSite } from "../support/site.ts";
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
      ["auto", "always", "never", "limited"].map((name) => [`${name}/tell.fcgi`, TELLING]),
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

  test.each(["", "-1", "x"])(
    "is repaired also where the web server sends CONTENT_LENGTH %j",
    async (sent) => {
      using connection = await connectFcgi(site.fpm.socket);
      const params = { REQUEST_METHOD: "POST", CONTENT_LENGTH: sent };
      const script = `${site.root}/auto/tell.fcgi`;
      const { stdout } = await connection.request(script, { params, body: pattern(300) });
      expect(stdout).toContain(`[300] 300 ${sumOf(pattern(300))} `);
    },
  );

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

test("an upload that stalls is refused after body_timeout", async () => {
  await using stalling = await startSite({ files: { "tell.fcgi": TELLING }, app: 'body_timeout = "300ms"' });
  using connection = await connectFcgi(stalling.fpm.socket);
  const params = { REQUEST_METHOD: "POST" };
  await connection.send(connection.encode(`${stalling.root}/tell.fcgi`, { params, body: null }));
  await connection.send(encodeStream(FCGI_STDIN, 1, pattern(200_000), false));
  expect((await connection.answer()).stdout).toStartWith("Status: 408");
});
