import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import packageJson from "../../package.json" with { type: "json" };
import defaultText from "../../src/config/default.toml" with { type: "text" };
import { configIn, run, runAs } from "../support/run-cli.ts";
import { makeTempDir, type TempDir } from "../support/temp-dir.ts";

let folder: TempDir;

beforeEach(() => {
  folder = makeTempDir();
});
afterEach(() => folder[Symbol.dispose]());

const config = (text: string) => configIn(folder, text);

describe("the command line", () => {
  const wrong: [words: string[], message: string][] = [
    [["chekc"], 'unknown command "chekc"; did you mean check?'],
    [["entirely-else"], 'unknown command "entirely-else"'],
    [["constructor"], 'unknown command "constructor"'],
    [["check", "--confg", "x"], "check: unknown flag --confg; did you mean --config?"],
    [["check", "--confg=x"], "check: unknown flag --confg; did you mean --config?"],
    [["--verbose"], "serve: unknown flag --verbose"],
    [["check", "-x", "x"], "check: unknown flag -x"],
    [["check", "--config", ""], "check: --config needs a value"],
    [["status", "--socket="], "status: --socket needs a value"],
    [["help", "chekc"], 'unknown command "chekc"; did you mean check?'],
    [["check", "-config", "x"], "check: unknown flag -config; did you mean --config?"],
    [["check", "--config"], "check: --config needs a value"],
    [["check", "--config", "a", "--config", "b"], "check: --config is given twice"],
    [["check", "x"], 'check: "x" is one argument too many'],
    [["config", "--effective=yes"], "config: --effective takes no value"],
    [["check", "--help=1"], "check: --help takes no value"],
    [["config", "--no-effective"], "config: unknown flag --no-effective; did you mean --effective?"],
    [["config", "--config", "/x"], "config: --config needs --effective"],
    [["request"], "request: SCRIPT is missing"],
    [["request", "/x", "/y"], 'request: "/y" is one argument too many'],
    [["request", "/x", "--param", "novalue"], 'request: --param: expected K=V, found "novalue"'],
    [["request", "/x", "--param", "=v"], 'request: --param: expected K=V, found "=v"'],
    [["request", "/x", "--socket", "localhost:9000"], "request: --socket: expected a path"],
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

  test("--version, -v and the command name the version of std-fpm and of the runtime", async () => {
    for (const word of ["--version", "-V", "-v", "version"])
      expect(await run(word)).toEqual({
        out: `std-fpm ${packageJson.version} (bun ${Bun.version})\n`,
        err: "",
        status: 0,
      });
  });

  test("-c is --config, before the command and behind it", async () => {
    expect((await run("check", "-c", config(""))).out).toBe("ok\n");
    expect((await run("-c", config(""), "check")).out).toBe("ok\n");
    expect((await run("check", "-c")).err).toStartWith("std-fpm: check: --config needs a value");
  });

  test("a socket's path is seen from the caller's folder", async () => {
    const { err, status } = await run("status", "--socket", "none/admin.sock");
    expect(status).toBe(1);
    expect(err).toStartWith(
      `std-fpm: nobody answers at ${process.cwd()}/none/admin.sock: there is no such socket`,
    );
  });

  const long = `/tmp/${"x".repeat(200)}`;
  test.each([
    [long, "the path of a socket has at most 107 bytes, and this one has 205"],
    ["/nonexistent/s", "there is no such socket"],
    ["/etc/passwd/s", "there is no such socket"],
    ["/etc/passwd", "what is there is no socket"],
    ["127.0.0.1:1", "nobody listens there"],
  ])("why nobody is reached is told in words: %p", async (socket, why) => {
    const asked = await run("status", "--socket", socket);
    expect([asked.err, asked.status]).toEqual([
      `std-fpm: nobody answers at ${socket}: ${why}; std-fpm does not run, or with another address\n`,
      1,
    ]);
    const sent = await run("request", "/x", "--socket", socket);
    expect([sent.err, sent.status]).toEqual([`std-fpm: cannot connect to ${socket}: ${why}\n`, 1]);
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
    for (const words of [
      ["request", "--help"],
      ["help", "request"],
    ]) {
      const { out } = await run(...words);
      for (const flag of ["--query", "--method", "--body", "--param", "--socket", "--config", "--fail"])
        expect(out).toContain(flag);
    }
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

  test("the files that were read are named where there are several", async () => {
    writeFileSync(folder.at("10.toml"), "[log]\n");
    const main = folder.at("main.toml");
    writeFileSync(main, `[server]\ninclude = "${folder.path}/1*.toml"\n`);
    expect(await run("check", "--config", main)).toEqual({
      out: "ok\n",
      err: `read: ${main}, ${folder.at("10.toml")}\n`,
      status: 0,
    });
  });

  test("root is refused a configuration that names no user for any program", async () => {
    const { out, err, status } = await runAs(true, "check", "--config", config(""));
    expect([out, status]).toEqual(["", 1]);
    expect(err).toStartWith("app.user: run by root, std-fpm starts no program: set `user`");
    expect(err).toContain('user = "root"');
  });

  test("what else is wrong is told, too", async () => {
    const file = config('[[apps]]\nmatch = "/srv/**/*.php"\ncommand = ["/bin/sh"]');
    const { err, status } = await runAs(true, "check", "--config", file);
    expect(status).toBe(1);
    expect(err).toContain("\nwarning: apps[0].match: every request is answered with 404");
  });

  test("root is warned where only some programs have a user", async () => {
    const file = config('[[apps]]\nmatch = "/srv/a/**"\nuser = "www-data"');
    const { out, err, status } = await runAs(true, "check", "--config", file);
    expect([out, status]).toEqual(["ok\n", 0]);
    expect(err).toStartWith("warning: app.user: run by root, std-fpm starts no program that only");
  });

  test("root may have programs run as root, in words", async () => {
    const file = config('app.user = "root"');
    expect(await runAs(true, "check", "--config", file)).toEqual({ out: "ok\n", err: "", status: 0 });
  });

  test("root is not warned where programs run as somebody else, which only root can have", async () => {
    const file = config('app.user = "www-data"\n[[apps]]\nmatch = "/srv/a/**"\ngroup = "mail"');
    expect((await runAs(true, "check", "--config", file)).err).toBe("");
  });

  test("what a start would find out is told", async () => {
    const file = config('app.env_file = "/none/secrets"\napp.cgroup = "/none"');
    const { err, status } = await run("check", "--config", file);
    expect(status).toBe(0);
    expect(err).toContain("warning: app.env_file: /none/secrets cannot be read");
    expect(err).toContain("warning: app.cgroup: there is no control group /none: programs will not start");
  });

  test("another file in the place of a socket is an error", async () => {
    const [taken, socket] = [folder.at("taken"), folder.at("x.sock")];
    writeFileSync(taken, "");
    const check = async (listen: string, admin: string) => {
      const file = config(`server.listen = "${listen}"\nadmin.listen = "${admin}"`);
      return await run("check", "--config", file);
    };
    const there = `Cannot listen on ${taken}: a file that is not a socket is there.\n`;
    expect(await check(taken, socket)).toEqual({ out: "", err: `server.listen: ${there}`, status: 1 });
    expect(await check(socket, taken)).toEqual({ out: "", err: `admin.listen: ${there}`, status: 1 });
  });

  test("what a file says does not steer the terminal", async () => {
    const { err } = await run("check", "--config", config('[[apps]]\nmatch = "/srv/\\u001b]0;x/*.php"'));
    expect(err).not.toContain("\x1b");
    const wrong = await run("check", "--config", config('app."\\u001b[2J" = 1'));
    expect(wrong.err).toContain("\\x1b[2J");
  });

  const only = "only a std-fpm that root runs can run programs";
  const table = (settings: string) => `[[apps]]\nmatch = "/srv/a/**"\n${settings}`;
  const others: [text: string, warnings: string[]][] = [
    ['app.user = "www-data"', [`app.user: ${only} as "www-data"`]],
    ['app.group = "mail"', [`app.group: ${only} with the group "mail"`]],
    ['app.user = "owner"', [`app.user: ${only} as owners other than its own user`]],
    [table('user = "www-data"'), [`apps[0].user: ${only} as "www-data"`]],
    [
      `${table('user = "OWN"')}\n${table('group = "mail"')}`,
      [`apps[1].group: ${only} with the group "mail"`],
    ],
    [table('user = "OWN"\ngroup = "mail"'), [`apps[0].group: ${only} with the group "mail"`]],
    // What a table has from [app] is told once.
    [`app.user = "www-data"\n${table("nice = 1")}`, [`app.user: ${only} as "www-data"`]],
    [`app.user = "www-data"\n${table('user = "OWN"')}`, [`app.user: ${only} as "www-data"`]],
    ['app.user = "OWN"', []],
    [`app.user = "OWN"\n${table('group = "GROUP"')}`, []],
    [
      table('user = "no-such-user"'),
      ['apps[0].user: there is no user "no-such-user": programs will not start'],
    ],
  ];
  test.each(others)("who is not root is warned of another user than its own: %p", async (text, warnings) => {
    const [own, group] = [String(process.geteuid?.()), String(process.getegid?.())];
    const file = config(text.replaceAll("OWN", own).replaceAll("GROUP", group));
    const { out, err, status } = await run("check", "--config", file);
    expect([out, status]).toEqual(["ok\n", 0]);
    expect(err).toBe(warnings.map((each) => `warning: ${each}\n`).join(""));
  });

  test("what cannot be watched is an error, what may come later or depends on the program is none", async () => {
    const text = `[app]
cwd = "/usr"
restart_on_change = ["/etc/passwd", "/etc/later.txt", "/dev/null", "lib/*.so", "no-such-folder/x"]
[[apps]]
match = "/srv/**"
cwd = ""
restart_on_change = ["relative/x", "/none/**/*.pm"]`;
    const { out, err, status } = await run("check", "--config", config(text));
    expect([out, status]).toEqual(["", 1]);
    expect(err.split("\n")).toEqual([
      "app.restart_on_change[2]: a change of /dev/null could not be noticed: it is neither a file nor a folder",
      "app.restart_on_change[4]: there is no folder /usr/no-such-folder",
      "apps[0].restart_on_change[1]: there is no folder /none",
      "",
    ]);
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
