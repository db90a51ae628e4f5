import { describe, expect, test } from "bun:test";
import { isProgramName, isUnder } from "../../src/config/program-path.ts";
import { givenScripts, pathParts } from "../../src/route/script-path.ts";
import { appConfig } from "../support/app-config.ts";
import { headOf, type Params, refusal, route } from "../support/routing.ts";

describe("the script", () => {
  test.each([
    ["/srv/www/x.fcgi", "/srv/www/x.fcgi"],
    ["/srv/www/100%25?.fcgi", "/srv/www/100%25?.fcgi"],
    ["proxy:fcgi://localhost/srv/x.fcgi", "/srv/x.fcgi"],
    ["proxy:fcgi://localhost//srv/x.fcgi", "//srv/x.fcgi"],
    ["proxy:fcgi://[::1]:9000/srv/x.fcgi", "/srv/x.fcgi"],
    ["proxy:unix:/run/s.sock|fcgi://localhost/srv/x.fcgi", "/srv/x.fcgi"],
    ["proxy:balancer://cluster/srv/x.fcgi", "/srv/x.fcgi"],
    ["proxy:fcgi://h/srv/x.fcgi?a=/b.fcgi", "/srv/x.fcgi"],
    ["proxy:fcgi://h/srv/x.fcgi/a%20b", "/srv/x.fcgi/a%20b"],
  ])("of %j is %j", (given, path) => {
    const source = "SCRIPT_FILENAME";
    const isEncoded = given.startsWith("proxy:");
    expect(givenScripts(headOf({ SCRIPT_FILENAME: given }))).toEqual([{ source, path, isEncoded }]);
  });

  test("is PATH_TRANSLATED, then DOCUMENT_ROOT with SCRIPT_NAME, where SCRIPT_FILENAME is absent or empty", () => {
    const others = { PATH_TRANSLATED: "/a.fcgi", DOCUMENT_ROOT: "/srv", SCRIPT_NAME: "/b.fcgi" };
    const paths = (params: Params) => givenScripts(headOf(params)).map(({ path }) => path);
    expect(paths({ PATH_TRANSLATED: "/a.fcgi" })).toEqual(["/a.fcgi"]);
    expect(paths({ SCRIPT_FILENAME: "", ...others })).toEqual(["/a.fcgi", "/srv//b.fcgi"]);
    expect(paths({ SCRIPT_FILENAME: "/c.fcgi", ...others })).toEqual(["/c.fcgi"]);
  });

  test.each([{}, { DOCUMENT_ROOT: "/srv" }, { SCRIPT_NAME: "/b.fcgi" }])(
    "missing altogether says what to set: %j",
    (params) => {
      expect(() => givenScripts(headOf(params as Params))).toThrow("The web server sent no SCRIPT_FILENAME");
    },
  );

  test.each([
    ["a relative path", "srv/x.fcgi", "is not an absolute path"],
    ["a NUL", "/srv/x.fcgi\0.txt", "holds a NUL"],
    ["a NUL in PATH_INFO", "/srv/x.fcgi/\0", "holds a NUL"],
    ["a newline", "/srv/x\n.fcgi", "holds a CR or LF"],
    ["a carriage return", "/srv/x\r.fcgi", "holds a CR or LF"],
    ["a parent folder", "/srv/../etc/x.fcgi", "holds a `..` part"],
    ["a parent folder at the end", "/srv/..", "holds a `..` part"],
    ["a parent folder in PATH_INFO", "/srv/x.fcgi/../y", "holds a `..` part"],
    ["a parent folder that Apache left encoded", "proxy:fcgi://h/srv/%2e%2e/x.fcgi", "holds a `..` part"],
    ["a NUL that Apache left encoded", "proxy:fcgi://h/srv/x%00.fcgi", "holds a NUL"],
    ["bytes that are not UTF-8", "/srv/\xff.fcgi", "is not UTF-8"],
    ["4,096 bytes", `/${"a".repeat(4090)}.fcgi`, "has 4096 bytes"],
  ])("with %s is refused", async (_what, given, why) => {
    const refused = await refusal({ "/srv/x.fcgi": "x" }, { SCRIPT_FILENAME: given });
    expect(refused).toStartWith("SCRIPT_INVALID SCRIPT_FILENAME ");
    expect(refused).toContain(why);
  });

  test("of 4,095 bytes is looked for", async () => {
    const path = `/${"a".repeat(4089)}.fcgi`;
    expect((await route({ [path]: "x" }, { SCRIPT_FILENAME: path })).script).toBe(path);
  });

  test("may have two dots in its name, which are no parent folder", async () => {
    const path = "/a..b/..c.fcgi";
    expect((await route({ [path]: "x" }, { SCRIPT_FILENAME: path })).script).toBe(path);
  });

  test.each(["/srv//www///x.fcgi", "/srv/./www/././x.fcgi"])("of %j is the plain one", async (given) => {
    expect((await route({ "/srv/www/x.fcgi": "x" }, { SCRIPT_FILENAME: given })).script).toBe(
      "/srv/www/x.fcgi",
    );
  });
});

