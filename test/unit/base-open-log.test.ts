import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { openLog } from "../../src/base/open-log.ts";
import { makeTempDir, makeTrustedDir, type TempDir } from "../support/temp-dir.ts";

const isRoot = process.geteuid?.() === 0;
const SOMEBODY = 65_534;

async function append(path: string, text = "line\n"): Promise<void> {
  const file = await openLog(path);
  await file.writeFile(text);
  await file.close();
}

/** What is in the way. */
async function refusalOf(path: string): Promise<string> {
  const problem = await openLog(path).then(
    () => "",
    (error: Error) => error.message,
  );
  expect(openInTempDirs()).toEqual([]);
  return problem;
}

function openInTempDirs(): string[] {
  const targets = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // That of the list itself.
      return "";
    }
  });
  return targets.filter((target) => target.includes("/fpm-"));
}

/** A folder `log` of somebody else's in one of root's, with a file of root's beside it. */
function foreign(): TempDir {
  const dir = makeTrustedDir();
  writeFileSync(dir.at("victim"), "precious\n", { mode: 0o600 });
  mkdirSync(dir.at("log/sub"), { recursive: true });
  for (const name of ["log", "log/sub"]) chownSync(dir.at(name), SOMEBODY, SOMEBODY);
  return dir;
}

test("a log is made and appended to, for its owner and group", async () => {
  using dir = makeTempDir();
  await append(dir.at("log"), "one\n");
  await append(dir.at("log"), "two\n");
  expect(readFileSync(dir.at("log"), "utf8")).toBe("one\ntwo\n");
  expect(statSync(dir.at("log")).mode & 0o777).toBe(0o640);
});

test("what is named by the system is opened as it is", async () => {
  for (const path of ["/dev/null", "/dev/stderr", "/proc/self/fd/2"]) await append(path, "");
  expect(await refusalOf("/nowhere/at/all")).toStartWith("ENOENT");
});

describe("where root writes", () => {
  test("links lead on that only root could have made, of folders and of the log", async () => {
    if (!isRoot) return;
    using dir = makeTrustedDir();
    mkdirSync(dir.at("disk"));
    symlinkSync("disk", dir.at("log"));
    symlinkSync(`${dir.path}/log/b.log`, dir.at("disk/a.log"));
    await append(dir.at("log/a.log"));
    expect(readFileSync(dir.at("disk/b.log"), "utf8")).toBe("line\n");
  });

  test("as many links lead on as the kernel follows, and the folder of somebody else behind them is one", async () => {
    if (!isRoot) return;
    using dir = foreign();
    const chain = Array.from({ length: 41 }, (_, at) => `link${at}`);
    chain.forEach((name, at) => {
      symlinkSync(chain[at + 1] ?? "log", dir.at(name));
    });
    await append(dir.at("link1/b.log"));
    expect(readFileSync(dir.at("log/b.log"), "utf8")).toBe("line\n");
    linkSync(dir.at("victim"), dir.at("log/a.log"));
    for (const link of ["link2", "link1"])
      expect(await refusalOf(dir.at(`${link}/a.log`))).toContain("log/a.log has more names than this one");
    expect(await refusalOf(dir.at("link0/a.log"))).toStartWith("ELOOP");
    expect(readFileSync(dir.at("victim"), "utf8")).toBe("precious\n");
  });

  test("a plain file in the folder of somebody else is opened, and made where it is missing", async () => {
    if (!isRoot) return;
    using dir = foreign();
    symlinkSync("log", dir.at("link"));
    for (const name of ["log/a.log", "link/a.log", "log/sub/../sub/b.log", "log//./c.log"])
      await append(dir.at(name));
    expect(readFileSync(dir.at("log/a.log"), "utf8")).toBe("line\nline\n");
    expect(readFileSync(dir.at("log/sub/b.log"), "utf8")).toBe("line\n");
    expect(await refusalOf(dir.at("log/none/a.log"))).toBe(
      `ENOENT: no such file or directory, open '${dir.at("log/none")}'`,
    );
  });

  test.each<[what: string, plant: (dir: TempDir) => void, name: string, problem: string]>([
    [
      "a link in the place of the log",
      (dir) => symlinkSync("../victim", dir.at("log/a.log")),
      "log/a.log",
      "log/a.log is a symbolic link",
    ],
    [
      "a link to a file that is to be made",
      (dir) => symlinkSync("../new", dir.at("log/a.log")),
      "log/a.log",
      "log/a.log is a symbolic link",
    ],
    [
      "a hard link",
      (dir) => linkSync(dir.at("victim"), dir.at("log/a.log")),
      "log/a.log",
      "log/a.log has more names than this one (hard links)",
    ],
    [
      "a link in the place of a folder",
      (dir) => symlinkSync("..", dir.at("log/up")),
      "log/up/victim",
      "log/up is a symbolic link",
    ],
    [
      "a FIFO that nobody reads",
      (dir) => Bun.spawnSync(["mkfifo", dir.at("log/a.log")]),
      "log/a.log",
      "log/a.log is no plain file",
    ],
    ["a folder", (dir) => mkdirSync(dir.at("log/a.log")), "log/a.log", "log/a.log is no plain file"],
    ["a file as a folder", (dir) => writeFileSync(dir.at("log/x"), ""), "log/x/a.log", "log/x is no folder"],
    [
      "a link of root's to a link of somebody else's",
      (dir) => {
        symlinkSync("log/a.log", dir.at("a.log"));
        symlinkSync("../victim", dir.at("log/a.log"));
      },
      "a.log",
      "log/a.log is a symbolic link",
    ],
  ])("%s that somebody else could have made is refused", async (_, plant, name, problem) => {
    if (!isRoot) return;
    using dir = foreign();
    plant(dir);
    expect(await refusalOf(dir.at(name))).toStartWith(
      `${dir.path}/${problem}, and user ${SOMEBODY} may change the folder ${dir.at("log")}: `,
    );
    expect(readFileSync(dir.at("victim"), "utf8")).toBe("precious\n");
    expect(readdirSync(dir.path)).not.toContain("new");
  });

  test.each([
    [0o777, "every user"],
    [0o1777, "every user"],
    [0o775, `the group ${SOMEBODY}`],
  ])("a folder that others may write: mode %i, %s", async (mode, who) => {
    if (!isRoot) return;
    using dir = foreign();
    chownSync(dir.at("log"), 0, SOMEBODY);
    chmodSync(dir.at("log"), mode);
    symlinkSync("../victim", dir.at("log/a.log"));
    expect(await refusalOf(dir.at("log/a.log"))).toContain(`${who} may change the folder ${dir.at("log")}`);
  });
});
