import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isProgramName } from "../../src/config/program-path.ts";
import { defaultTables } from "../../src/config/tables.ts";
import { listPrograms } from "../../src/dev/program-list.ts";
import { resolveTarget, type Site, type Target } from "../../src/dev/site.ts";
import { sourceTest } from "../../src/dev/source-test.ts";
import { appConfig } from "../support/app-config.ts";
import { makeTempDir, type TempDir } from "../support/temp-dir.ts";

let folder: TempDir;
let root = "";
let site: Site;

beforeAll(() => {
  folder = makeTempDir();
  root = join(realpathSync(folder.path), "site");
  for (const name of ["cgi-bin", "app", "sub", "sub/deep", ".hidden", "odd.fcgi", "php"])
    mkdirSync(join(root, name), { recursive: true });
  const files = [
    "a.fcgi",
    "sub/b c.fcgi",
    "sub/deep/d.fcgi",
    "a.txt",
    ".env",
    ".hidden/x.txt",
    ".hidden/x.fcgi",
  ];
  const more = [
    "a.fcgi~",
    "a.fcgi.bak",
    "A.FCGI",
    "a.fcgist.txt",
    "odd.fcgi/plain.txt",
    "php/x.php",
    "other.php",
    ".dot.fcgi",
    "cgi-bin/munin",
    "cgi-bin/.secret",
    "whole",
    "whole~",
    "whole.bak",
    "whole.css",
    "tool",
    "LICENSE",
    "app/main.txt",
  ];
  for (const name of [...files, ...more]) writeFileSync(join(root, name), name);
  for (const name of ["a.fcgi", "tool"]) chmodSync(join(root, name), 0o755);
  symlinkSync("cgi-bin/munin", join(root, "munin.txt"));
  writeFileSync(folder.at("outside.txt"), "");
  writeFileSync(folder.at("outside.fcgi"), "");
  symlinkSync(folder.at("outside.txt"), join(root, "leak.txt"));
  symlinkSync(folder.at("outside.fcgi"), join(root, "leak.fcgi"));
  symlinkSync(folder.path, join(root, "leak-folder"));
  symlinkSync("a.fcgi", join(root, "source.txt"));
  symlinkSync(".env", join(root, "env.txt"));
  symlinkSync("a.txt", join(root, "link.txt"));
  symlinkSync("a.fcgi", join(root, "z.fcgi"));
  symlinkSync("nothing", join(root, "dangling.txt"));
  const tables = { ...defaultTables(), apps: [{ match: "/x/*", extensions: ["whole"] }] };
  site = {
    root,
    isProgram: (path) =>
      isProgramName(
        path,
        appConfig({
          extensions: path.startsWith(`${root}/php/`)
            ? [".php"]
            : path.startsWith(`${root}/cgi-bin/`)
              ? [""]
              : [".fcgi", "whole"],
        }),
      ),
    isVirtual: (path) => path.startsWith(`${root}/app/`),
    isSource: (path) => sourceTest(tables, [])(path),
  };
});
afterAll(() => folder[Symbol.dispose]());

async function target(urlPath: string): Promise<Target> {
  const found = await resolveTarget(site, urlPath);
  return JSON.parse(JSON.stringify(found).replaceAll(root, "")) as Target;
}

