import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { runtimeFolderProblem } from "../../src/config/runtime-folder.ts";
import { RuntimeDir } from "../../src/daemon/runtime-dir.ts";
import { isOpenAs } from "../support/open-file.ts";
import { openBelow } from "../support/processes.ts";
import { makeTempDir, type TempDir } from "../support/temp-dir.ts";

const uid = process.geteuid?.() ?? 0;
const isRoot = uid === 0;
let folder: TempDir;

beforeEach(() => {
  folder = makeTempDir();
  mkdirSync(folder.at("run"));
});
afterEach(() => folder[Symbol.dispose]());

describe("a runtime folder", () => {
  test("that is missing, or belongs to us alone, is used", () => {
    expect(runtimeFolderProblem(folder.at("none/at/all"), uid)).toBeUndefined();
    expect(runtimeFolderProblem(folder.at("run"), uid)).toBeUndefined();
  });

  test.each([
    [
      "is a link",
      () => symlinkSync(folder.at("run"), folder.at("link")),
      "link",
      "it is a link, or no folder",
    ],
    ["is a file", () => writeFileSync(folder.at("file"), ""), "file", "it is a link, or no folder"],
    [
      "others may write",
      () => chmodSync(folder.at("run"), 0o757),
      "run",
      "others than its owner may write it",
    ],
    [
      "has an open folder above it",
      () => chmodSync(folder.path, 0o757),
      "run",
      "others than its owner may write the folder",
    ],
  ])("that %s is refused", (_what, spoil, name, why) => {
    spoil();
    expect(runtimeFolderProblem(folder.at(name), uid)).toStartWith(why);
    expect(() => new RuntimeDir(folder.at(name))).toThrow(
      `The runtime folder ${folder.at(name)} cannot be used: ${why}`,
    );
  });

  test("that its group may write is root's no more, but may be another user's", () => {
    if (!isRoot) return;
    chmodSync(folder.at("run"), 0o770);
    expect(runtimeFolderProblem(folder.at("run"), 0)).toStartWith("others than its owner may write it");
    chownSync(folder.at("run"), 5, 60);
    expect(runtimeFolderProblem(folder.at("run"), 5)).toBeUndefined();
    chmodSync(folder.path, 0o777);
    expect(runtimeFolderProblem(folder.at("run"), 5)).toStartWith(
      "others than its owner may write the folder",
    );
    chmodSync(folder.path, 0o1777);
    expect(runtimeFolderProblem(folder.at("run"), 5)).toBeUndefined();
  });

  test("of another user, or below one of theirs, is refused", () => {
    if (!isRoot) return;
    chownSync(folder.at("run"), 5, 60);
    expect(runtimeFolderProblem(folder.at("run"), 0)).toBe("it belongs to user 5");
    expect(runtimeFolderProblem(folder.at("run"), 5)).toBeUndefined();
    expect(runtimeFolderProblem(folder.at("run/sub"), 0)).toBe(
      `the folder ${folder.at("run")} above it belongs to user 5`,
    );
  });
});

describe("a file in the runtime folder", () => {
  test.each(["std-fpm.pid", "instance"])("%s is never a link to another one", (name) => {
    writeFileSync(folder.at("victim"), "precious\n");
    for (const put of [symlinkSync, linkSync]) {
      put(folder.at("victim"), folder.at(`run/${name}`));
      expect(() => new RuntimeDir(folder.at("run")).claim()).toThrow();
      expect(readFileSync(folder.at("victim"), "utf8")).toBe("precious\n");
      rmSync(folder.at(`run/${name}`));
    }
  });

  test("backends is never a link to another folder", () => {
    mkdirSync(folder.at("other"), { mode: 0o700 });
    symlinkSync(folder.at("other"), folder.at("run/backends"));
    expect(() => new RuntimeDir(folder.at("run"))).toThrow("must belong to the user that runs std-fpm");
  });
});

test("what was not claimed stays: it may be that of a daemon whose pid file was removed", () => {
  const running = new RuntimeDir(folder.at("run"));
  running.claim();
  writeFileSync(folder.at("run/backends/1-1.sock"), "");
  rmSync(folder.at("run/std-fpm.pid"));
  const second = new RuntimeDir(folder.at("run"));
  expect(second.release()).toEqual([]);
  expect(existsSync(folder.at("run/backends/1-1.sock"))).toBe(true);
  expect(readFileSync(folder.at("run/instance"), "latin1").trim()).toBe(running.lock.instance);
  running.release();
});

