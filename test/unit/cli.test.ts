import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import packageJson from "../../package.json" with { type: "json" };
import { runCli } from "../../src/cli/cli.ts";
import defaultText from "../../src/config/default.toml" with { type: "text" };
import { encodeEndRequest, encodeRecord, encodeStream } from "../../src/fcgi/encoder.ts";
import { FCGI_STDERR, FCGI_STDOUT } from "../../src/fcgi/protocol.ts";
import { makeTempDir, type TempDir } from "../support/temp-dir.ts";

let folder: TempDir;

beforeEach(() => {
  folder = makeTempDir();
});
afterEach(() => folder[Symbol.dispose]());

/** Runs a command line and gives what it wrote and its exit status. */
function run(...words: string[]) {
  return runAs(false, ...words);
}

async function runAs(
  isRoot: boolean,
  ...words: string[]
): Promise<{ out: string; err: string; status: number }> {
  let err = "";
  const parts: Buffer[] = [];
  const status = await runCli(words, {
    async out(content) {
      parts.push(Buffer.from(content));
    },
    err: (text) => {
      err += text;
    },
    isOutTerminal: false,
    isErrTerminal: false,
    isRoot,
  });
  return { out: Buffer.concat(parts).toString("latin1"), err, status };
}

function config(text: string): string {
  writeFileSync(folder.at("c.toml"), `server.include = ""\n${text}`);
  return folder.at("c.toml");
}

describe("the command line", () => {
  const wrong: [words: string[], message: string][] = [
    [["chekc"], 'unknown command "chekc"; did you mean check?'],
    [["entirely-else"], 'unknown command "entirely-else"'],
    [["constructor"], 'unknown command "constructor"'],
    [["check", "--confg", "x"], "check: unknown flag --confg; did you mean --config?"],
    [["check", "--confg=x"], "check: unknown flag --confg; did you mean --config?"],
    [["--verbose"], "serve: unknown flag --verbose"],
    [["check", "-c", "x"], "check: unknown flag -c"],
    [["check", "-config", "x"], "check: unknown flag -config; did you mean --config?"],
    [["check", "--config"], "check: --config needs a value"],
    [["check", "--config", "a", "--config", "b"], "check: --config is given twice"],
    [["check", "x"], 'check: "x" is one argument too many'],
    [["config", "--effective=yes"], "config: --effective takes no value"],
    [["config", "--no-effective"], "config: unknown flag --no-effective; did you mean --effective?"],
    [["config", "--config", "/x"], "config: --config needs --effective"],
    [["request"], "request: SCRIPT is missing"],
    [["request", "/x", "/y"], 'request: "/y" is one argument too many'],
    [["request", "/x", "--param", "novalue"], 'request: --param: expected K=V, found "novalue"'],
    [["request", "/x", "--param", "=v"], 'request: --param: expected K=V, found "=v"'],
    [["request", "/x", "--socket", "run/s"], "request: --socket: expected an absolute path"],
    [["request", "/x", "--body", "/nonexistent/body"], "request: --body: there is no file /nonexistent/body"],
    [["dev", "--port", "http"], 'dev: --port: expected a number from 0 to 65535, found "http"'],
    [["dev", "--port", "65536"], "dev: --port: expected a number"],
  ];
  test.each(wrong)("%p is refused with status 2", async (words, message) => {
    const { out, err, status } = await run(...words);
    expect(err).toStartWith(`std-fpm: ${message}`);
    expect(err).toEndWith("Try: std-fpm --help\n");
    expect(out).toBe("");
    expect(status).toBe(2);
  });

  test("--version names the version of std-fpm and of the runtime", async () => {
    expect(await run("--version")).toEqual({
      out: `std-fpm ${packageJson.version} (bun ${Bun.version})\n`,
      err: "",
      status: 0,
    });
  });

  test("--help lists the commands and the exit statuses, without colours where no person reads", async () => {
    for (const words of [["--help"], ["-h"], ["help"]]) {
      const { out, status } = await run(...words);
      for (const name of ["serve", "check", "config", "dev", "request", "EXIT STATUS"])
        expect(out).toContain(name);
      expect(out).not.toContain("\x1b");
      expect(status).toBe(0);
    }
  });

  test("--help behind a command is about that command", async () => {
    const { out } = await run("request", "--help");
    for (const flag of ["--query", "--method", "--body", "--param", "--socket", "--config"])
      expect(out).toContain(flag);
    expect((await run("nonsense", "--help")).status).toBe(2);
  });

  test("flags may stand before the command", async () => {
    expect((await run("--config", config(""), "check")).out).toBe("ok\n");
    expect((await run(`--config=${config("")}`, "check")).out).toBe("ok\n");
  });
});

