import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { requestParams } from "../../src/cli/request-params.ts";
import { encodeEndRequest, encodeRecord, encodeStream } from "../../src/fcgi/encoder.ts";
import { FCGI_STDERR, FCGI_STDOUT } from "../../src/fcgi/protocol.ts";
import { configIn, run } from "../support/run-cli.ts";
import { makeTempDir, type TempDir } from "../support/temp-dir.ts";

let folder: TempDir;

beforeEach(() => {
  folder = makeTempDir();
});
afterEach(() => folder[Symbol.dispose]());

const config = (text: string) => configIn(folder, text);

describe("request", () => {
  let server: { stop(force: boolean): void } | undefined;
  let received = Buffer.alloc(0);

  /** A server that answers with these records when the STDIN of the request has ended. */
  function serve(...records: Uint8Array[]): string {
    received = Buffer.alloc(0);
    const stdinEnd = Buffer.from([1, 5, 0, 1, 0, 0, 0, 0]);
    server = Bun.listen({
      unix: folder.at("s"),
      socket: {
        data(socket, chunk) {
          received = Buffer.concat([received, chunk]);
          if (received.subarray(-8).equals(stdinEnd)) socket.end(Buffer.concat(records));
        },
      },
    });
    return folder.at("s");
  }
  afterEach(() => {
    server?.stop(true);
    server = undefined;
  });

  const stdout = (text: string) => encodeStream(FCGI_STDOUT, 1, Buffer.from(text, "latin1"), false);

  test("headers and body go to stdout as they are, stderr and the end to stderr", async () => {
    const records = [
      stdout("Status: 201 Made\nA: 1\nA: 2\n\n\xff\x00body"),
      encodeRecord(FCGI_STDERR, 1, Buffer.from("oh")),
      encodeEndRequest(1, 0, 0),
    ];
    expect(await run("request", "/x.fcgi", "--socket", serve(...records))).toEqual({
      out: "Status: 201 Made\r\nA: 1\r\nA: 2\r\n\r\n\xff\x00body",
      err: "oh\nFCGI_REQUEST_COMPLETE, application status 0\n",
      status: 0,
    });
  });

  test("an application status and an overload are failures", async () => {
    const first = await run("request", "/x", "--socket", serve(stdout("\n"), encodeEndRequest(1, 3, 0)));
    expect(first.status).toBe(1);
    expect(first.err).toBe("FCGI_REQUEST_COMPLETE, application status 3\n");
    server?.stop(true);
    const second = await run("request", "/x", "--socket", serve(encodeEndRequest(1, 0, 2)));
    expect(second.status).toBe(1);
    expect(second.err).toBe("(no CGI headers: there is no output)\nFCGI_OVERLOADED, application status 0\n");
  });

  test("a truncated answer is printed as far as it came, and is a failure", async () => {
    const { out, err, status } = await run("request", "/x", "--socket", serve(stdout("A: b\n\nhalf")));
    expect(out).toEndWith("\r\n\r\nhalf");
    expect(err).toBe("truncated: the connection was closed before the end of the request\n");
    expect(status).toBe(1);
  });

  test("the socket is the first one of the configuration", async () => {
    serve(stdout("\n"), encodeEndRequest(1, 0, 0));
    const file = config(`server.listen = ["${folder.at("s")}", "127.0.0.1:1"]`);
    expect((await run("request", "/x", "--config", file)).status).toBe(0);
  });

  test("nobody at the socket is an error that names it", async () => {
    const { err, status } = await run("request", "/x", "--socket", folder.at("none"));
    expect(status).toBe(1);
    expect(err).toStartWith(`std-fpm: cannot connect to ${folder.at("none")}: `);
  });

  test("query, method, body and repeated parameters are sent", async () => {
    const socket = serve(stdout("\n"), encodeEndRequest(1, 0, 0));
    writeFileSync(folder.at("body"), "the body");
    const flags = [
      "--query",
      "a=b",
      "--method=PUT",
      "--body",
      folder.at("body"),
      "--param",
      "X=--1",
      "--param=Y=ü=2",
    ];
    await run("request", "/dir/x.fcgi/info", ...flags, "--socket", socket);
    const text = received.toString("utf8");
    for (const part of [
      "SCRIPT_FILENAME/dir/x.fcgi/info",
      "QUERY_STRINGa=b",
      "REQUEST_METHODPUT",
      "CONTENT_LENGTH8",
      "X--1",
      "Yü=2",
      "the body",
    ]) {
      expect(text).toContain(part);
    }
  });

  test("a body may be a pipe or a device, whose length nobody knows, and a file that does not say its own", async () => {
    const socket = serve(stdout("\n"), encodeEndRequest(1, 0, 0));
    const sent = async (file: string) => {
      received = Buffer.alloc(0);
      const { err, status } = await run("request", "/x", "--body", file, "--socket", socket);
      expect([err, status]).toEqual(["FCGI_REQUEST_COMPLETE, application status 0\n", 0]);
      return received.toString("latin1");
    };
    Bun.spawnSync(["mkfifo", folder.at("pipe")]);
    const writer = Bun.spawn(["/bin/sh", "-c", 'echo hello >"$0"', folder.at("pipe")]);
    const piped = await sent(folder.at("pipe"));
    expect(piped).toContain("hello\n");
    expect(piped).toContain("CONTENT_LENGTH\x0c\0CONTENT_TYPE");
    await writer.exited;
    const comm = await Bun.file("/proc/self/comm").text();
    const read = await sent("/proc/self/comm");
    expect(read).toContain(`CONTENT_LENGTH${comm.length}`);
    expect(read).toContain(comm);
    await sent("/dev/null");
  });

  test.each([
    ["/nonexistent/body", "there is no file /nonexistent/body"],
    ["/etc/passwd/x", "there is no file /etc/passwd/x"],
    ["/etc", "/etc is a folder"],
  ])("a body that cannot be had is named: %p", async (file, why) => {
    const { err, status } = await run("request", "/x", "--body", file);
    expect([err, status]).toEqual([`std-fpm: request: --body: ${why}\nTry: std-fpm --help\n`, 2]);
  });

  test("a body makes it a POST, and a given parameter replaces the usual one", async () => {
    const socket = serve(stdout("\n"), encodeEndRequest(1, 0, 0));
    writeFileSync(folder.at("body"), "b");
    await run(
      "request",
      "/x",
      "--body",
      folder.at("body"),
      "--param",
      "SERVER_NAME=other",
      "--socket",
      socket,
    );
    const text = received.toString("latin1");
    expect(text).toContain("REQUEST_METHODPOST");
    expect(text).toContain("SERVER_NAMEother");
    expect(text).not.toContain("SERVER_NAMElocalhost");
  });
});

describe("the script of a request", () => {
  const pathOf = (script: string) => {
    const params = requestParams({ script, query: "", method: "GET", length: undefined, extra: [] });
    return new Map(params).get("SCRIPT_FILENAME");
  };

  test("is looked for from the caller's folder, and what may be PATH_INFO stays as it is written", () => {
    const here = process.cwd();
    expect(pathOf("x.cgi")).toBe(`${here}/x.cgi`);
    expect(pathOf("./x.cgi/")).toBe(`${here}/x.cgi/`);
    expect(pathOf(".././x.cgi//a/./b/../c/")).toBe(`${dirname(here)}/x.cgi//a/./b/../c/`);
    expect(pathOf("/srv/x.cgi/a//")).toBe("/srv/x.cgi/a//");
    expect(pathOf(`${"../".repeat(40)}x.cgi`)).toBe("/x.cgi");
  });
});
