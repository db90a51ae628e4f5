import { describe, expect, test } from "bun:test";
import { encodeHead } from "../../src/fcgi/encoder.ts";
import { RequestHead } from "../../src/fcgi/head.ts";
import { encodeParams } from "../../src/fcgi/params.ts";
import { type Route, Router } from "../../src/route/router.ts";
import { hasExtension, isUnder, programCandidates, scriptPath } from "../../src/route/script-path.ts";
import { appConfig } from "../support/app-config.ts";
import { routerDisk } from "../support/fake-disk.ts";

type Params = Record<string, string>;

function headOf(params: Params): RequestHead {
  return new RequestHead(encodeHead(1, 1, false, encodeParams(Object.entries(params))));
}

function routerFor(disk: Params, app = appConfig({})): Router {
  return new Router(() => app, routerDisk(disk));
}

async function route(disk: Params, params: Params, app = appConfig({})): Promise<Route> {
  return await routerFor(disk, app).route(headOf(params));
}

async function refusal(disk: Params, params: Params, app = appConfig({})): Promise<string> {
  const error = await route(disk, params, app).then(
    () => undefined,
    (thrown) => thrown,
  );
  return `${error?.code} ${error?.message}`;
}

describe("the script's path", () => {
  test.each([
    ["/srv/www/x.fcgi", "/srv/www/x.fcgi", undefined],
    ["/srv//www///x.fcgi", "/srv/www/x.fcgi", undefined],
    ["/srv/./www/././x.fcgi", "/srv/www/x.fcgi", undefined],
    ["/srv/www/100%25?.fcgi", "/srv/www/100%25?.fcgi", undefined],
    ["proxy:fcgi://localhost/srv/x.fcgi", "/srv/x.fcgi", undefined],
    ["proxy:fcgi://localhost//srv/x.fcgi", "/srv/x.fcgi", undefined],
    ["proxy:fcgi://[::1]:9000/srv/x.fcgi", "/srv/x.fcgi", undefined],
    ["proxy:unix:/run/s.sock|fcgi://localhost/srv/x.fcgi", "/srv/x.fcgi", undefined],
    ["proxy:balancer://cluster/srv/x.fcgi", "/srv/x.fcgi", undefined],
    ["proxy:fcgi://h/srv/x.fcgi?a=/b.fcgi", "/srv/x.fcgi", undefined],
    ["proxy:fcgi://h/srv/x.fcgi/a%20b", "/srv/x.fcgi/a%20b", "/srv/x.fcgi/a b"],
    ["/srv/caf\xc3\xa9.fcgi", "/srv/café.fcgi", undefined],
  ])("of %j is %j", (given, path, decoded) => {
    expect(scriptPath(headOf({ SCRIPT_FILENAME: given }))).toEqual({ path, decoded });
  });

  test("is PATH_TRANSLATED where SCRIPT_FILENAME is absent or empty", () => {
    expect(scriptPath(headOf({ PATH_TRANSLATED: "/a.fcgi" })).path).toBe("/a.fcgi");
    expect(scriptPath(headOf({ SCRIPT_FILENAME: "", PATH_TRANSLATED: "/a.fcgi" })).path).toBe("/a.fcgi");
  });

  test.each([
    ["a relative path", "srv/x.fcgi", "is not an absolute path"],
    ["a NUL", "/srv/x.fcgi\0.txt", "holds a NUL, CR or LF"],
    ["a newline", "/srv/x\n.fcgi", "holds a NUL, CR or LF"],
    ["a carriage return", "/srv/x\r.fcgi", "holds a NUL, CR or LF"],
    ["a parent folder", "/srv/../etc/x.fcgi", "holds a `..` part"],
    ["a parent folder at the end", "/srv/..", "holds a `..` part"],
    ["a parent folder that Apache left encoded", "proxy:fcgi://h/srv/%2e%2e/x.fcgi", "holds a `..` part"],
    ["a newline that Apache left encoded", "proxy:fcgi://h/srv/%0a.fcgi", "holds a NUL, CR or LF"],
    ["a NUL that Apache left encoded", "proxy:fcgi://h/srv/x%00.fcgi", "holds a NUL, CR or LF"],
    ["bytes that are not UTF-8", "/srv/\xff.fcgi", "is not UTF-8"],
    ["4,096 bytes", `/${"a".repeat(4090)}.fcgi`, "has 4096 bytes"],
  ])("with %s is refused", (_what, given, why) => {
    expect(() => scriptPath(headOf({ SCRIPT_FILENAME: given }))).toThrow(why);
  });

  test("of 4,095 bytes is taken", () => {
    expect(scriptPath(headOf({ SCRIPT_FILENAME: `/${"a".repeat(4089)}.fcgi` })).path.length).toBe(4095);
  });

  test("missing altogether says what to set", () => {
    expect(() => scriptPath(headOf({}))).toThrow("The web server sent no SCRIPT_FILENAME");
  });

  test("names of files with two dots are no parent folders", () => {
    expect(scriptPath(headOf({ SCRIPT_FILENAME: "/a..b/..c.fcgi" })).path).toBe("/a..b/..c.fcgi");
  });
});

describe("candidates, roots and extensions", () => {
  test("the longest part comes first, at most 64 of them", () => {
    expect(programCandidates("/a.f/b/c.f/d", (path) => path.endsWith(".f"))).toEqual(["/a.f/b/c.f", "/a.f"]);
    expect(programCandidates("/x.f".repeat(100), () => true).length).toBe(64);
  });

  test("an extension alone is no file name, and case matters", () => {
    expect(hasExtension("/srv/.fcgi", [".fcgi"])).toBe(false);
    expect(hasExtension("/srv/a.fcgi", [".fpl", ".fcgi"])).toBe(true);
    expect(hasExtension("/srv/a.FCGI", [".fcgi"])).toBe(false);
  });

  test("a folder beside a root with the same beginning is not under it", () => {
    expect(isUnder("/srv/www/x", "/srv/www")).toBe(true);
    expect(isUnder("/srv/www/x", "/srv/www/")).toBe(true);
    expect(isUnder("/srv/www2/x", "/srv/www")).toBe(false);
    expect(isUnder("/x", "/")).toBe(true);
  });
});

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
    ["a link to a file of another extension", { "/srv/a.fcgi": "x->/bin/sh" }, "/srv/a.fcgi"],
  ])("does not find %s", async (_what, disk, path) => {
    expect(await refusal(disk as Params, { SCRIPT_FILENAME: path })).toStartWith("SCRIPT_NOT_FOUND /srv/a.");
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
