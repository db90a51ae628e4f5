import { expect, test } from "bun:test";
import { chmod, chown, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import { configFiles } from "../support/config-files.ts";

const files = configFiles();
const warningsOf = async (text: string) => (await files.load(text)).warnings;

test("sockets of root's in a folder that others may change are pointed out", async () => {
  if (process.geteuid?.() !== 0) return;
  const folder = files.folder();
  const [shared, own] = [join(folder, "shared-sockets"), join(folder, "own-sockets")];
  for (const each of [shared, own]) await mkdir(each);
  await chmod(folder, 0o755);
  const sockets = (of: string) =>
    `server.listen = ["${own}/own.sock", "${of}/x.sock"]\nserver.listen_mode = "0666"\nserver.runtime_dir = "${shared}/run"\nadmin.listen = ["admin.sock", "${of}/a.sock"]\n[app]\n`;
  const asRoot = 'user = "www-data"';
  const warning = (key: string, who: string, file: string) =>
    `${key}: ${who} may change the folder ${shared}, and so put another socket in the place of ${shared}/${file}; set a path in a folder that only root may change`;
  const both = (who: string) => [
    warning("server.listen", who, "x.sock"),
    warning("admin.listen", who, "a.sock"),
  ];
  await chown(shared, 33, 4);
  expect(await warningsOf(`${sockets(shared)}${asRoot}`)).toEqual(both("user 33"));
  await chown(shared, 0, 4);
  await chmod(shared, 0o775);
  expect(await warningsOf(`${sockets(shared)}${asRoot}`)).toEqual(both("the group 4"));
  await chmod(shared, 0o777);
  expect(await warningsOf(`${sockets(shared)}${asRoot}`)).toEqual(both("every user"));
  expect(await warningsOf(`${sockets(own)}${asRoot}`)).toEqual([]);
  // The packages' std-fpm is not root's, and neither is its folder.
  expect(await warningsOf(sockets(shared))).toEqual([]);
  // In a sticky one only a file's owner may rename it.
  await chmod(shared, 0o1777);
  expect(await warningsOf(`${sockets(shared)}${asRoot}`)).toEqual([]);
});

test("a socket that nobody can get to is pointed out", async () => {
  const folder = files.folder();
  const socket = (lines: string) => `[server]\ninclude = ""\nlisten = "${folder}/x.sock"\n${lines}`;
  const warnings = async (lines: string) =>
    (await loadConfig({ file: await files.write("socket.toml", socket(lines)) })).warnings;
  await chmod(folder, 0o700);
  expect(await warnings('listen_mode = "0666"')).toEqual([
    `server.listen: other users cannot get to ${folder}/x.sock: they may not search the folder ${folder} (mode 0700)`,
  ]);
  expect(await warnings('listen_group = "daemon"')).toEqual([
    `server.listen: the group daemon cannot get to ${folder}/x.sock: they may not search the folder ${folder} (mode 0700)`,
  ]);
  expect(await warnings('listen_mode = "0600"')).toEqual([
    `server.listen: only std-fpm's own user and root can connect to ${folder}/x.sock, with listen_mode = "0600"`,
  ]);
  expect(await warnings('listen_mode = "0600"\nlisten_owner = "daemon"')).toEqual([]);
  await chmod(folder, 0o711);
  expect(await warnings('listen_mode = "0666"')).toEqual([]);
  expect(await warnings('listen_group = "daemon"')).toEqual([]);
});
