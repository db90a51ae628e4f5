import { describe, expect, test } from "bun:test";
import { configFiles } from "../support/config-files.ts";

const { folder, load, problemsOf } = configFiles();

describe("programs", () => {
  test("later tables win key by key, env merges, and the id names the tables", async () => {
    const { config } = await load(`
      [app]
      env = { A = "app", B = "app" }
      max_processes = 9
      [[apps]]
      match = "/srv/**"
      env = { B = "first", C = "first" }
      max_processes = 3
      idle_timeout = "1h"
      [[apps]]
      match = "/srv/www/*.php"
      extensions = [".php"]
      env = { C = "second" }
      max_processes = 4`);
    const php = config.appFor("/srv/www/a.php");
    expect(php.id).toBe("/srv/** + /srv/www/*.php");
    expect(php.env).toEqual({ A: "app", B: "first", C: "second" });
    expect(php.maxProcesses).toBe(4);
    expect(php.idleTimeoutMs).toBe(3_600_000);
    expect(config.appFor("/srv/www/sub/a.php").id).toBe("/srv/**");
    expect(config.appFor("/home/a.php")).toBe(config.app);
  });

  test("for one role do not hold for the other", async () => {
    const { config } = await load(`
      [[apps]]
      match = "/srv/**"
      role = "authorizer"
      nice = 1
      [[apps]]
      match = "/srv/**"
      role = "responder"
      nice = 2
      [[apps]]
      match = "/srv/both/**"
      umask = "0077"
    `);
    expect([config.appFor("/srv/a").nice, config.authorizerFor("/srv/a").nice]).toEqual([2, 1]);
    expect([config.appFor("/srv/both/a").id, config.authorizerFor("/srv/both/a").id]).toEqual([
      "/srv/both/** + /srv/**#2",
      "/srv/both/** + /srv/**",
    ]);
  });

  const LOGIN = '[[apps]]\nmatch = "/srv/**"\nrole = "authorizer"\ncommand = ["/login"]\nany_path = true\n';
  const PHP =
    '[[apps]]\nmatch = "**/*.php"\ncommand = ["/usr/bin/php-cgi"]\nchildren = 4\nextensions = [".php"]\n';
  const CGI = '[[apps]]\nmatch = "**/*.php"\nprotocol = "cgi"\n';
  test.each([
    ["before", LOGIN + PHP],
    ["after", PHP + LOGIN],
    ["before one of plain CGI", LOGIN + CGI],
    ["after one of plain CGI", CGI + LOGIN],
  ])("for one role go over those for any, wherever they stand: %s", async (_where, text) => {
    const { config } = await load(text);
    expect(config.authorizerFor("/srv/secret.php")).toMatchObject({
      command: ["/login"],
      anyPath: true,
      protocol: "fastcgi",
      children: 0,
      concurrency: 1,
    });
    expect(config.appFor("/srv/secret.php").command).not.toEqual(["/login"]);
  });

  test("another command begins without any_path and children of the one before", async () => {
    const app = '[[apps]]\nmatch = "/app/**"\ncommand = ["/server"]\nany_path = true\nchildren = 3\n';
    const { config } = await load(`${app}[[apps]]\nmatch = "**/*.php"\ncommand = ["/usr/bin/php-cgi"]\n`);
    expect(config.appFor("/app/x/y")).toMatchObject({ anyPath: true, children: 3 });
    expect(config.appFor("/app/x/y.php")).toMatchObject({ anyPath: false, children: 0, concurrency: 1 });
    const inApp = await load(
      `[app]\ncommand = ["/server"]\nany_path = true\n[[apps]]\nmatch = "/a"\ncommand = ["/b"]`,
    );
    expect([inApp.config.appFor("/a").anyPath, inApp.config.appFor("/c").anyPath]).toEqual([false, true]);
  });

  test("the same command again keeps any_path and children", async () => {
    const server = 'command = ["/server", "-x"]\n';
    const first = `[[apps]]\nmatch = "/app/**"\n${server}any_path = true\nchildren = 3\n`;
    const { config } = await load(
      `${first}[[apps]]\nmatch = "/app/a/**"\n${server}[[apps]]\nmatch = "/app/b/**"\n${server}children = 0\n[[apps]]\nmatch = "/app/c/**"\ncommand = ["/server"]\n`,
    );
    expect(config.appFor("/app/a/x")).toMatchObject({ anyPath: true, children: 3, concurrency: 3 });
    expect(config.appFor("/app/b/x")).toMatchObject({ anyPath: true, children: 0 });
    expect(config.appFor("/app/c/x")).toMatchObject({ anyPath: false, children: 0 });
  });

  test("tables are known by name or match, wherever they stand; one more before them changes nothing", async () => {
    const php = '[[apps]]\nmatch = "/srv/**/*.php"\nname = "php"\n';
    const twice = '[[apps]]\nmatch = "/a/**"\n[[apps]]\nmatch = "/a/**"\n';
    const before = (await load(`${twice}${php}`)).config;
    const after = (await load(`[[apps]]\nmatch = "/elsewhere/**"\n${twice}${php}`)).config;
    for (const { appFor } of [before, after]) {
      expect(appFor("/srv/x/index.php")).toMatchObject({ id: "php", isNamed: true });
      expect(appFor("/a/b")).toMatchObject({ id: "/a/** + /a/**#2", isNamed: false });
    }
  });

  test("a name is had once, and is none of a table's own", async () => {
    const named = (name: string) => `[[apps]]\nmatch = "/${name}/**"\nname = "${name}"\n`;
    expect(await problemsOf(`${named("php")}${named("perl")}${named("php")}`)).toEqual([
      `:9: apps[2].name: "php" is the name of another table, ${folder()}/main.toml:3`,
    ]);
    expect(await problemsOf(named("app"))).toEqual([
      ':3: apps[0].name: "app" is the name of what [app] alone sets',
    ]);
    expect((await problemsOf('[[apps]]\nmatch = "/x"\nname = "a b"'))[0]).toContain("expected a short name");
    expect((await problemsOf('[app]\nname = "php"'))[0]).toContain("it belongs below [[apps]]");
  });

  test("one address twice, however it is written, is refused", async () => {
    expect(await problemsOf('[server]\nlisten = ["/run/x/a.sock", "/run/x/./a.sock"]')).toEqual([
      ":2: server.listen: /run/x/a.sock is listened on already, by server.listen",
    ]);
    const server = '[server]\nruntime_dir = "/run/x"\nlisten = "/run/x/admin.sock"\n';
    expect(await problemsOf(server)).toEqual([
      ":3: server.listen: /run/x/admin.sock is listened on already, by admin.listen",
    ]);
    for (const name of ["std-fpm.pid", "instance", "backends"])
      expect(await problemsOf(`server.runtime_dir = "/run/x"\nadmin.listen = "${name}"`)).toEqual([
        `:2: admin.listen: /run/x/${name} is std-fpm's own, in runtime_dir; take another name`,
      ]);
    expect(
      await problemsOf('server.runtime_dir = "/run/x"\nserver.listen = "/run/x/backends/a"'),
    ).toHaveLength(1);
    const apart =
      'server.listen = "/run/x/admin.sock"\nserver.runtime_dir = "/run/x"\nadmin.listen = "other.sock"';
    expect((await load(apart)).config.admin.listen).toEqual([{ kind: "unix", path: "/run/x/other.sock" }]);
    expect(await problemsOf('[server]\nlisten = "127.0.0.1:90"\n[admin]\nlisten = "127.0.0.1:90"')).toEqual([
      ":4: admin.listen: 127.0.0.1:90 is listened on already, by server.listen",
    ]);
  });

  test("one table of programs in the brackets of another is told so, with its line", async () => {
    expect(await problemsOf("\n[[app]]\nnice = 1")).toEqual([
      ":2: app: write [app] for all programs, or [[apps]] with a `match` for some",
    ]);
    expect(await problemsOf('\n[[server]]\nlisten_mode = "0600"')).toEqual([
      ":2: server: write [server], in single brackets",
    ]);
  });

  test("a match without a leading slash is in any folder", async () => {
    const { appFor } = (await load('[[apps]]\nmatch = "**/*.php"\nqueue_length = 5')).config;
    for (const path of ["/a.php", "/srv/a.php", "/srv/www/x/a.php"]) expect(appFor(path).queueLength).toBe(5);
    expect(appFor("/srv/a.fcgi").queueLength).toBe(0);
  });

  test("the same set of tables gives the same object, however many paths were asked for", async () => {
    const { config } = await load('[[apps]]\nmatch = "/srv/**"\nqueue_length = 5');
    const first = config.appFor("/srv/a");
    for (let i = 0; i < 5000; i++) expect(config.appFor(`/srv/${i}`)).toBe(first);
    expect(config.appFor(`/srv/${"long".repeat(200)}`)).toBe(first);
    expect(config.appFor("/srv/a")).toBe(first);
  });

  test("tables that match the file behind a path hold, too, and must not name another user for it", async () => {
    const { config } = await load(
      ["a", "b"].map((who) => `[[apps]]\nmatch = "/srv/${who}/**"\nuser = "${who}"`).join("\n") +
        '\n[[apps]]\nmatch = "/link/**"\nnice = 5',
    );
    const { appFor } = config;
    expect(appFor("/proc/self/root/srv/a/x", "/srv/a/x")).toBe(appFor("/srv/a/x"));
    expect(appFor("/srv/a/x", "/usr/share/x")).toBe(appFor("/srv/a/x"));
    expect(appFor("/link/x", "/srv/a/x")).toMatchObject({ user: "a", nice: 5 });
    expect(appFor("/srv/a/x", "/srv/a/y")).toBe(appFor("/srv/a/x"));
    const why = '/srv/a/x: [[apps]] names user "a" for this path, but "b" for /srv/b/x, to which it leads.';
    for (let i = 0; i < 2; i++) expect(() => appFor("/srv/a/x", "/srv/b/x")).toThrow(why);
  });

  test("an empty command in a table goes back to starting the program itself", async () => {
    const { config } = await load('app.command = ["/bin/sh"]\n[[apps]]\nmatch = "/x"\ncommand = []');
    expect(config.app.command).toEqual(["/bin/sh"]);
    expect(config.appFor("/x").command).toBeUndefined();
  });
});
