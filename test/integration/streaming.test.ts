import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync } from "node:fs";
import { encodeStream } from "../../src/fcgi/encoder.ts";
import { latin1 } from "../../src/fcgi/params.ts";
import { FCGI_STDIN, FCGI_STDOUT } from "../../src/fcgi/protocol.ts";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { startLighttpd } from "../support/lighttpd.ts";
import { freePort, type WebServer } from "../support/server-process.ts";
import { type Site, startSite } from "../support/site.ts";
import { waitUntil } from "../support/wait-until.ts";

/** Answers before it reads, and then to every five bytes; or when it has read all, if it is told to. */
const TWO_WAY = `#!/usr/bin/perl
use FCGI; use IO::Handle;
open my $log, ">&", 2; $log->autoflush(1);
my $request = FCGI::Request();
while ($request->Accept() >= 0) {
  my $is_late = $ENV{QUERY_STRING} eq "late";
  print "Content-Type: text/plain\\r\\n\\r\\nready"; $request->Flush() unless $is_late;
  my $part;
  while (read(STDIN, $part, 5)) { print " $part"; $request->Flush() unless $is_late; print $log "got $part\\n"; }
}
`;
const TWO_WAY_CGI = `#!/bin/sh
printf 'Content-Type: text/plain\\n\\nready'
while part=$(head -c 5) && [ -n "$part" ]; do printf ' %s' "$part"; echo "got $part" >&2; done
`;

/** A part of the body of request 1, or the last one. */
function stdin(text: string, isLast: boolean): Uint8Array {
  return encodeStream(FCGI_STDIN, 1, Buffer.from(text), isLast);
}

let site: Site;
let lighttpd: WebServer;

beforeAll(async () => {
  site = await startSite({
    lab: [],
    server: 'listen_mode = "0666"',
    files: { "never/a.fcgi": TWO_WAY, "never/a.cgi": TWO_WAY_CGI, "auto/a.fcgi": TWO_WAY },
    apps: `[[apps]]
match = "/**/never/*"
spool = "never"
[[apps]]
match = "/**/*.cgi"
extensions = [".cgi"]
protocol = "cgi"
`,
  });
  chmodSync(site.folder, 0o755);
  const folder = `${site.folder}/lighttpd`;
  mkdirSync(folder);
  lighttpd = await startLighttpd({
    folder,
    root: site.root,
    port: freePort(),
    site: `server.modules += ( "mod_fastcgi" )
server.stream-response-body = 2
server.stream-request-body = 2
fastcgi.server = ( ".fcgi" => (( "socket" => "${site.fpm.socket}" )) )
`,
  });
});

afterAll(async () => {
  await lighttpd.stop();
  await site[Symbol.asyncDispose]();
});

/** A POST of ten bytes of which none is sent yet. */
async function beginPost(port: number, path: string) {
  let received = "";
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data(_socket, chunk) {
        received += chunk.toString("latin1");
      },
    },
  });
  socket.write(`POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nConnection: close\r\n\r\n`);
  return {
    send: (text: string) => void socket.write(text),
    comes: (text: string) => waitUntil(`${JSON.stringify(text)} comes`, () => received.includes(text)),
    [Symbol.dispose]: () => socket.terminate(),
  };
}

describe('with `spool` = "never" a program is lent at the end of the head', () => {
  test.each(["never/a.fcgi", "never/a.cgi"])("and can answer each part as it comes: %s", async (name) => {
    using client = await connectFcgi(site.fpm.socket);
    const answered = () =>
      client.records
        .filter(({ type }) => type === FCGI_STDOUT)
        .map(({ content }) => latin1(content))
        .join("");
    const path = `${site.root}/${name}`;
    await client.send(
      client.encode(path, { params: { REQUEST_METHOD: "POST", CONTENT_LENGTH: "10" }, body: null }),
    );
    await waitUntil("it answers before the body", () => answered().endsWith("ready"));
    await client.send(stdin("01234", false));
    await waitUntil("it answers to half of it", () => answered().endsWith("ready 01234"));
    await client.send(stdin("56789", true));
    expect((await client.answer()).stdout).toEndWith("ready 01234 56789");
  });

  test("also a small one whose head and body come together, and one without a body", async () => {
    using client = await connectFcgi(site.fpm.socket);
    const path = `${site.root}/never/a.fcgi`;
    const params = { REQUEST_METHOD: "POST", CONTENT_LENGTH: "10" };
    const whole = await client.request(path, { params, body: Buffer.from("0123456789"), keepConn: true });
    expect(whole.stdout).toEndWith("ready 01234 56789");
    expect((await client.request(path, { id: 2 })).stdout).toEndWith("ready");
  });

  // These two send no more of a body when the answer has begun.
  test.each(["nginx", "lighttpd"])("so that %s can pass a slow upload on as it comes", async (server) => {
    const isNginx = server === "nginx";
    const port = isNginx ? site.nginx.port : lighttpd.port;
    using post = await beginPost(port, `${isNginx ? "/unbuffered" : ""}/never/a.fcgi?late`);
    const seen = site.fpm.log().length;
    post.send("01234");
    await waitUntil("the program has the half of it", () => site.fpm.log().slice(seen).includes("got 01234"));
    post.send("56789");
    await post.comes("ready 01234 56789");
  });
});

test("otherwise a small body is complete first", async () => {
  using client = await connectFcgi(site.fpm.socket);
  const path = `${site.root}/auto/a.fcgi`;
  await client.send(
    client.encode(path, { params: { REQUEST_METHOD: "POST", CONTENT_LENGTH: "10" }, body: null }),
  );
  // Whoever comes later is served, and the process was lent to nobody before.
  using other = await connectFcgi(site.fpm.socket);
  expect((await other.request(path)).stdout).toEndWith("ready");
  expect(site.fpm.log().match(/started program=\S*auto/g)?.length).toBe(1);
  await client.send(stdin("0123456789", true));
  expect((await client.answer()).stdout).toEndWith("ready 01234 56789");
});
