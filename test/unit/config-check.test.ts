import { describe, expect, test } from "bun:test";
import { checkFile } from "../../src/config/check.ts";

function check(toml: string): string[] {
  return checkFile(Bun.TOML.parse(toml)).map((problem) => `${problem.path}: ${problem.reason}`);
}

describe("unknown keys", () => {
  const cases: [string, string][] = [
    ['app.idel_timeout = "1s"', 'app.idel_timeout: unknown key; did you mean "idle_timeout"?'],
    ["[ap]\nx = 1", "ap: unknown table; did you mean [app]?"],
    ["[[app_s]]\nx = 1", "app_s: unknown table; did you mean [[apps]]?"],
    ['listen = "/x"', "listen: unknown key at the top of the file; it belongs below [server]"],
    ['[[apps]]\nmatch = "/x"\nmach = 1', 'apps[0].mach: unknown key; did you mean "match"?'],
    ['log.drain_timeout = "1s"', "log.drain_timeout: unknown key here; it belongs below [server]"],
    ["log.completely_different = 1", "log.completely_different: unknown key"],
    ["constructor = 1", "constructor: unknown table"],
    ["app.toString = 1", "app.toString: unknown key"],
    ['app."a.b/c~d" = 1', "app.a.b/c~d: unknown key"],
  ];
  test.each(cases)("%s", (toml, expected) => {
    expect(check(toml)).toEqual([expected]);
  });
});

describe("values of the wrong kind", () => {
  const cases: [string, string][] = [
    ["[apps]\nmatch = 1", "apps: expected [[apps]] tables, in double brackets, found a table"],
    ["[[server]]", "server: write [server], in single brackets"],
    ["app = 3", "app: expected a table, found 3"],
    ["[[apps]]\nqueue_length = 1", "apps[0].match: is missing: expected a glob"],
    [
      "app.extensions = []",
      'app.extensions: expected a list of endings, such as [".fcgi"], found an empty list',
    ],
    [
      'app.extensions = ["a/b"]',
      'app.extensions[0]: expected an ending with its dot, the whole name of a file, or "" for any name, found "a/b"',
    ],
    ['app.extensions = [".."]', 'app.extensions: ".." is a folder, and no ending'],
    ["app.env = { A = 1 }", "app.env.A: expected a string, found 1"],
    ["app.env = { A = 2020-01-01 }", "app.env.A: expected a string, found the date 2020-01-01"],
    [
      "app.env = 2026-01-01",
      'app.env: expected a table of strings, such as { LANG = "C.UTF-8" }, found the date 2026-01-01',
    ],
    [
      "app.limits = 10:00:00",
      'app.limits: expected a table such as { nofile = 4096, as = "2G" }, found the date 10:00:00',
    ],
    ["server = 2026-01-01T00:00:00Z", "server: expected a table, found the date 2026-01-01T00:00:00Z"],
    ['app.keep_connection = "yes"', 'app.keep_connection: expected true or false, found "yes"'],
    ["app.queue_length = 1.5", "app.queue_length: expected a whole number from 0 to 1000000, found 1.5"],
    ['app.roots = ["www"]', 'app.roots[0]: expected an absolute path, found "www"'],
    ['app.cwd = "www"', 'app.cwd: expected an absolute path or "", found "www"'],
    ['server.include = "conf.d/*"', "server.include: expected an absolute path that may contain *"],
    ['server.runtime_dir = "run"', 'server.runtime_dir: expected an absolute path, found "run"'],
    [
      '[[apps]]\nmatch = "/srv/**.php"',
      'apps[0].match: "/srv/**.php": "**" stands for folders only as a whole part of a path; write "/srv/**/*.php"',
    ],
    ['app.restart_on_change = ["a", "lib/**.pm"]', 'app.restart_on_change: "lib/**.pm": "**" stands for'],
    ['server.include = "/etc/{a,b.toml"', 'server.include: "/etc/{a,b.toml": a "{" has no "}" after it'],
    ["server.listen = 9000", 'server.listen: expected an absolute path, "127.0.0.1:9000"'],
    ["server.listen = []", 'server.listen: expected an absolute path, "127.0.0.1:9000"'],
    ["server.listen_backlog = 0", "server.listen_backlog: expected a whole number from 1 to 65535, found 0"],
    ["server.listen_mode = 660", "server.listen_mode: expected octal permissions in quotes"],
    [
      'slow_log.after = "5"',
      'slow_log.after: expected a duration such as "500ms", "30s", "3m" or "1h", found "5"',
    ],
    [
      'slow_log.command = ["py-spy"]',
      'slow_log.command: expected the absolute path of an executable first, found "py-spy"',
    ],
    ['log.level = "trace"', 'log.level: expected "debug", "info", "warn", "error", found "trace"'],
    [`log.format = "${"x".repeat(500)}"`, `found "${"x".repeat(79)}…`],
  ];
  test.each(cases)("%s", (toml, expected) => {
    const problems = check(toml);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(expected);
  });
});