describe("check", () => {
  test("a good file is ok", async () => {
    const file = config("");
    for (const words of [
      ["check", "--config", file],
      ["-t", "--config", file],
      ["--config", file, "-t"],
    ]) {
      expect(await run(...words)).toEqual({ out: "ok\n", err: "", status: 0 });
    }
  });

  test("root is warned that every program would be root", async () => {
    const { out, err, status } = await runAs(true, "check", "--config", config(""));
    expect([out, status]).toEqual(["ok\n", 0]);
    expect(err).toStartWith("warning: run by root,");
  });

  test("warnings go to stderr and the status stays 0", async () => {
    const { out, err, status } = await run("check", "--config", config('app.roots = ["/nonexistent"]'));
    expect([out, status]).toEqual(["ok\n", 0]);
    expect(err).toBe("warning: app.roots[0]: there is no folder /nonexistent\n");
  });

  test("every problem is a line on stderr that begins with its place, status 1", async () => {
    const file = config("app.min = 1\nlog.level = 2");
    const { out, err, status } = await run("check", "--config", file);
    expect([out, status]).toEqual(["", 1]);
    expect(err.split("\n").sort()).toEqual([
      "",
      `${file}:2: app.min: unknown key`,
      `${file}:3: log.level: expected "debug", "info", "warn", "error", found 2`,
    ]);
  });

  test("a file that was named must exist", async () => {
    expect(await run("check", "--config", folder.at("none"))).toEqual({
      out: "",
      err: `${folder.at("none")}: cannot be read: there is no such file\n`,
      status: 1,
    });
  });
});

describe("config", () => {
  test("without flags it prints the bundled default as it is", async () => {
    expect((await run("config")).out).toBe(Buffer.from(defaultText).toString("latin1"));
  });

  test("--effective prints one file that gives the same again", async () => {
    const first = await run(
      "config",
      "--effective",
      "--config",
      config('[app]\nenv.A = "1"\n[[apps]]\nmatch = "/x"'),
    );
    expect(first.out).toStartWith(`# from ${folder.at("c.toml")}\n`);
    writeFileSync(folder.at("again.toml"), first.out);
    const again = await run("config", "--effective", "--config", folder.at("again.toml"));
    expect(again.out.split("\n").slice(1)).toEqual(first.out.split("\n").slice(1));
  });

  test("a wrong file is an error of status 1", async () => {
    const { err, status } = await run("config", "--effective", "--config", config("x = 1"));
    expect(status).toBe(1);
    expect(err).toBe(`std-fpm: ${folder.at("c.toml")}:2: x: unknown table\n`);
  });
});

describe("serve", () => {
  test("a wrong configuration ends it before anything is started, also without the command's name", async () => {
    const file = config("x = 1\ny = 2");
    for (const words of [
      ["serve", "--config", file],
      ["--config", file],
    ]) {
      const { err, status } = await run(...words);
      expect(status).toBe(1);
      expect(err).toBe(`std-fpm: ${file}:2: x: unknown table\nstd-fpm: ${file}:3: y: unknown table\n`);
    }
  });
});

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
