import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { symlinkSync, writeFileSync } from "node:fs";
import { readLeniently } from "../../src/cli/lenient-config.ts";
import { makeTempDir, type TempDir } from "../support/temp-dir.ts";

let folder: TempDir;

beforeEach(() => {
  folder = makeTempDir();
});
afterEach(() => folder[Symbol.dispose]());

/** What is read of a file with this text: runtime folder, where it listens, where it is asked, and whether the latter are named. */
async function read(text: string | Uint8Array): Promise<unknown[]> {
  writeFileSync(folder.at("c.toml"), text);
  const { tables, namesAdmin, namesListen } = await readLeniently(folder.at("c.toml"));
  return [tables.server.runtime_dir, tables.server.listen, tables.admin.listen, namesAdmin, namesListen];
}

const [RUN, SOCK, ADMIN] = ["/run/std-fpm", "/run/std-fpm/std-fpm.sock", "admin.sock"];

describe("of a configuration with mistakes", () => {
  test.each<[string, unknown[]]>([
    ["", [RUN, SOCK, ADMIN, false, false]],
    ['[server]\nruntime_dir = "/a"\nx = 1\n[nonsense]', ["/a", SOCK, ADMIN, true, false]],
    ['server.listen = "/l"\n[admin]\nlisten = ["/a", "b.sock"]', [RUN, "/l", ["/a", "b.sock"], true, true]],
    ['[admin]\nlisten = "127.0.0.1:1"', [RUN, SOCK, "127.0.0.1:1", true, false]],
    ['[admin]\nlisten = ""', [RUN, SOCK, "", true, false]],
    // A name is in the runtime folder, wherever that is.
    ['[admin]\nlisten = "b.sock"', [RUN, SOCK, "b.sock", false, false]],
    // What is wrong in itself does not count.
    ['[server]\nruntime_dir = "a"\nlisten = 3', [RUN, SOCK, ADMIN, false, false]],
    ["server = 3\n[admin]\nlisten = 4", [RUN, SOCK, ADMIN, false, false]],
    // No TOML at all: line by line.
    ['server.runtime_dir = "/a"\nx =', ["/a", SOCK, ADMIN, true, false]],
    ['x = "\n [ server ]\nlisten="/l" # here\n runtime_dir = \'/a\'\n', ["/a", "/l", ADMIN, true, true]],
    ['[server\nruntime_dir = "/a"\n[[apps]]\nlisten = "/x"', ["/a", SOCK, ADMIN, true, false]],
    ['[app]\nruntime_dir = "/x"\nx = "\n[admin]\nlisten = "/y', [RUN, SOCK, ADMIN, false, false]],
  ])("%p is read as far as it goes", async (text, expected) => {
    expect(await read(text)).toEqual(expected);
    // A byte that is no UTF-8 changes nothing.
    expect(await read(Buffer.concat([Buffer.from(`${text}\n# `), Buffer.from([0xff])]))).toEqual(expected);
  });

  test("included files are read, too, and what cannot be read is passed over", async () => {
    writeFileSync(folder.at("1.inc"), 'x = \n[server]\nruntime_dir = "/one"\nlisten = "/l"');
    writeFileSync(folder.at("2.inc"), '[server]\nruntime_dir = "/two"');
    symlinkSync("nowhere", folder.at("3.inc"));
    const main = `[server]\ninclude = "${folder.path}/*.inc"\nruntime_dir = "/main"\n`;
    expect(await read(main)).toEqual(["/two", "/l", ADMIN, true, true]);
    const none = await readLeniently(folder.at("none.toml"));
    expect([none.tables.server.runtime_dir, none.namesAdmin]).toEqual([RUN, false]);
  });
});
