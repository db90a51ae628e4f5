import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { linkSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { pooledDisk } from "../../src/base/disk.ts";
import { createVersionLookup } from "../../src/base/file-facts.ts";
import { readWatched } from "../../src/base/watched-files.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { makeTempDir, type TempDir } from "../support/temp-dir.ts";

let dir: TempDir;

beforeEach(() => {
  dir = makeTempDir();
  for (const path of ["lib/sub/deep", "releases/1", "releases/2", ".hidden"])
    mkdirSync(dir.at(path), { recursive: true });
  for (const path of ["lib/a.pm", "lib/sub/b.pm", "lib/sub/deep/c.pm", "lib/notes.txt", "releases/1/x"])
    touch(path);
  linkSync(dir.at("releases/1/x"), dir.at("releases/2/x"));
  symlinkSync("releases/1", dir.at("current"));
  mkdirSync(dir.at("sites/shop"), { recursive: true });
  symlinkSync("../../releases/1", dir.at("sites/shop/current"));
  symlinkSync("..", dir.at("sites/loop"));
});
afterEach(() => dir[Symbol.dispose]());

let seconds = 1;
function touch(path: string): void {
  writeFileSync(dir.at(path), "text");
  utimesSync(dir.at(path), ++seconds, seconds);
}

function hidden(): void {
  mkdirSync(dir.at("lib/.hidden"));
  touch("lib/.hidden/x");
}

function switchTo(release: string): void {
  symlinkSync(release, dir.at("next"));
  renameSync(dir.at("next"), dir.at("current"));
}

function switchShopTo(release: string): void {
  symlinkSync(`../../releases/${release}`, dir.at("sites/shop/next"));
  renameSync(dir.at("sites/shop/next"), dir.at("sites/shop/current"));
}

const versionOf = async (path: string) => (await readWatched(dir.at(path), pooledDisk)).version;

describe("what is watched", () => {
  test.each([
    ["lib/a.pm", "a file", () => touch("lib/a.pm")],
    ["later.txt", "a file that comes", () => touch("later.txt")],
    ["lib", "a file in the folder", () => touch("lib/a.pm")],
    ["lib", "a new file in the folder", () => touch("lib/new.txt")],
    ["lib/", "a file of the folder that goes", () => rmSync(dir.at("lib/a.pm"))],
    ["current", "the link to a folder", () => switchTo("releases/2")],
    ["current/", "the link, with a slash", () => switchTo("releases/2")],
    ["current/x", "a hard-linked file below the link", () => switchTo("releases/2")],
    ["current/*", "the link that a pattern begins with", () => switchTo("releases/2")],
    ["lib/*.pm", "a file of the pattern", () => touch("lib/a.pm")],
    ["lib/**/*.pm", "a file of the pattern, two folders below", () => touch("lib/sub/deep/c.pm")],
    ["lib/**/*.pm", "a new file of the pattern", () => touch("lib/sub/new.pm")],
    ["lib/{a,z}.pm", "one of several", () => touch("lib/a.pm")],
    ["lib/su?/[ab].pm", "a file in a folder of the pattern", () => touch("lib/sub/b.pm")],
    ["*/a.pm", "a file in any folder", () => touch("lib/a.pm")],
    ["lib", "a hidden file in the folder", () => touch("lib/.env")],
    [".env*", "a hidden file that comes", () => touch(".env.local")],
    ["**/.env", "a hidden file in any folder", () => touch("lib/sub/.env")],
    [".h*/*", "a file in a hidden folder", () => touch(".hidden/x")],
    ["*/.hidden/x", "a file in a hidden folder of that name", () => hidden()],
    ["sites/*/current/x", "a file below the link in the middle", () => touch("releases/1/x")],
    ["sites/*/current/x", "the link in the middle, to a hard-linked file", () => switchShopTo("2")],
    ["sites/*/cur*/*", "a link that a pattern covers, to a hard-linked file", () => switchShopTo("2")],
    ["{current,lib}/*", "one of several links", () => switchTo("releases/2")],
    ["{current,lib}/**/*", "a file below one of several links", () => touch("releases/1/x")],
    ["{lib/sub,current}/*", "a file of an alternative with folders", () => touch("lib/sub/b.pm")],
    ["lib/**", "all that is below", () => touch("lib/sub/deep/c.pm")],
  ] as const)("%s: %s makes another version", async (path, _what, change) => {
    const before = await versionOf(path);
    expect(await versionOf(path)).toBe(before);
    change();
    expect(await versionOf(path)).not.toBe(before);
  });

  test.each([
    ["lib", "what is further below", () => touch("lib/sub/b.pm")],
    ["lib/*.pm", "another folder", () => touch("lib/sub/b.pm")],
    ["lib/**/*.pm", "a file of another kind", () => touch("lib/notes.txt")],
    ["**/*.pm", "what is hidden", () => touch(".hidden/x.pm")],
    ["lib/*", "a hidden file", () => touch("lib/.env")],
    ["sites/shop/**/y", "what is behind a link that nobody names", () => touch("releases/1/y")],
    ["current/x", "another release that nothing leads to", () => touch("releases/2/y")],
  ] as const)("%s: %s makes none", async (path, _what, change) => {
    const before = await versionOf(path);
    change();
    expect(await versionOf(path)).toBe(before);
  });

  test("a pattern is looked for no deeper than it says", async () => {
    const looked: string[] = [];
    const disk = {
      ...pooledDisk,
      readdir: (path: string) => {
        looked.push(path.slice(dir.path.length + 1));
        return pooledDisk.readdir(path);
      },
    };
    await readWatched(dir.at("lib/s*/*.pm"), disk as never);
    expect(looked).not.toContain("lib/sub/deep");
    expect(looked).toContain("lib/sub");
  });

  test("links in a circle come to an end, at the limit of names where a pattern goes through them again and again", async () => {
    const about = async (path: string) => await readWatched(dir.at(path), pooledDisk);
    expect((await about("**/*.pm")).problem).toBeUndefined();
    expect((await about("*/loop/*/loop/*")).problem).toBeUndefined();
    for (let i = 0; i < 20; i++) symlinkSync(".", dir.at(`sites/${i}`));
    expect((await about(`sites${"/*".repeat(12)}`)).problem).toBe(
      "there are more than 20000 names to look at",
    );
  });

  test("2,000 files are compared, of one more it is told", async () => {
    mkdirSync(dir.at("many"));
    for (let i = 0; i < 2000; i++) writeFileSync(dir.at(`many/${i}.pm`), "");
    expect((await readWatched(dir.at("many/*.pm"), pooledDisk)).problem).toBeUndefined();
    writeFileSync(dir.at("many/more.pm"), "");
    expect(await readWatched(dir.at("many/*.pm"), pooledDisk)).toEqual({
      version: "unknown",
      problem: "it covers more than 2000 files",
    });
    expect((await readWatched(dir.at("many"), pooledDisk)).problem).toBe("it covers more than 2000 files");
  });

  test("what is neither a file nor a folder is told", async () => {
    expect((await readWatched("/dev/null", pooledDisk)).problem).toBe("it is neither a file nor a folder");
  });
});

describe("the lookup of versions", () => {
  test("answers at once, a look every half second at the most, and tells of a problem once an episode", async () => {
    const clock = new FakeClock();
    const told: string[] = [];
    const lookup = createVersionLookup(
      clock,
      (path) => readWatched(path, pooledDisk),
      (path, problem) => told.push(`${path}: ${problem}`),
    );
    const path = dir.at("lib/**/*.pm");
    const first = await lookup(path);
    touch("lib/a.pm");
    clock.advance(499);
    expect(lookup(path)).toBe(first);
    clock.advance(501);
    const second = await lookup(path);
    expect(second).not.toBe(first);
    expect(lookup(path)).toBe(second);
    for (let i = 0; i < 3; i++) {
      await lookup("/dev/null");
      clock.advance(1000);
    }
    expect(told).toEqual(["/dev/null: it is neither a file nor a folder"]);
  });

  test("that takes long is not asked again before twenty times as long", async () => {
    const clock = new FakeClock();
    const lookup = createVersionLookup(
      clock,
      (path) => readWatched(path, pooledDisk),
      () => {},
    );
    const path = dir.at("lib/a.pm");
    const asked = lookup(path);
    clock.advance(1000);
    const first = await asked;
    touch("lib/a.pm");
    clock.advance(19_999);
    expect(lookup(path)).toBe(first as string);
    clock.advance(501);
    expect(await lookup(path)).not.toBe(first as string);
  });
});
