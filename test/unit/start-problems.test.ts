import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { loadConfig } from "../../src/config/load.ts";
import { startProblems } from "../../src/start/start-problems.ts";
import { makeTempDir, type TempDir } from "../support/temp-dir.ts";

/** Who is not root runs all programs as itself. */
const isRoot = process.geteuid?.() === 0;
let dir: TempDir;

beforeEach(() => {
  dir = makeTempDir();
});
afterEach(() => dir[Symbol.dispose]());

/** With the folder as F. */
async function problemsOf(text: string): Promise<string[]> {
  const file = dir.at("main.toml");
  writeFileSync(file, `server.include = ""\n${text.replaceAll("F/", `${dir.path}/`)}`);
  const { tables } = await loadConfig({ file });
  return (await startProblems(tables, isRoot)).map((line) => line.replaceAll(dir.path, "F"));
}

const table = (...lines: string[]) => `[[apps]]\nmatch = "/srv/**"\n${lines.join("\n")}\n`;

test("an env_file that a start could not read is told where it is written", async () => {
  expect((await problemsOf('app.env_file = "F/none.env"'))[0]).toMatch(
    /^app\.env_file: F\/none\.env cannot be read: ENOENT.*: programs will not start$/,
  );
  writeFileSync(dir.at("open.env"), "A=1\n", { mode: 0o644 });
  expect(await problemsOf(table('env_file = "F/open.env"'))).toEqual([
    "apps[0].env_file: others may read F/open.env: chmod 600: programs will not start",
  ]);
  writeFileSync(dir.at("good.env"), "A=1\n", { mode: 0o600 });
  expect(await problemsOf(`app.env_file = "F/good.env"\n${table('user = "root"')}`)).toEqual([]);
});

test("a control group that does not exist is told", async () => {
  mkdirSync(dir.at("group"));
  const missing = "cgroup: there is no control group F/group: programs will not start";
  expect(await problemsOf('app.cgroup = "F/group"')).toEqual([`app.${missing}`]);
  expect(await problemsOf(table('cgroup = "F/group"'))).toEqual([`apps[0].${missing}`]);
  writeFileSync(dir.at("group/cgroup.procs"), "");
  expect(await problemsOf('app.cgroup = "F/group"')).toEqual([]);
});

test("run by root, a table that leaves nobody to run as is told", async () => {
  const named = 'app.user = "root"\n';
  const expected = (line: string) => (isRoot ? [expect.stringContaining(line)] : []);
  expect(await problemsOf(named + table('user = ""'))).toEqual(
    expected("apps[0].user: std-fpm runs as root, and no setting names a user for it"),
  );
  const unknown = "user 65536000 has no group: set `group`: programs will not start";
  expect(await problemsOf('app.user = "65536000"')).toEqual(expected(`app.user: ${unknown}`));
  expect(await problemsOf(named + table('user = "65536000"'))).toEqual(expected(`apps[0].user: ${unknown}`));
  expect(await problemsOf(`app.user = "65536000"\napp.group = "65536000"\n${table('group = ""')}`)).toEqual(
    expected(`apps[0].group: ${unknown}`),
  );
});

test("what other settings give, or what is told elsewhere, is not", async () => {
  const named = 'app.user = "root"\n';
  for (const text of [
    `${named}app.group = "65536000"\n${table('user = "65536000"')}`,
    named + table('user = ""') + table('user = "root"'),
    named + table('user = "owner"'),
    named + table('user = "no-such-user"'),
    named + table('group = "no-such-group"'),
    table('user = ""'),
    table("nice = 1"),
  ])
    expect(await problemsOf(text)).toEqual([]);
});
