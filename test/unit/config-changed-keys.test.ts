import { describe, expect, test } from "bun:test";
import { changedKeys, withoutRestart } from "../../src/config/changed-keys.ts";
import type { AppsTable, ConfigFile } from "../../src/config/schema.ts";
import { defaultTables, layFile } from "../../src/config/tables.ts";

/** The tables of a file over the defaults. */
function tables(file: ConfigFile) {
  return layFile(defaultTables(), file);
}

function changes(before: ConfigFile, after: ConfigFile) {
  return changedKeys(tables(before), tables(after));
}

const apps = (...list: AppsTable[]): ConfigFile => ({ apps: list });

describe("changed keys", () => {
  test("of the same configuration are none", () => {
    const file: ConfigFile = { app: { env: { A: "1", B: "2" } }, apps: [{ match: "/a", env: { C: "3" } }] };
    const again: ConfigFile = { app: { env: { B: "2", A: "1" } }, apps: [{ env: { C: "3" }, match: "/a" }] };
    expect(changes(file, again)).toEqual({ changed: [], needRestart: [] });
  });

  test("are named with their tables, without values", () => {
    const before: ConfigFile = { log: { level: "debug" }, app: { env: { PASSWORD: "old" } } };
    const after: ConfigFile = {
      server: { max_processes: 7, drain_timeout: "1s" },
      slow_log: { after: "0", command: ["/usr/bin/py-spy", "--secret"] },
      app: { env: { PASSWORD: "new" }, idle_timeout: "5s" },
    };
    const { changed, needRestart } = changes(before, after);
    expect([...changed].sort()).toEqual([
      "app.env",
      "app.idle_timeout",
      "log.level",
      "server.drain_timeout",
      "server.max_processes",
      "slow_log.after",
      "slow_log.command",
    ]);
    expect(needRestart).toEqual([]);
  });

  test("that a running daemon does not take on are told apart", () => {
    const after: ConfigFile = {
      server: {
        listen: ["/a.sock"],
        listen_mode: "0600",
        listen_owner: "0",
        listen_group: "0",
        listen_backlog: 7,
        runtime_dir: "/tmp/x",
        head_timeout: "1s",
      },
    };
    const { changed, needRestart } = changes({}, after);
    expect(needRestart).toEqual([
      "server.listen",
      "server.listen_mode",
      "server.listen_owner",
      "server.listen_group",
      "server.listen_backlog",
      "server.runtime_dir",
    ]);
    expect(changed).toEqual([...needRestart, "server.head_timeout"]);
  });

  test("do not name `listen` when a single address has become a list of one", () => {
    expect(changes({ server: { listen: "/a.sock" } }, { server: { listen: ["/a.sock"] } }).changed).toEqual(
      [],
    );
  });

  test("of [[apps]] are named by their match, as are tables that came or went", () => {
    const before = apps({ match: "/a", env: { A: "1" } }, { match: "/b" });
    const after = apps({ match: "/a", env: { A: "2" }, cwd: "/" }, { match: "/c" });
    expect(changes(before, after).changed).toEqual([
      'apps["/a"].env',
      'apps["/a"].cwd',
      'apps["/c"] (new)',
      'apps["/b"] (gone)',
    ]);
  });

  test("tell two tables with the same match apart", () => {
    const before = apps({ match: "/a" }, { match: "/a", cwd: "/x" });
    expect(changes(before, apps({ match: "/a" }, { match: "/a", cwd: "/y" })).changed).toEqual([
      'apps["/a#2"].cwd',
    ]);
    expect(changes(before, apps({ match: "/a" })).changed).toEqual(['apps["/a#2"] (gone)']);
  });

  test("name the order of [[apps]], which decides who wins", () => {
    const [a, b]: AppsTable[] = [{ match: "/a" }, { match: "/b" }];
    if (!a || !b) throw new Error("two tables were made");
    expect(changes(apps(a, b), apps(b, a)).changed).toEqual(["apps (their order)"]);
  });
});

test("what needs a restart keeps its value, all else is the new one's", () => {
  const before = tables({ server: { listen: "/old.sock", runtime_dir: "/old", max_processes: 1 } });
  const after = tables({
    server: { listen: "/new.sock", runtime_dir: "/new", max_processes: 2 },
    log: { level: "warn" },
  });
  const effective = withoutRestart(before, after);
  expect(effective).toEqual({
    ...after,
    server: { ...after.server, listen: "/old.sock", runtime_dir: "/old" },
  });
  expect(changedKeys(effective, after).needRestart).toEqual(["server.listen", "server.runtime_dir"]);
});