test("nothing of what was claimed stays, be it ours or of before, but for the folder", () => {
  mkdirSync(folder.at("run/backends"), { mode: 0o700 });
  const running = new RuntimeDir(folder.at("run"));
  running.claim();
  expect(readdirSync(folder.at("run")).sort()).toEqual(["backends", "instance", "std-fpm.pid"]);
  expect([running.release(), readdirSync(folder.at("run"))]).toEqual([[], []]);
});

describe("a runtime folder that somebody has removed", () => {
  const claimed = () => {
    chmodSync(folder.at("run"), 0o750);
    if (isRoot) chownSync(folder.at("run"), 0, 60);
    const running = new RuntimeDir(folder.at("run"));
    running.claim();
    running.writePid();
    return running;
  };
  const isLocked = () => {
    try {
      new RuntimeDir(folder.at("run")).claim();
      return false;
    } catch (error) {
      return (error as { code?: string }).code === "ALREADY_RUNNING";
    }
  };

  test("has a pid in its pid file at any time, also while another daemon takes over", () => {
    const running = claimed();
    const file = folder.at("run/std-fpm.pid");
    const { ino } = statSync(file);
    // As a longer one left it.
    writeFileSync(file, "4194303\n");
    const seen = new Set<string>();
    const reader = Bun.spawn(
      [
        "perl",
        "-e",
        'while (!-e "$ARGV[0].end") { open F, $ARGV[0]; $seen{<F> // ""} = 1 } print sort keys %seen',
        file,
      ],
      { stdout: "pipe" },
    );
    Bun.sleepSync(100);
    for (let times = 0; times < 2000; times++) running.writePid();
    writeFileSync(`${file}.end`, "");
    return new Response(reader.stdout).text().then((text) => {
      for (const line of text.trimEnd().split("\n")) seen.add(line);
      expect([...seen].filter((line) => !["4194303", `${process.pid}`].includes(line))).toEqual([]);
      expect([readFileSync(file, "latin1"), statSync(file).ino]).toEqual([`${process.pid}\n`, ino]);
      rmSync(`${file}.end`);
      running.release();
    });
  });

  test("is made again as it was: owner, mode, pid and marker, and it is locked", () => {
    const running = claimed();
    const marker = readFileSync(folder.at("run/instance"), "latin1");
    expect(running.isIntact).toBe(true);
    rmSync(folder.at("run"), { recursive: true });
    expect([running.isIntact, running.socketNames]).toEqual([false, undefined]);
    running.remake();
    const { mode, gid } = statSync(folder.at("run"));
    expect([mode & 0o7777, isRoot ? gid : 60]).toEqual([0o750, 60]);
    expect(readFileSync(folder.at("run/std-fpm.pid"), "latin1")).toBe(`${process.pid}\n`);
    expect(readFileSync(folder.at("run/instance"), "latin1")).toBe(marker);
    expect([running.isIntact, running.socketNames?.size, isLocked()]).toEqual([true, 0, true]);
    running.release();
  });

  test("of which only parts are missing keeps its lock", () => {
    const running = claimed();
    const { fd } = running.lock;
    for (const name of ["instance", "backends"]) {
      rmSync(folder.at(`run/${name}`), { recursive: true });
      expect(running.isIntact).toBe(false);
      running.remake();
      expect([running.isIntact, running.lock.fd, isLocked()]).toEqual([true, fd, true]);
    }
    rmSync(folder.at("run/std-fpm.pid"));
    expect(running.isIntact).toBe(false);
    running.remake();
    expect([running.isIntact, isLocked()]).toEqual([true, true]);
    running.release();
  });

  test("and that another daemon has made its own is left alone", () => {
    const running = claimed();
    rmSync(folder.at("run"), { recursive: true });
    mkdirSync(folder.at("run"));
    const other = new RuntimeDir(folder.at("run"));
    other.claim();
    expect(() => running.remake()).toThrow("Another std-fpm runs in");
    const { fd } = running.lock;
    const { ino } = fstatSync(fd);
    expect(running.release()).toEqual([]);
    expect(isOpenAs(fd, ino)).toBe(false);
    expect(readFileSync(folder.at("run/instance"), "latin1").trim()).toBe(other.lock.instance);
    other.release();
  });
});

