import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import type { Log } from "../../src/base/log.ts";
import type { Config } from "../../src/config/config.ts";
import { defaultTables } from "../../src/config/tables.ts";
import { type DevOptions, type DevServer, startDev } from "../../src/dev/dev-server.ts";
import { encodeEndRequest, encodeStream } from "../../src/fcgi/encoder.ts";
import { FCGI_STDOUT } from "../../src/fcgi/protocol.ts";
import { makeTempDir, type TempDir } from "../support/temp-dir.ts";

/** Stands for the daemon: what it does with a connection once its request's STDIN has ended. */
type Answer = (socket: Bun.Socket<{ received: Buffer }>, received: Buffer, log: Log) => void;

const nothing = () => {};
const silent: Log = { isDebug: false, debug: nothing, info: nothing, warn: nothing, error: nothing };
const STDIN_END = Buffer.from([1, 5, 0, 1, 0, 0, 0, 0]);

let folder: TempDir;
let dev: DevServer | undefined;
let config: Config | undefined;
let endListening = nothing;

beforeEach(() => {
  folder = makeTempDir();
  mkdirSync(folder.at("sub"));
  writeFileSync(folder.at("x.fcgi"), "source", { mode: 0o755 });
  writeFileSync(folder.at("a.txt"), "plain");
});
afterEach(async () => {
  await dev?.stop("the test is over");
  dev = undefined;
  folder[Symbol.dispose]();
});

function daemonWith(answer: Answer): DevOptions["startDaemon"] {
  return async (options) => {
    config = options.config;
    const [address] = options.config.server.listen;
    const listener = Bun.listen<{ received: Buffer }>({
      unix: address?.kind === "unix" ? address.path : "",
      allowHalfOpen: true,
      socket: {
        open(socket) {
          socket.data = { received: Buffer.alloc(0) };
        },
        data(socket, chunk) {
          socket.data.received = Buffer.concat([socket.data.received, chunk]);
          if (socket.data.received.subarray(-8).equals(STDIN_END))
            answer(socket, socket.data.received, options.log);
        },
      },
    });
    endListening = () => listener.stop(true);
    const finished = Promise.withResolvers<void>();
    const stop = async () => {
      endListening();
      finished.resolve();
    };
    return { stop, finished: finished.promise };
  };
}

async function start(answer: Answer, options: Partial<DevOptions> = {}): Promise<string> {
  dev = await startDev({
    folder: folder.path,
    port: 0,
    log: silent,
    startDaemon: daemonWith(answer),
    ...options,
  });
  return `http://localhost:${dev.port}`;
}

function stdout(text: string): Uint8Array {
  return encodeStream(FCGI_STDOUT, 1, Buffer.from(text), false);
}

/** Answers completely with this output. */
function saying(text: string): Answer {
  return (socket) => void socket.end(Buffer.concat([stdout(text), encodeEndRequest(1, 0, 0)]));
}

/** The beginning of the answer to a head of HTTP as it is written; "" where the connection is closed without one. */
async function raw(origin: string, head: string): Promise<string> {
  const url = new URL(origin);
  const { promise, resolve } = Promise.withResolvers<string>();
  await Bun.connect({
    hostname: url.hostname,
    port: Number(url.port),
    socket: {
      open: (socket) => void socket.write(`${head}\r\n\r\n`),
      data: (socket, answer) => {
        resolve(String(answer));
        socket.end();
      },
      close: () => resolve(""),
    },
  });
  return await promise;
}

