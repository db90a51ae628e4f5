import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";

let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "std-fpm-config-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function warningsOf(text: string): Promise<readonly string[]> {
  const file = join(folder, "main.toml");
  await writeFile(file, `server.include = ""\n${text}`);
  return (await loadConfig({ file })).warnings;
}

test("folders that do not exist are named with their key", async () => {
  expect(
    await warningsOf(`app.roots = ["${folder}", "${folder}/none"]\napp.cwd = "${folder}/main.toml"`),
  ).toEqual([
    `app.roots[1]: there is no folder ${folder}/none`,
    `app.cwd: there is no folder ${folder}/main.toml`,
  ]);
});

test("an interpreter that is missing or not executable is named with its key", async () => {
  expect(await warningsOf(`[[apps]]\nmatch = "/a"\ncommand = ["/bin/sh"]`)).toEqual([]);
  expect(await warningsOf(`[[apps]]\nmatch = "/a"\ncommand = ["${folder}/main.toml"]`)).toEqual([
    `apps[0].command: there is no executable file ${folder}/main.toml`,
  ]);
  expect(await warningsOf(`app.command = ["${folder}"]`)).toHaveLength(1);
});

test("a file that every user can write is pointed out", async () => {
  expect(await warningsOf("")).toEqual([]);
  await chmod(join(folder, "main.toml"), 0o666);
  expect((await warningsOf(""))[0]).toContain("every user of this machine can write it");
});

test("min_processes above max_processes is an error, also where a table makes it so", async () => {
  const failure = async (text: string) =>
    await warningsOf(text).then(
      () => "",
      (error: Error) => error.message.replace(join(folder, "main.toml"), ""),
    );
  expect(await failure("app.max_processes = 2\napp.min_processes = 2")).toBe("");
  expect(await failure("app.max_processes = 2\napp.min_processes = 3")).toBe(
    ":3: app.min_processes: 3 is more than max_processes = 2",
  );
  expect(await failure('app.min_processes = 3\n[[apps]]\nmatch = "/a"\nmax_processes = 2')).toBe(
    ":3: apps[0].min_processes: 3 is more than max_processes = 2",
  );
});