describe("a runtime folder that is given to others while we serve", () => {
  const claimed = () => {
    const running = new RuntimeDir(folder.at("run"));
    running.claim();
    writeFileSync(folder.at("run/backends/1-1.sock"), "");
    return running;
  };
  const isAsBefore = () => {
    expect([statSync(folder.at("run")).uid, statSync(folder.at("run")).mode & 0o7777]).toEqual([uid, 0o755]);
    expect(existsSync(folder.at("run/backends/1-1.sock"))).toBe(true);
  };

  test("by its mode is taken back, with all that is in it", () => {
    const running = claimed();
    expect(running.isGivenAway).toBe(false);
    chmodSync(folder.at("run"), 0o777);
    expect([running.isGivenAway, running.isIntact]).toEqual([true, true]);
    running.takeBack();
    expect(running.isGivenAway).toBe(false);
    isAsBefore();
    running.release();
  });

  test.each([
    ["its group", 0o750],
    ["everybody", 0o777],
  ] as const)(
    "by the mode of that of the sockets, open to %s, is taken back, but nothing else is changed",
    (_who, mode) => {
      const running = claimed();
      chmodSync(folder.at("run/backends"), mode);
      chmodSync(folder.at("run"), 0o750);
      expect([running.isGivenAway, running.isIntact]).toEqual([true, true]);
      running.takeBack();
      expect([running.isGivenAway, running.isIntact]).toEqual([false, true]);
      expect(statSync(folder.at("run/backends")).mode & 0o7777).toBe(0o700);
      expect(statSync(folder.at("run")).mode & 0o7777).toBe(0o750);
      expect(existsSync(folder.at("run/backends/1-1.sock"))).toBe(true);
      running.release();
    },
  );

  test("by its owner, as systemd-tmpfiles does, is taken back by root", () => {
    if (!isRoot) return;
    const running = claimed();
    chownSync(folder.at("run"), 5, 60);
    expect(running.isGivenAway).toBe(true);
    running.takeBack();
    expect(running.isGivenAway).toBe(false);
    isAsBefore();
    running.release();
  });

  test("is not mistaken for another one in its place", () => {
    const running = claimed();
    renameSync(folder.at("run"), folder.at("old"));
    mkdirSync(folder.at("run"), { mode: 0o777 });
    chmodSync(folder.at("run"), 0o777);
    expect([running.isGivenAway, running.isIntact]).toEqual([false, false]);
    running.takeBack();
    expect(statSync(folder.at("run")).mode & 0o777).toBe(0o777);
    expect(() => running.remake()).toThrow("others than its owner may write it");
    running.yield();
  });

  test("is not mistaken for another daemon's either", () => {
    const running = claimed();
    renameSync(folder.at("run"), folder.at("old"));
    const other = new RuntimeDir(folder.at("run"));
    other.claim();
    expect(() => running.remake()).toThrow("Another std-fpm runs in");
    for (const name of ["run", "run/backends"]) chmodSync(folder.at(name), 0o777);
    expect(running.isGivenAway).toBe(false);
    running.takeBack();
    for (const name of ["run", "run/backends"]) expect(statSync(folder.at(name)).mode & 0o777).toBe(0o777);
    running.yield();
    other.release();
  });

  test.each([
    ["another one", (path: string) => mkdirSync(path, { mode: 0o755 })],
    ["a link", (path: string) => symlinkSync(folder.at("old"), path)],
    ["another user's", (path: string) => renameSync(folder.at("old"), path)],
  ])("is lost where that of the sockets is %s", (what, put) => {
    if (what === "another user's" && !isRoot) return;
    const running = claimed();
    renameSync(folder.at("run/backends"), folder.at("old"));
    if (what === "another user's") chownSync(folder.at("old"), 5, 60);
    put(folder.at("run/backends"));
    expect([running.isGivenAway, running.isIntact]).toEqual([false, false]);
    expect(() => running.remake()).toThrow("must belong to the user that runs std-fpm");
    running.release();
  });
});

test("a folder in which another daemon runs is given back: its files and its lock stay", () => {
  const running = new RuntimeDir(folder.at("run"));
  running.claim();
  running.writePid();
  const before = openBelow(folder.path);
  for (let i = 0; i < 5; i++)
    expect(() => new RuntimeDir(folder.at("run")).claim()).toThrow(
      `std-fpm is already running in ${folder.at("run")} (pid ${process.pid})`,
    );
  expect([before > 0, openBelow(folder.path)]).toEqual([true, before]);
  expect(running.isIntact).toBe(true);
  running.release();
});

test("a runtime folder that somebody takes away while std-fpm starts is told as what it is", () => {
  const path = folder.at("run");
  const runtimeDir = new RuntimeDir(path);
  rmSync(path, { recursive: true });
  writeFileSync(path, "");
  expect(() => runtimeDir.claim()).toThrow(`The runtime folder ${path} cannot be used: ENOTDIR`);
});