describe("the development front", () => {
  test("it runs a program through the daemon and hands its answer on", async () => {
    const url = await start(
      saying("Status: 418\nX-A: 1\nSet-Cookie: a=1\nSet-Cookie: b=2\nConnection: close\n\nbody"),
    );
    const answer = await fetch(`${url}/x.fcgi/info?q`, { method: "DELETE" });
    expect(answer.status).toBe(418);
    expect(answer.headers.get("x-a")).toBe("1");
    expect(answer.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    expect(await answer.text()).toBe("body");
  });

  test("method, path and body reach the program", async () => {
    let seen = "";
    const url = await start((socket, received, log) => {
      seen = received.toString("latin1");
      saying("\n")(socket, received, log);
    });
    await fetch(`${url}/x.fcgi/info?q=1`, { method: "PATCH", body: "b".repeat(100_000) });
    for (const part of ["REQUEST_METHODPATCH", "PATH_INFO/info", "QUERY_STRINGq=1", "CONTENT_LENGTH100000"]) {
      expect(seen).toContain(part);
    }
    expect(seen).toContain("b".repeat(65_535));
  });

  test("answers without a body have none, HEAD too", async () => {
    const url = await start(saying("Status: 204\n\n"));
    expect((await fetch(`${url}/x.fcgi`)).status).toBe(204);
    expect(await (await fetch(`${url}/x.fcgi`, { method: "HEAD" })).text()).toBe("");
  });

  test("a folder lists its programs, and gets its slash first", async () => {
    const url = await start(saying("\n"));
    expect(dev?.programUrls).toEqual([`${url}/x.fcgi`]);
    expect(await (await fetch(`${url}/`)).text()).toContain('<a href="/x.fcgi">');
    const redirect = await fetch(`${url}//sub?q`, { redirect: "manual" });
    expect([redirect.status, redirect.headers.get("location")]).toEqual([301, "/sub/?q"]);
  });

  test("other files are served as they are, to GET and HEAD only", async () => {
    const url = await start(saying("\n"));
    expect(await (await fetch(`${url}/a.txt`)).text()).toBe("plain");
    const refused = await fetch(`${url}/a.txt`, { method: "POST" });
    expect([refused.status, refused.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect((await fetch(`${url}/none`)).status).toBe(404);
    expect((await fetch(`${url}/%ff`)).status).toBe(400);
  });

  test("a page elsewhere that gives its own name to this address is refused", async () => {
    const url = await start(saying("\n"));
    expect((await fetch(`${url}/`, { headers: { Host: "evil.example" } })).status).toBe(403);
    expect((await fetch(`${url}/`, { headers: { Host: "127.0.0.1:80" } })).status).toBe(200);
  });
});

describe("failures", () => {
  test("what the daemon could not do is shown with the reason and the program's last lines", async () => {
    const url = await start((socket, received, log) => {
      log.warn("<last> words", { program: folder.at("x.fcgi"), pid: 1, stream: "stderr" });
      saying("Status: 502 Bad Gateway\nContent-Type: text/plain\n\nshort")(socket, received, log);
      log.error("it <died>", { code: "BOOT_FAILED", uri: "/x.fcgi", program: folder.at("x.fcgi") });
    });
    const answer = await fetch(`${url}/x.fcgi?q`);
    const html = await answer.text();
    expect(answer.status).toBe(502);
    expect(html).toContain("it &#60;died&#62;");
    expect(html).toContain("<pre>&#60;last&#62; words</pre>");
  });

  test("a program's own error page is not touched", async () => {
    const url = await start(saying("Status: 500\n\nmine"));
    const answer = await fetch(`${url}/x.fcgi`);
    expect([answer.status, await answer.text()]).toEqual([500, "mine"]);
  });

  test("output without headers, a strange status, and a connection that is closed are told apart", async () => {
    let answer: Answer = saying("no headers\n\n");
    const url = await start((socket, received, log) => answer(socket, received, log));
    const page = async () => {
      const response = await fetch(`${url}/x.fcgi`);
      expect(response.status).toBe(502);
      return await response.text();
    };
    expect(await page()).toContain("this is not a header line: &#34;no headers&#34;");
    answer = saying("Status: 101\n\n");
    expect(await page()).toContain("answered with status 101");
    answer = saying("Status: 999\n\n");
    expect(await page()).toContain("the program&#39;s answer is wrong");
    answer = (socket) => void socket.end();
    expect(await page()).toContain("closed before the end of the request");
  });

  test("a request whose Host makes no sense is refused, and the reason is said", async () => {
    expect(await raw(await start(saying("\n\nx")), "GET /a.txt HTTP/1.1\r\nHost: a b")).toStartWith(
      "HTTP/1.1 400 ",
    );
  });

  test("the runtime resolves paths, and closes the connection of a method that it does not know, as docs/servers.md says", async () => {
    let received = "";
    const url = await start((socket, bytes) => {
      received = bytes.toString("latin1");
      saying("\n\nx")(socket, bytes, silent);
    });
    await raw(url, "REPORT /x.fcgi/a/./b/%2e/c HTTP/1.1\r\nHost: localhost");
    expect(received).toContain("REQUEST_URI/x.fcgi/a/b/c");
    expect(received).toContain("PATH_INFO/a/b/c");
    expect(await raw(url, "FOO /x.fcgi HTTP/1.1\r\nHost: localhost")).toBe("");
  });

  test("a daemon that cannot be reached is told", async () => {
    const url = await start(saying("\n"));
    endListening();
    const answer = await fetch(`${url}/x.fcgi`);
    expect(answer.status).toBe(502);
    expect(await answer.text()).toContain("cannot connect to ");
  });

  test("an answer that breaks off aborts the transfer instead of looking complete", async () => {
    const sockets: Bun.Socket<{ received: Buffer }>[] = [];
    const url = await start((socket) => {
      socket.write(stdout(`A: b\n\n${"x".repeat(1000)}`));
      sockets.push(socket);
    });
    const answer = await fetch(`${url}/x.fcgi`);
    expect(answer.status).toBe(200);
    const body = answer.text().then(
      () => "complete",
      () => "aborted",
    );
    sockets[0]?.end();
    expect(await body).toBe("aborted");
  });
});

describe("start and end", () => {
  test("the daemon runs in a private temporary folder that is gone afterwards", async () => {
    await start(saying("\n"));
    const runtimeDir = config?.server.runtimeDir ?? "";
    expect(statSync(runtimeDir).mode & 0o777).toBe(0o700);
    expect(config?.server.listen).toEqual([{ kind: "unix", path: `${runtimeDir}/dev.sock` }]);
    expect(config?.app.roots).toEqual([folder.path]);
    await dev?.stop("enough");
    expect(existsSync(runtimeDir)).toBe(false);
  });

  test("the programs' settings of a configuration hold, its addresses do not", async () => {
    const defaults = defaultTables();
    const tables = {
      ...defaults,
      server: { ...defaults.server, listen: "/run/other.sock", listen_owner: "www-data" },
      apps: [{ match: "/**/*.php", extensions: [".php"] }],
    };
    writeFileSync(folder.at("x.php"), "source");
    const url = await start(saying("\nfrom php"), { tables });
    expect(await (await fetch(`${url}/x.php`)).text()).toBe("from php");
    expect(config?.server.listenOwner).toBe("");
    expect(config?.server.listen).toMatchObject([{ path: `${config?.server.runtimeDir}/dev.sock` }]);
  });

  test("a port that is taken is an error that says so, and nothing is left behind", async () => {
    await start(saying("\n"));
    const first = dev;
    const port = first?.port ?? 0;
    const failure = await start(saying("\n"), { port }).then(nothing, (error: unknown) => error);
    expect(failure).toMatchObject({ code: "LISTEN_IN_USE", message: expect.stringContaining("--port") });
    expect(existsSync(config?.server.runtimeDir ?? "")).toBe(false);
    dev = first;
  });

  test("a folder that does not exist, or is a file, is an error", async () => {
    for (const path of [folder.at("none"), folder.at("a.txt")]) {
      const failure = await start(saying("\n"), { folder: path }).then(nothing, (error: unknown) => error);
      expect(failure).toMatchObject({ message: `${path}: there is no such folder` });
    }
  });
});
