import { expect, test } from "bun:test";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { startSite } from "../support/site.ts";
import { EXECUTABLE } from "../support/std-fpm.ts";
import { makeTempDir } from "../support/temp-dir.ts";

test("nothing is read from the folder it is started in: no .env, no bunfig.toml, no code", async () => {
  using dir = makeTempDir();
  mkdirSync(dir.at("cwd"));
  writeFileSync(dir.at("cwd/.env"), "FROM_DOTENV=1\nBUN_CONFIG_VERBOSE_FETCH=1\n");
  writeFileSync(dir.at("cwd/bunfig.toml"), 'preload = ["./evil.ts"]\n');
  writeFileSync(
    dir.at("cwd/evil.ts"),
    `require("fs").writeFileSync(${JSON.stringify(dir.at("evil"))}, "ran")`,
  );
  writeFileSync(dir.at("cwd/package.json"), '{"main": "./evil.ts"}');
  await using site = await startSite({ cwd: dir.at("cwd") });
  expect(await site.text("lab.fcgi?op=env")).not.toContain("FROM_DOTENV");
  expect(existsSync(dir.at("evil"))).toBe(false);
});

test("the variables of the runtime have no power over it", async () => {
  using dir = makeTempDir();
  writeFileSync(dir.at("evil.ts"), `require("fs").writeFileSync(${JSON.stringify(dir.at("evil"))}, "ran")`);
  for (const env of [{ BUN_OPTIONS: `--preload ${dir.at("evil.ts")}` }, { BUN_BE_BUN: "1" }]) {
    const run = Bun.spawnSync([EXECUTABLE, "--version"], {
      cwd: dir.path,
      env: { PATH: "/usr/bin", ...env },
    });
    expect(run.stdout.toString()).toBe(plainVersion());
  }
  const asBun = Bun.spawnSync([EXECUTABLE, "run", dir.at("evil.ts")], { env: { BUN_BE_BUN: "1" } });
  expect(asBun.exitCode).not.toBe(0);
  expect(existsSync(dir.at("evil"))).toBe(false);
});

test("the executable runs without Bun, Node or any file of the project", async () => {
  using dir = makeTempDir();
  const version = Bun.spawnSync([EXECUTABLE, "--version"], { cwd: dir.path, env: { PATH: "/nowhere" } });
  expect(version.stdout.toString()).toMatch(/\d+\.\d+\.\d+/);
  expect(version.exitCode).toBe(0);
});

function plainVersion(): string {
  return Bun.spawnSync([EXECUTABLE, "--version"], { env: {} }).stdout.toString();
}
