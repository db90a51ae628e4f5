import { describe, expect, test } from "bun:test";
import { FpmError } from "../../src/base/errors.ts";
import { Router } from "../../src/route/router.ts";
import { appConfig } from "../support/app-config.ts";
import { routerDisk } from "../support/fake-disk.ts";
import { headOf, type Params, refusal, route, routerFor } from "../support/routing.ts";

describe("the router", () => {
  test("runs a file as it is asked for, in its own folder, and changes no parameter", async () => {
    const found = await route({ "/srv/a.fcgi": "x" }, { SCRIPT_FILENAME: "/srv/a.fcgi" });
    expect(found.program).toMatchObject({
      key: "/srv/a.fcgi",
      argv: ["/srv/a.fcgi"],
      cwd: "/srv",
      version: "id of /srv/a.fcgi",
    });
    expect(found.changes.size).toBe(0);
  });

  test("splits PATH_INFO off, and off SCRIPT_NAME", async () => {
    const params = { SCRIPT_FILENAME: "/srv/a.fcgi/b/c d", SCRIPT_NAME: "/app/a.fcgi/b/c d" };
    const found = await route({ "/srv/a.fcgi": "x", "/srv": "/" }, params);
    expect([...found.changes]).toEqual([
      ["SCRIPT_FILENAME", "/srv/a.fcgi"],
      ["PATH_INFO", "/b/c d"],
      ["SCRIPT_NAME", "/app/a.fcgi"],
    ]);
  });

  const info = (given: string, more: Params = {}, disk: Params = { "/srv/x.fcgi": "x" }) =>
    route(disk, { SCRIPT_FILENAME: given, ...more }).then(({ changes }) => ({
      info: changes.get("PATH_INFO"),
      name: changes.get("SCRIPT_NAME"),
      translated: changes.get("PATH_TRANSLATED"),
    }));

  test.each([
    ["repeated slashes", "/srv/x.fcgi//http://h/p", "//http://h/p"],
    ["a dot part", "/srv/x.fcgi/a/./b", "/a/./b"],
    ["a slash alone", "/srv/x.fcgi/", "/"],
    ["bytes that are not UTF-8", "/srv/x.fcgi/caf\xe9", "/caf\xe9"],
    ["a newline", "/srv/x.fcgi/a\nb", "/a\nb"],
    ["5,000 bytes", `/srv/x.fcgi/${"x".repeat(4999)}`, `/${"x".repeat(4999)}`],
    ["70 folders", `/srv/x.fcgi${"/a".repeat(70)}`, "/a".repeat(70)],
    ["what has an ending", "/srv/x.fcgi/y.fcgi", "/y.fcgi"],
    ["what Apache left encoded", "proxy:fcgi://h/srv/x.fcgi/caf%E9%0A//%2e", "/caf\xe9\n//."],
  ])("leaves PATH_INFO with %s to the program", async (_what, given, expected) => {
    const got = await info(given, { SCRIPT_NAME: `/x.fcgi${expected}` });
    expect([got.info, got.name]).toEqual([expected, "/x.fcgi"]);
  });

  test.each([
    ["/x.fcgi/http:/h/p", "//http://h/p", "/x.fcgi"],
    ["/x.fcgi//a", "/a", "/x.fcgi"],
    ["/x.fcgi/a%2Fb", "/a/b", "/x.fcgi"],
    ["/x.fcgi/a/b", "/a/./b", "/x.fcgi"],
    ["/%C3%A4.fcgi/a%20b", "/a b", "/%C3%A4.fcgi"],
    ["/alias/y", "/y", "/alias"],
    ["/y", "/y", ""],
    ["/elsewhere", "/y", undefined],
    ["", "/y", undefined],
  ])("takes off SCRIPT_NAME %j what PATH_INFO %j got", async (name, rest, left) => {
    expect((await info(`/srv/x.fcgi${rest}`, { SCRIPT_NAME: name })).name).toBe(left as string);
  });

  test("takes a slash after the script that SCRIPT_NAME does not have for none of PATH_INFO", async () => {
    const of = (more: Params) => info("/srv/x.fcgi/", more).then((told) => told.info);
    expect(await of({ SCRIPT_NAME: "/x.fcgi" })).toBeUndefined();
    expect(await of({ SCRIPT_NAME: "/x.fcgi", PATH_INFO: "/" })).toBe("/");
    expect(await of({ SCRIPT_NAME: "/x.fcgi/" })).toBe("/");
    expect(await of({})).toBe("/");
  });

  test("tells an interpreter what was sent, under the names that PHP-FPM has for it, and only where PATH_INFO was split off", async () => {
    const originals = async (command: readonly [string] | undefined, rest: string) => {
      const router = new Router(
        () => appConfig({ command, extensions: [".php"] }),
        routerDisk({ "/srv/x.php": "x" }),
      );
      const given = { SCRIPT_NAME: `/x.php${rest}`, PATH_INFO: `/x.php${rest}`, PATH_TRANSLATED: "" };
      const head = headOf({
        SCRIPT_FILENAME: `proxy:fcgi://h/srv/x.php${rest}`,
        DOCUMENT_ROOT: "/srv",
        ...given,
      });
      const { changes } = await router.route(head);
      return Object.fromEntries([...changes].filter(([name]) => name.startsWith("ORIG_")));
    };
    expect(await originals(["/usr/bin/php-cgi"], "/a%20b")).toEqual({
      ORIG_SCRIPT_FILENAME: "/srv/x.php/a%20b",
      ORIG_SCRIPT_NAME: "/x.php/a%20b",
      ORIG_PATH_INFO: "/x.php/a%20b",
    });
    expect(await originals(["/usr/bin/php-cgi"], "")).toEqual({});
    expect(await originals(undefined, "/a%20b")).toEqual({});
  });

  test("sets PATH_TRANSLATED to where PATH_INFO would be in the site", async () => {
    const translated = async (more: Params) => (await info("/srv/x.fcgi/p", more)).translated;
    expect(await translated({ DOCUMENT_ROOT: "/www/" })).toBe("/www/p");
    expect(await translated({ SCRIPT_NAME: "/x.fcgi/p" })).toBe("/srv/p");
    expect(await translated({ SCRIPT_NAME: "/other/p" })).toBeUndefined();
  });

  test("finds the script by DOCUMENT_ROOT and SCRIPT_NAME, or PATH_TRANSLATED, and tells it", async () => {
    const disk = { "/srv/cgi-bin/a.fcgi": "x", "/srv": "/" };
    const params = { DOCUMENT_ROOT: "/srv", SCRIPT_NAME: "/cgi-bin/a.fcgi/info" };
    for (const more of [{}, { PATH_TRANSLATED: "/srv/info" }, { PATH_TRANSLATED: "../x" }]) {
      const { changes } = await route(disk, { ...params, ...more } as Params);
      expect(Object.fromEntries(changes)).toEqual({
        SCRIPT_FILENAME: "/srv/cgi-bin/a.fcgi",
        SCRIPT_NAME: "/cgi-bin/a.fcgi",
        PATH_INFO: "/info",
        PATH_TRANSLATED: "/srv/info",
      });
    }
    const translated = await route(disk, { PATH_TRANSLATED: "/srv/cgi-bin/a.fcgi" });
    expect([...translated.changes]).toEqual([["SCRIPT_FILENAME", "/srv/cgi-bin/a.fcgi"]]);
    expect(await refusal(disk, { PATH_TRANSLATED: "../x" })).toContain(
      'PATH_TRANSLATED "../x" is not an absolute path',
    );
  });

  test("takes PATH_TRANSLATED beside a PATH_INFO for where that leads, and DOCUMENT_ROOT with SCRIPT_NAME for the script", async () => {
    const disk = { "/srv/a.fcgi": "x", "/srv/private/p.fcgi": "x", "/srv": "/", "/srv/private": "/" };
    const translated = { PATH_TRANSLATED: "/srv/private/p.fcgi" };
    const named = { DOCUMENT_ROOT: "/srv", SCRIPT_NAME: "/a.fcgi" };
    const script = async (more: Params) => (await route(disk, { ...translated, ...more })).script;
    expect(await script({ ...named, PATH_INFO: "/private/p.fcgi" })).toBe("/srv/a.fcgi");
    for (const more of [{}, named, { ...named, PATH_INFO: "" }, { PATH_INFO: "/private/p.fcgi" }])
      expect(await script(more as Params)).toBe("/srv/private/p.fcgi");
  });

  test("looks at nothing below what is missing", async () => {
    const looked: string[] = [];
    const disk = routerDisk({ "/srv": "/" });
    const lookup = (path: string) => {
      looked.push(path);
      return disk.lookup(path);
    };
    const router = new Router(() => appConfig({ extensions: [""] }), { ...disk, lookup });
    const head = headOf({ SCRIPT_FILENAME: "/srv/a/b/c" });
    await expect(Promise.resolve(router.route(head))).rejects.toThrow("no such file");
    expect(looked).toEqual(["/srv", "/srv/a"]);
  });

  test("decodes an Apache path only when the path as it came is missing", async () => {
    const given = { SCRIPT_FILENAME: "proxy:fcgi://h/srv/a%20b.fcgi/p%20q" };
    const decoded = await route({ "/srv/a b.fcgi": "x" }, given);
    expect(decoded.script).toBe("/srv/a b.fcgi");
    expect(decoded.changes.get("PATH_INFO")).toBe("/p q");
    const literal = await route({ "/srv/a%20b.fcgi": "x", "/srv/a b.fcgi": "x" }, given);
    expect(literal.script).toBe("/srv/a%20b.fcgi");
    expect(literal.changes.get("PATH_INFO")).toBe("/p q");
  });

  test("decodes the PATH_INFO that Apache left in the path, and cuts it off SCRIPT_NAME", async () => {
    const found = await route(
      { "/srv/x.fcgi": "x" },
      { SCRIPT_FILENAME: "proxy:fcgi://h/srv/x.fcgi/a%20b/%C3%A4", SCRIPT_NAME: "/x.fcgi/a b/\xc3\xa4" },
    );
    expect(found.script).toBe("/srv/x.fcgi");
    expect(found.changes.get("PATH_INFO")).toBe("/a b/\xc3\xa4");
    expect(found.changes.get("SCRIPT_NAME")).toBe("/x.fcgi");
  });

  test("tells the program a path in bytes", async () => {
    const found = await route({ "/srv/café.fcgi": "x" }, { SCRIPT_FILENAME: "/srv//caf\xc3\xa9.fcgi" });
    expect(found.changes.get("SCRIPT_FILENAME")).toBe("/srv/caf\xc3\xa9.fcgi");
  });

  test("prefers the longest part that is a file: a folder may carry the extension too", async () => {
    const found = await route(
      { "/srv/x.fcgi": "/", "/srv/x.fcgi/y.fcgi": "x" },
      { SCRIPT_FILENAME: "/srv/x.fcgi/y.fcgi/z" },
    );
    expect(found.program.key).toBe("/srv/x.fcgi/y.fcgi");
  });

  test("keeps the requested path as the key and the linked file as the version", async () => {
    const disk = { "/srv/current/a.fcgi": "x->/srv/releases/7/a.fcgi" };
    const { program } = await route(disk, { SCRIPT_FILENAME: "/srv/current/a.fcgi" });
    expect(program.key).toBe("/srv/current/a.fcgi");
    expect(program.version).toBe("id of /srv/releases/7/a.fcgi");
  });

  test.each([
    ["a file that is missing", {}, "/srv/a.fcgi"],
    ["a folder", { "/srv/a.fcgi": "/" }, "/srv/a.fcgi"],
    ["another extension", { "/srv/a.sh": "x" }, "/srv/a.sh"],
  ])("does not find %s", async (_what, disk, path) => {
    expect(await refusal(disk as Params, { SCRIPT_FILENAME: path })).toStartWith("SCRIPT_NOT_FOUND /srv/a.");
  });

  test("runs a link whose own name has the ending, whatever its target is called", async () => {
    const disk = {
      "/srv/current.fcgi": "x->/srv/releases/42/app",
      "/srv/app": "x->/srv/a.fcgi",
      "/srv/a.fcgi": "x",
    };
    const { program } = await route(disk, { SCRIPT_FILENAME: "/srv/current.fcgi" });
    expect(program).toMatchObject({ key: "/srv/current.fcgi", argv: ["/srv/current.fcgi"] });
    expect(await refusal(disk, { SCRIPT_FILENAME: "/srv/app" })).toStartWith("SCRIPT_NOT_FOUND /srv/app");
  });

  test("with `command` does not show what a link leads to unless it has an ending itself", async () => {
    const app = appConfig({ extensions: [".php"], command: ["/usr/bin/php-cgi"] });
    const disk = { "/srv/a.php": "r->/etc/passwd", "/srv/b.php": "r->/srv/c.php" };
    expect(await refusal(disk, { SCRIPT_FILENAME: "/srv/a.php" }, app)).toContain(
      "resolves to /etc/passwd, which has none of the allowed extensions",
    );
    expect((await route(disk, { SCRIPT_FILENAME: "/srv/b.php" }, app)).script).toBe("/srv/b.php");
    const named = new Router(
      (path) => ({ ...app, namesPath: path === "/srv/a.php" }),
      routerDisk({ "/srv/a.php": "r->/etc/passwd" }),
    );
    await expect(named.find("/srv/a.php")).rejects.toThrow("none of the allowed extensions");
  });

  test("with `command` runs a file that a table names also where a link to its folder was switched", async () => {
    const app = appConfig({ extensions: [".x"], command: ["/usr/bin/php-cgi"] });
    const disk = {
      "/srv/current/app": "r->/srv/releases/7/app",
      "/srv/current/other": "r->/srv/releases/7/app",
    };
    const router = new Router(
      (path) => ({ ...app, namesPath: path.startsWith("/srv/current/") }),
      routerDisk(disk),
    );
    expect((await router.find("/srv/current/app")).argv).toEqual(["/usr/bin/php-cgi"]);
    await expect(router.find("/srv/current/other")).rejects.toThrow("none of the allowed extensions");
  });

  test("does not find what a link leads out of the roots", async () => {
    const app = appConfig({ roots: ["/srv/www"] });
    const disk = { "/srv/www/a.fcgi": "x->/home/eve/a.fcgi", "/srv/www/b.fcgi": "x", "/srv/www": "/" };
    expect(await refusal(disk, { SCRIPT_FILENAME: "/srv/www/a.fcgi" }, app)).toContain(
      "lies under none of `roots`",
    );
    expect((await route(disk, { SCRIPT_FILENAME: "/srv/www/b.fcgi" }, app)).script).toBe("/srv/www/b.fcgi");
  });

  test("follows a root that is itself a link", async () => {
    const app = appConfig({ roots: ["/var/www"] });
    const disk = { "/var/www": "/->/mnt/www", "/var/www/a.fcgi": "x->/mnt/www/a.fcgi" };
    expect((await route(disk, { SCRIPT_FILENAME: "/var/www/a.fcgi" }, app)).script).toBe("/var/www/a.fcgi");
  });

  test("forbids a file that is not executable, and a folder that may not be searched", async () => {
    expect(await refusal({ "/srv/a.fcgi": "r" }, { SCRIPT_FILENAME: "/srv/a.fcgi" })).toBe(
      "SCRIPT_FORBIDDEN /srv/a.fcgi: the file is not executable (chmod +x).",
    );
    expect(await refusal({ "/srv/a.fcgi": "!" }, { SCRIPT_FILENAME: "/srv/a.fcgi" })).toStartWith(
      "SCRIPT_FORBIDDEN",
    );
  });

  test("says that a file system takes no programs, or that the file is another user's to execute", async () => {
    expect(await refusal({ "/srv/a.fcgi": "n" }, { SCRIPT_FILENAME: "/srv/a.fcgi" })).toBe(
      "SCRIPT_FORBIDDEN /srv/a.fcgi: its file system is mounted noexec.",
    );
    expect(await refusal({ "/srv/a.fcgi": "o" }, { SCRIPT_FILENAME: "/srv/a.fcgi" })).toBe(
      "SCRIPT_FORBIDDEN /srv/a.fcgi: std-fpm's user may not execute it (chmod a+x).",
    );
  });

  test("with a command needs the script only readable, and has one pool for all scripts", async () => {
    const app = appConfig({ extensions: [".php"], command: ["/usr/bin/php-cgi"], id: "/srv/**" });
    const disk = { "/srv/a.php": "r", "/srv/b.php": "r" };
    const a = await route(disk, { SCRIPT_FILENAME: "/srv/a.php" }, app);
    const b = await route(disk, { SCRIPT_FILENAME: "/srv/b.php" }, app);
    expect(a.program).toMatchObject({ argv: ["/usr/bin/php-cgi"], cwd: "/" });
    expect(a.program.key).toBe(b.program.key);
    expect(a.program.name).toBe("/usr/bin/php-cgi (/srv/**)");
    const named = await route(disk, { SCRIPT_FILENAME: "/srv/a.php" }, { ...app, id: "php", isNamed: true });
    expect(named.program.name).toBe("php");
  });
});