describe("parts, roots and names", () => {
  test("the shortest part comes first, what follows it is left as it came", () => {
    expect(pathParts("/a//b/./c/")).toEqual([
      { path: "/a", rest: "//b/./c/" },
      { path: "/a/b", rest: "/./c/" },
      { path: "/a/b/c", rest: "/" },
    ]);
  });

  test.each([
    ["bytes that are not UTF-8", "\xff"],
    ["a newline", "x\n"],
    ["more than a path may have", "a".repeat(4094)],
  ])("%s are in no part, but follow those before", (_what, name) => {
    expect(pathParts(`/a/${name}/b`)).toEqual([{ path: "/a", rest: `/${name}/b` }]);
  });

  const named = (extensions: string[], more = {}) => appConfig({ extensions, ...more });

  test.each([
    ["/srv/a.fcgi", [".fpl", ".fcgi"], true],
    ["/srv/a.FCGI", [".fcgi"], false],
    ["/srv/.fcgi", [".fcgi"], false],
    ["/srv/git-http-backend", ["git-http-backend"], true],
    ["/srv/my-git-http-backend", ["git-http-backend"], false],
    ["/srv/git-http-backend.fcgi", ["git-http-backend"], false],
    ["/srv/app", [""], true],
    ["/srv/app.sh", [""], true],
    ["/srv/.env", [""], false],
    ["/srv/", [""], false],
  ])("%s with %j: %p", (path, extensions, isOne) => {
    expect(isProgramName(path, named(extensions))).toBe(isOne);
  });

  test("capitals and small letters are the same where that is asked for", () => {
    const ignoring = named([".Fcgi", "Munin"], { extensionsIgnoreCase: true });
    for (const path of ["/a.FCGI", "/a.fcgi", "/munin", "/MUNIN"])
      expect(isProgramName(path, ignoring)).toBe(true);
    expect(isProgramName("/a.fcg", ignoring)).toBe(false);
  });

  test("a path that a table names as it is is a program's whatever its ending", () => {
    expect(isProgramName("/usr/lib/git-core/git-http-backend", named([".x"], { namesPath: true }))).toBe(
      true,
    );
  });

  test("a folder beside a root with the same beginning is not under it", () => {
    expect(isUnder("/srv/www/x", "/srv/www")).toBe(true);
    expect(isUnder("/srv/www/x", "/srv/www/")).toBe(true);
    expect(isUnder("/srv/www2/x", "/srv/www")).toBe(false);
    expect(isUnder("/x", "/")).toBe(true);
  });
});

describe("a path that somebody has made as costly as it can be", () => {
  /** How long it takes to find where it goes, in milliseconds; the first time counts what is compiled. */
  async function costOf(params: Params): Promise<number> {
    await route({ "/srv/x.fcgi": "x" }, params);
    const start = performance.now();
    await route({ "/srv/x.fcgi": "x" }, params);
    return performance.now() - start;
  }

  test("has its PATH_INFO decoded once, however many parts it has", async () => {
    const SCRIPT_FILENAME = `proxy:fcgi://h/srv/x.fcgi${"/a".repeat(2000)}${"%20".repeat(20_000)}`;
    expect(await costOf({ SCRIPT_FILENAME })).toBeLessThan(100);
    const { changes } = await route({ "/srv/x.fcgi": "x" }, { SCRIPT_FILENAME });
    expect(changes.get("PATH_INFO")).toBe("/a".repeat(2000) + " ".repeat(20_000));
  });

  test("may have DOCUMENT_ROOT with however many slashes", async () => {
    const params = { SCRIPT_FILENAME: "/srv/x.fcgi/info", DOCUMENT_ROOT: `${"/".repeat(60_000)}a//` };
    expect(await costOf(params)).toBeLessThan(100);
    const { changes } = await route({ "/srv/x.fcgi": "x" }, params);
    expect(changes.get("PATH_TRANSLATED")).toBe(`${"/".repeat(60_000)}a/info`);
  });

  test("names a program in 256 folders at the most", () => {
    expect(pathParts("/a".repeat(300)).length).toBe(256);
    expect(pathParts("/a".repeat(300)).at(-1)).toEqual({ path: "/a".repeat(256), rest: "/a".repeat(44) });
  });
});
