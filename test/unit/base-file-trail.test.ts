import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { pooledDisk } from "../../src/base/disk.ts";
import { plainTrail, readTrail } from "../../src/base/file-trail.ts";
import { makeTempDir, type TempDir } from "../support/temp-dir.ts";

let folder: TempDir;
const uid = process.geteuid?.() ?? 0;

beforeEach(() => {
  folder = makeTempDir();
  mkdirSync(folder.at("a/b"), { recursive: true });
  writeFileSync(folder.at("a/b/x"), "");
  chmodSync(folder.at("a/b/x"), 0o640);
});
afterEach(() => folder[Symbol.dispose]());

test("a way without links has every folder from the root on, and the file", async () => {
  const trail = await readTrail(`/./${folder.at("a//b/x")}`, pooledDisk);
  expect(trail?.realPath).toBe(folder.at("a/b/x"));
  expect(trail?.parts[0]).toMatchObject({ path: "/", kind: "folder" });
  expect(trail?.parts.slice(-2)).toMatchObject([
    { path: folder.at("a/b"), kind: "folder", uid },
    { path: folder.at("a/b/x"), kind: "file", uid, mode: 0o640 },
  ]);
  expect(trail?.links).toEqual([]);
  expect(await readTrail(`/proc/../..${folder.at("a/../a/b/x")}`, pooledDisk)).toEqual(trail as never);
  expect(plainTrail(folder.at("a/b/x"))).toEqual(trail as never);
});

test("links are followed, absolute, relative and through each other, and each is named", async () => {
  symlinkSync("../a/b", folder.at("a/relative"));
  symlinkSync(folder.at("a/relative/x"), folder.at("absolute"));
  const trail = await readTrail(folder.at("absolute"), pooledDisk);
  expect(trail?.realPath).toBe(folder.at("a/b/x"));
  expect(trail?.links).toEqual([
    { path: folder.at("absolute"), uid, targetUid: uid },
    { path: folder.at("a/relative"), uid, targetUid: uid },
  ]);
  expect(trail?.parts.map(({ path }) => path)).not.toContain(folder.at("a/relative"));
  expect(plainTrail(folder.at("absolute"))).toBeUndefined();
  expect(plainTrail(folder.at("a/relative/x"))).toBeUndefined();
});

test("as many links are followed as the kernel follows, and no more", async () => {
  const chain = Array.from({ length: 41 }, (_, at) => `link${at}`);
  chain.forEach((name, at) => {
    symlinkSync(chain[at + 1] ?? "a/b/x", folder.at(name));
  });
  expect((await readTrail(folder.at("link1"), pooledDisk))?.links.length).toBe(40);
  expect(readFileSync(folder.at("link1"), "utf8")).toBe("");
  expect(await readTrail(folder.at("link0"), pooledDisk)).toBeUndefined();
  expect(() => readFileSync(folder.at("link0"))).toThrow("ELOOP");
});

test("what leads nowhere, or in a circle, has none", async () => {
  symlinkSync("circle", folder.at("circle"));
  symlinkSync("none", folder.at("dangling"));
  for (const name of ["circle", "dangling", "missing", "a/b/x/y"]) {
    expect([await readTrail(folder.at(name), pooledDisk), plainTrail(folder.at(name))]).toEqual([
      undefined,
      undefined,
    ]);
  }
});