describe("the program of a pool, looked up again", () => {
  const php = { command: ["/usr/bin/php-cgi"], extensions: [".php"] };
  const again = async (before: Params, now: Params, app: object, appNow: object) => {
    const [[path]] = Object.entries(before) as [[string, string]];
    const known = await routerFor(before, appConfig(app)).find(path);
    return { known, found: await routerFor(now, appConfig(appNow)).findAgain(known) };
  };

  test("is the same while nothing has changed, also where its script is missing", async () => {
    for (const now of [{ "/srv/a.php": "r" }, {}] as Params[]) {
      const { known, found } = await again({ "/srv/a.php": "r" }, now, php, php);
      expect(found).toMatchObject({ key: known.key, generation: known.generation });
    }
    const own = await again({ "/srv/a.fcgi": "x" }, {}, {}, {});
    expect(own.found).toBe(own.known);
  });

  test("is the same where the disk does not answer; any other trouble is told", async () => {
    const disk = { "/srv/a.fcgi": "x" };
    const known = await routerFor(disk, appConfig({})).find("/srv/a.fcgi");
    const failing = (error: Error) =>
      new Router(() => appConfig({}), { ...routerDisk(disk), lookup: () => Promise.reject(error) }).findAgain(
        known,
      );
    expect(await failing(new FpmError("DISK_STANDS", "daemon", "it stands"))).toBe(known);
    expect(failing(new Error("a fault"))).rejects.toThrow("a fault");
  });

  test("is that of its very name, in which nothing is decoded", async () => {
    const disk = { "/srv/a%41.fcgi": "x", "/srv/aA.fcgi": "x" };
    expect((await routerFor(disk, appConfig({})).find("/srv/a%41.fcgi")).key).toBe("/srv/a%41.fcgi");
    expect(routerFor({ "/srv/aA.fcgi": "x" }, appConfig({})).find("/srv/a%41.fcgi")).rejects.toThrow(
      "a%41.fcgi",
    );
  });

  test("has an interpreter's new settings though the first script is missing", async () => {
    const { known, found } = await again({ "/srv/a.php": "r" }, {}, php, { ...php, env: { A: "1" } });
    expect(found?.key).toBe(known.key);
    expect(found?.generation).not.toBe(known.generation);
    expect(found?.app.env).toEqual({ A: "1" });
  });

  test("is none where its extension, its roots or its interpreter are not configured any more", async () => {
    const file = { "/srv/a.php": "r" };
    for (const now of [{ extensions: [".x"] }, { roots: ["/nowhere"] }, { command: undefined }]) {
      expect((await again(file, file, php, { ...php, ...now })).found).toBeUndefined();
    }
    expect((await again(file, {}, php, { ...php, extensions: [".x"] })).found).toBeUndefined();
  });
});
