import { expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
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

test("what its user may not read is an error with file and advice, and no stack of the runtime", () => {
  using dir = makeTempDir();
  chmodSync(dir.path, 0o755);
  mkdirSync(dir.at("inc"), { mode: 0o700 });
  writeFileSync(dir.at("main.toml"), `[server]\ninclude = "${dir.at("inc")}/*.toml"\n`);
  writeFileSync(dir.at("inc/a.toml"), "[log]\n");
  const check = () => asNobody("check", "--config", dir.at("main.toml"));
  expect(check()).toEqual([
    1,
    `${dir.at("inc")}/: the folder of \`include\` may not be read by the user of std-fpm; ${ADVICE}\n`,
  ]);
  chmodSync(dir.at("inc"), 0o755);
  chmodSync(dir.at("inc/a.toml"), 0o600);
  expect(check()).toEqual([
    1,
    expect.stringContaining(`${dir.at("inc/a.toml")}: cannot be read: permission denied`),
  ]);
  chmodSync(dir.at("inc/a.toml"), 0o644);
  chmodSync(dir.at("main.toml"), 0o600);
  expect(check()).toEqual([
    1,
    expect.stringContaining(`${dir.at("main.toml")}: cannot be read: permission denied`),
  ]);
});

const ADVICE = 'give that user the right to read and search it (chmod 755), or set `include` to ""';

/** Status and stderr of a command that a user without rights gives. */
function asNobody(...words: string[]): [status: number, err: string] {
  const become =
    process.geteuid?.() === 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
  const { exitCode, stderr } = Bun.spawnSync([...become, EXECUTABLE, ...words], {
    env: { PATH: "/usr/bin:/bin" },
  });
  return [exitCode, stderr.toString()];
}