describe("durations", () => {
  test("0 is refused where nothing would ever work with it", () => {
    for (const key of ["queue_timeout", "start_timeout", "body_timeout"]) {
      expect(check(`app.${key} = "0"`)[0]).toContain("a duration above 0");
      expect(check(`app.${key} = "0s"`)[0]).toContain("a duration above 0");
    }
    expect(check('server.head_timeout = "0"')[0]).toContain("a duration above 0");
    expect(check('app.request_timeout = "0"\napp.stop_timeout = "0"\napp.idle_timeout = "0"')).toEqual([]);
  });

  test("576h is the longest", () => {
    expect(check('app.idle_timeout = "576h"')).toEqual([]);
    expect(check('app.idle_timeout = "577h"')).toEqual([
      "app.idle_timeout: 577h is too long; the longest duration is 576h",
    ]);
    expect(check(`app.idle_timeout = "${"9".repeat(400)}h"`)[0]).toContain("is too long");
  });
});

describe("socket paths", () => {
  const atLimit = `/${"é".repeat(53)}`;

  test("107 bytes are accepted, one more is refused with the reason; bytes count, not letters", () => {
    expect(check(`server.listen = "${atLimit}"`)).toEqual([]);
    expect(check(`server.listen = ["/a", "${atLimit}x"]`)).toEqual([
      `server.listen: the socket path ${atLimit}x has 108 bytes; the kernel takes at most 107`,
    ]);
  });

  test("runtime_dir leaves room for the longest name of a backend's socket", () => {
    const folder = `/${"r".repeat(107 - 1 - "/backends/PPPPPPP-NNNNNNN.sock".length)}`;
    expect(check(`server.runtime_dir = "${folder}"`)).toEqual([]);
    expect(check(`server.runtime_dir = "${folder}/"`)).toEqual([]);
    expect(check(`server.runtime_dir = "${folder}x"`)[0]).toContain(
      "has 108 bytes; the kernel takes at most 107",
    );
  });

  test("a folder and an address given twice are refused", () => {
    expect(check('server.listen = "/run/"')[0]).toContain("names a folder");
    expect(check('server.listen = ["/a", "/a"]')[0]).toContain("in the list twice");
  });
});

describe("commands and environment", () => {
  test("the first word of a command is an absolute path", () => {
    expect(check('app.command = ["php-cgi", "-b"]')).toEqual([
      'app.command: expected the absolute path of an executable first, found "php-cgi"',
    ]);
    expect(check('[[apps]]\nmatch = "/x"\ncommand = [""]')[0]).toStartWith(
      "apps[0].command: expected the absolute",
    );
  });

  test("names that are no variables, or that break programs, are refused", () => {
    expect(check('app.env = { "A B" = "" }')[0]).toContain("is not a name of a variable");
    for (const name of ["FCGI_WEB_SERVER_ADDRS", "NOTIFY_SOCKET", "LISTEN_FDS"]) {
      expect(check(`app.env.${name} = "1"`)[0]).toContain("is never passed on");
    }
    expect(check('app.env = { PATH = "/bin", _x9 = "" }')).toEqual([]);
  });

  test("a NUL is refused wherever the kernel would end a string at it", () => {
    expect(check('app.env.A = "a\\u0000b"')).toHaveLength(1);
    expect(check('app.roots = ["/a\\u0000b"]')).toHaveLength(1);
    expect(check('app.command = ["/a", "\\u0000"]')).toHaveLength(1);
    expect(check('server.listen = "/a\\u0000b"')).toHaveLength(1);
  });
});
