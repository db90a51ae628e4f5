import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { closeSync, constants, mkdirSync, openSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { openPlainFile, openPlainFileLater } from "../../src/base/open-place.ts";
import { beginningOf } from "../../src/start/exec-failure.ts";
import { openBelow } from "../support/processes.ts";
import { makeTempDir } from "../support/temp-dir.ts";

let dir: ReturnType<typeof makeTempDir>;
beforeEach(() => {
  dir = makeTempDir();
});
afterEach(() => {
  dir[Symbol.dispose]();
});

describe("a plain file", () => {
  test("is opened, also by a link", async () => {
    writeFileSync(dir.at("a"), "#!/bin/sh\n");
    symlinkSync(dir.at("a"), dir.at("link"));
    for (const path of [dir.at("a"), dir.at("link")]) {
      const fd = openPlainFile(path) as number;
      expect(readFileSync(fd, "latin1")).toBe("#!/bin/sh\n");
      closeSync(fd);
      const handle = await openPlainFileLater(path);
      expect(await handle?.readFile("latin1")).toBe("#!/bin/sh\n");
      await handle?.close();
      expect(beginningOf(path)?.toString()).toBe("#!/bin/sh\n");
    }
  });

  test("has one descriptor, and none where it is something else", () => {
    writeFileSync(dir.at("a"), "");
    symlinkSync(dir.at("a"), dir.at("link"));
    mkdirSync(dir.at("folder"));
    expect([openPlainFile(dir.at("folder")), openBelow(dir.path)]).toEqual([undefined, 0]);
    const fd = openPlainFile(dir.at("link")) as number;
    expect(openBelow(dir.path)).toBe(1);
    closeSync(fd);
  });

  test("that is missing is the system's error", async () => {
    expect(() => openPlainFile(dir.at("none"))).toThrow("ENOENT");
    expect(openPlainFileLater(dir.at("none"))).rejects.toThrow("ENOENT");
    expect(beginningOf(dir.at("none"))).toBeUndefined();
  });
});

/** Whether somebody has opened a FIFO for reading: whoever wants to write would have to wait otherwise (fifo(7)). */
function hasReader(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK));
    return true;
  } catch {
    return false;
  }
}

describe("a FIFO in the place of a file", () => {
  test.each([
    ["itself", "fifo"],
    ["behind a link", "link"],
  ])("%s is not opened, not for a moment", async (_how, name) => {
    Bun.spawnSync(["mkfifo", dir.at("fifo")]);
    symlinkSync(dir.at("fifo"), dir.at("link"));
    // Who waits for a reader goes on as soon as there is one.
    const writer = Bun.spawn(["/bin/sh", "-c", "exec >fifo"], { cwd: dir.path });
    try {
      await Bun.sleep(50);
      for (let i = 0; i < 20; i++) {
        expect(beginningOf(dir.at(name))).toBeUndefined();
        expect(openPlainFile(dir.at(name))).toBeUndefined();
        expect(await openPlainFileLater(dir.at(name))).toBeUndefined();
      }
      await Bun.sleep(50);
      expect([hasReader(dir.at("fifo")), writer.exitCode]).toEqual([false, null]);
    } finally {
      writer.kill("SIGKILL");
      await writer.exited;
    }
  });
});