describe("what a URL means", () => {
  test("a program's path, with what follows as PATH_INFO", async () => {
    const program = { kind: "program", script: "/a.fcgi", scriptName: "/a.fcgi" };
    expect(await target("/a.fcgi")).toEqual({ ...program, pathInfo: "" } as Target);
    expect(await target("/a.fcgi/x/.y%20z/")).toEqual({ ...program, pathInfo: "/x/.y z/" } as Target);
    expect(await target("//a.fcgi//x")).toEqual({ ...program, pathInfo: "//x" } as Target);
    expect(await target("/sub/b%20c.fcgi")).toMatchObject({
      script: "/sub/b c.fcgi",
      scriptName: "/sub/b c.fcgi",
    });
    expect(await target("/z.fcgi")).toMatchObject({ script: "/z.fcgi" });
    expect(await target("/php/x.php/info")).toMatchObject({ script: "/php/x.php", pathInfo: "/info" });
  });

  test("a program without an ending, and what no disk has", async () => {
    expect(await target("/whole/x")).toMatchObject({ script: "/whole", pathInfo: "/x" });
    expect(await target("/cgi-bin/munin/x")).toMatchObject({ script: "/cgi-bin/munin", pathInfo: "/x" });
    expect(await target("/cgi-bin/")).toEqual({ kind: "folder", path: "/cgi-bin" });
    const virtual = { kind: "program", script: "/app/any", scriptName: "", pathInfo: "/app//any" };
    expect(await target("/app//any")).toEqual(virtual as Target);
    expect(await target("/app/main.txt")).toMatchObject({ kind: "program", pathInfo: "/app/main.txt" });
  });

  test("PATH_INFO is bytes, whatever they are", async () => {
    for (const [url, pathInfo] of [
      ["/caf%E9", "/caf\xe9"],
      ["/a%0Ab", "/a\nb"],
      ["//http://h/%2F", "//http://h//"],
      [`/${"x".repeat(5000)}`, `/${"x".repeat(5000)}`],
    ] as const)
      expect(await target(`/a.fcgi${url}`)).toMatchObject({ script: "/a.fcgi", pathInfo });
  });

  test("a program that is missing is still the daemon's to refuse", async () => {
    expect(await target("/none.fcgi/x")).toMatchObject({ kind: "program", script: "/none.fcgi" });
  });

  test("folders and plain files, also through links that stay inside", async () => {
    expect(await target("/")).toEqual({ kind: "folder", path: "" } as Target);
    expect(await target("/sub")).toEqual({ kind: "folder", path: "/sub" });
    expect(await target("/sub/")).toEqual({ kind: "folder", path: "/sub" });
    expect(await target("/a.txt")).toEqual({ kind: "file", path: "/a.txt" });
    expect(await target("/link.txt")).toEqual({ kind: "file", path: "/a.txt" });
    expect(await target("/odd.fcgi/plain.txt")).toEqual({ kind: "file", path: "/odd.fcgi/plain.txt" });
    expect(await target("/whole.css")).toEqual({ kind: "file", path: "/whole.css" });
    expect(await target("/LICENSE")).toEqual({ kind: "file", path: "/LICENSE" });
    expect(await target("/a.fcgist.txt")).toEqual({ kind: "file", path: "/a.fcgist.txt" });
  });

  const refused = [
    "/nothing",
    "/.env",
    "/.hidden/x.txt",
    "/.hidden/x.fcgi",
    "/.hidden/none.fcgi",
    "/.dot.fcgi",
    "/%2eenv",
    "/env.txt",
    "/leak.txt",
    "/leak.fcgi",
    "/leak-folder/",
    "/leak-folder/outside.txt",
    "/dangling.txt",
    "/a.txt/x",
    "/source.txt",
    "/a.fcgi~",
    "/a.fcgi.bak",
    "/A.FCGI",
    "/other.php",
    "/whole~",
    "/whole.bak",
    "/tool",
    "/munin.txt",
    "/cgi-bin/.secret",
  ];
  test.each(refused)("%s shows nothing", async (path) => {
    expect(await target(path)).toEqual({ kind: "none" });
  });

  test.each([
    "/%2e%2e/x",
    "/..%2f..%2fetc/passwd",
    "/a/..",
    "/%",
    "/%ff",
    "/a.txt%00",
    "/a.fcgi%00",
    "/a.fcgi/%00",
    "/a%0a",
    "/a.fcgi/../b",
    "*",
  ])("%s makes no sense", async (path) => {
    expect(await target(path)).toEqual({ kind: "malformed" });
  });
});

describe("the list of programs", () => {
  const isProgram = (path: string) => site.isProgram(path);

  test("it has what can run, breadth first, without what is hidden or leads outside", async () => {
    const { programs, isCut } = await listPrograms(root, root, isProgram);
    expect(programs).toEqual([
      { url: "/a.fcgi", isExecutable: true },
      { url: "/whole", isExecutable: false },
      { url: "/z.fcgi", isExecutable: true },
      { url: "/cgi-bin/munin", isExecutable: false },
      { url: "/php/x.php", isExecutable: false },
      { url: "/sub/b%20c.fcgi", isExecutable: false },
      { url: "/sub/deep/d.fcgi", isExecutable: false },
    ]);
    expect(isCut).toBe(false);
  });

  test("of a folder below, the URLs still begin at the root", async () => {
    const { programs } = await listPrograms(root, join(root, "sub/deep"), isProgram);
    expect(programs.map(({ url }) => url)).toEqual(["/sub/deep/d.fcgi"]);
  });

  test("500 programs and 8 levels are listed, and that there is more is told", async () => {
    using wide = makeTempDir();
    for (let i = 0; i < 500; i++) writeFileSync(wide.at(`${i}.fcgi`), "");
    const exact = await listPrograms(realpathSync(wide.path), realpathSync(wide.path), isProgram);
    expect([exact.programs.length, exact.isCut]).toEqual([500, false]);
    writeFileSync(wide.at("one-more.fcgi"), "");
    const more = await listPrograms(realpathSync(wide.path), realpathSync(wide.path), isProgram);
    expect([more.programs.length, more.isCut]).toEqual([500, true]);

    using deep = makeTempDir();
    mkdirSync(deep.at(..."1234567"), { recursive: true });
    writeFileSync(deep.at(..."1234567", "x.fcgi"), "");
    const inside = await listPrograms(realpathSync(deep.path), realpathSync(deep.path), isProgram);
    expect([inside.programs.length, inside.isCut]).toEqual([1, false]);
    mkdirSync(deep.at(..."12345678"));
    const beyond = await listPrograms(realpathSync(deep.path), realpathSync(deep.path), isProgram);
    expect([beyond.programs.length, beyond.isCut]).toEqual([1, true]);
  });

  test("a folder that cannot be read is empty", async () => {
    expect((await listPrograms(root, join(root, "none"), isProgram)).programs).toEqual([]);
  });
});
