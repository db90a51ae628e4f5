import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { encodeStream } from "../../src/fcgi/encoder.ts";
import { FCGI_STDIN } from "../../src/fcgi/protocol.ts";
import { connectFcgi } from "../support/fcgi-connection.ts";
import { startSite } from "../support/site.ts";
import { waitUntil } from "../support/wait-until.ts";

/** Writes its process id into a file for every request it sees, then reads the body, waits and answers. */
const COUNTING = `#!/usr/bin/perl
use FCGI;
my $request = FCGI::Request();
while ($request->Accept() >= 0) {
  open my $seen, '>>', $ENV{SEEN}; print $seen "$$\\n"; close $seen;
  my ($bytes, $chunk) = (0);
  $bytes += length $chunk while read STDIN, $chunk, 65536;
  sleep $1 if $ENV{QUERY_STRING} =~ /wait=(\\d+)/;
  print "Content-Type: text/plain\\r\\n\\r\\n$$ $bytes";
}
`;

async function countingSite() {
  const site = await startSite({ files: { "count.fcgi": COUNTING }, app: "max_processes = 2" });
  const file = `${site.folder}/seen`;
  const seen = () => (existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : []);
  const ask = (method: string, query: string, more: Record<string, string> = {}) => ({
    params: { REQUEST_METHOD: method, QUERY_STRING: query, SEEN: file, ...more },
  });
  return { site, seen, ask, script: `${site.root}/count.fcgi` };
}

const bodyOf = (stdout: string) => stdout.slice(stdout.indexOf("\r\n\r\n") + 4);

describe.each(["GET", "POST"])("a process that is killed, with a %s on its way,", (method) => {
  test("before it accepted the connection: the request goes to another one and runs once", async () => {
    const { site, seen, ask, script } = await countingSite();
    await using _ = site;
    using connection = await connectFcgi(site.fpm.socket);
    const first = bodyOf(
      (await connection.request(script, { id: 1, keepConn: true, ...ask("POST", "") })).stdout,
    );
    const pid = Number(first.split(" ")[0]);
    process.kill(pid, "SIGSTOP");
    await connection.send(connection.encode(script, { id: 2, keepConn: true, ...ask(method, "") }));
    await Bun.sleep(200);
    process.kill(pid, "SIGKILL");
    const answer = await connection.answer(2);
    expect(answer.stdout).toStartWith("Content-Type: text/plain\r\n\r\n");
    expect(seen().length).toBe(2);
    expect(seen()[1]).not.toBe(String(pid));
  });

  test("while it works: a GET is asked once more, a POST is a 502 and runs once", async () => {
    const { site, seen, ask, script } = await countingSite();
    await using _ = site;
    using connection = await connectFcgi(site.fpm.socket);
    await connection.send(connection.encode(script, ask(method, "wait=2")));
    await waitUntil("it works", () => seen().length === 1);
    process.kill(Number(seen()[0]), "SIGKILL");
    const answer = await connection.answer();
    expect(answer.stdout).toStartWith(method === "GET" ? "Content-Type: text/plain" : "Status: 502");
    expect(seen().length).toBe(method === "GET" ? 2 : 1);
  });

  test("again in its second try: it is a 502, and no third process sees it", async () => {
    const { site, seen, ask, script } = await countingSite();
    await using _ = site;
    using connection = await connectFcgi(site.fpm.socket);
    await connection.send(connection.encode(script, ask(method, "wait=3")));
    const tries = method === "GET" ? 2 : 1;
    for (let i = 1; i <= tries; i++) {
      await waitUntil(`try ${i}`, () => seen().length === i);
      process.kill(Number(seen()[i - 1]), "SIGKILL");
    }
    expect((await connection.answer()).stdout).toStartWith("Status: 502 Bad Gateway");
    expect(seen().length).toBe(tries);
  });
});

describe("a process that is killed in the middle of a large upload", () => {
  test("is a 502, runs once, and the connection goes on", async () => {
    const { site, seen, ask, script } = await countingSite();
    await using _ = site;
    using connection = await connectFcgi(site.fpm.socket);
    const length = { CONTENT_LENGTH: "1000000" };
    await connection.send(
      connection.encode(script, { id: 1, keepConn: true, body: null, ...ask("POST", "", length) }),
    );
    await connection.send(encodeStream(FCGI_STDIN, 1, new Uint8Array(400_000), false));
    await waitUntil("it reads", () => seen().length === 1);
    process.kill(Number(seen()[0]), "SIGKILL");
    expect((await connection.answer(1)).stdout).toStartWith("Status: 502 Bad Gateway");
    await connection.send(encodeStream(FCGI_STDIN, 1, new Uint8Array(600_000), true));
    const next = await connection.request(script, { id: 2, keepConn: true, ...ask("POST", "") });
    expect(bodyOf(next.stdout)).toEndWith(" 0");
    expect(seen().length).toBe(2);
  });
});
