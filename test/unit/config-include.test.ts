import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { loadConfig } from "../../src/config/load.ts";
import { makeTempDir, type TempDir } from "../support/temp-dir.ts";

let dir: TempDir;

beforeEach(() => {
  dir = makeTempDir();
  mkdirSync(dir.at("conf.d"));
});
afterEach(() => dir[Symbol.dispose]());

/** The files that a main file with this `include` leads to, and the warnings, with the folder as F. */
async function including(glob: string, main = "main.toml") {
  writeFileSync(dir.at(main), `[server]\ninclude = "${dir.path}/${glob}"\n`);
  const { config, warnings } = await loadConfig({ file: dir.at(main) });
  const short = (text: string) => text.replaceAll(dir.path, "F");
  return { files: config.files.map(short), warnings: warnings.map(short) };
}

test("the main file is not read again where the glob covers it", async () => {
  writeFileSync(dir.at("a.toml"), "[log]\n");
  symlinkSync("main.toml", dir.at("b.toml"));
  expect((await including("*.toml")).files).toEqual(["F/main.toml", "F/a.toml"]);
});

test("a file with several names is read once, by the one in the fewest folders, of these the first", async () => {
  writeFileSync(dir.at("conf.d/b.toml"), '[[apps]]\nmatch = "/srv/**"\nname = "x"\n');
  symlinkSync("b.toml", dir.at("conf.d/a.toml"));
  symlinkSync(".", dir.at("conf.d/loop"));
  writeFileSync(dir.at("conf.d/z.toml"), "[log]\n");
  expect((await including("conf.d/**/*.toml")).files).toEqual([
    "F/main.toml",
    "F/conf.d/a.toml",
    "F/conf.d/z.toml",
  ]);
});

test("of a folder it is said what to write", async () => {
  for (const folder of ["conf.d", "conf.d/"])
    expect((await including(folder)).warnings).toEqual([
      `server.include: F/${folder} is a folder; for the files in it write "F/conf.d/*.toml"`,
    ]);
});
