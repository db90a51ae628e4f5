import { describe, expect, test } from "bun:test";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { LogFile } from "../../src/base/log-file.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { makeTempDir, makeTrustedDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

const quiet = { onTrouble() {}, onRecovery() {} };

function into(said: string[]) {
  return {
    onTrouble: (what: string) => void said.push(what),
    onRecovery: (what: string) => void said.push(what),
  };
}

describe("a log file", () => {
  test("takes every line in order, and can be read by its owner and group alone", async () => {
    using dir = makeTempDir();
    const file = new LogFile(dir.at("log"), quiet);
    for (let i = 0; i < 10_000; i++) file.write(`${i}\n`);
    await file.close();
    expect(readFileSync(dir.at("log"), "utf8")).toBe(
      Array.from({ length: 10_000 }, (_, i) => `${i}\n`).join(""),
    );
    expect(statSync(dir.at("log")).mode & 0o777).toBe(0o640);
  });

  test("goes on in a new file after it was renamed, and loses nothing", async () => {
    using dir = makeTempDir();
    const file = new LogFile(dir.at("log"), quiet);
    const lines: string[] = [];
    for (let i = 0; i < 300; i++) {
      const line = `line ${i}\n`;
      lines.push(line);
      file.write(line);
      if (i % 100 !== 99) continue;
      // A file that was never opened cannot be renamed.
      await waitUntil("it is there", () => existsSync(dir.at("log")));
      renameSync(dir.at("log"), dir.at(`log.${i}`));
      await file.reopen();
    }
    file.write("last\n");
    await file.close();
    const parts = ["log.99", "log.199", "log.299", "log"].map((name) => readFileSync(dir.at(name), "utf8"));
    expect(parts.join("")).toBe([...lines, "last\n"].join(""));
  });

  test("that cannot be written keeps lines, says so once, and writes them when it can", async () => {
    using dir = makeTempDir();
    const clock = new FakeClock();
    const said: string[] = [];
    const file = new LogFile(dir.at("later", "log"), { ...into(said), clock });
    file.write("one\n");
    await waitUntil("it is said", () => said.length === 1);
    expect(said[0]).toContain("takes no lines (ENOENT");
    file.write("two\n");
    clock.advance(1000);
    await Bun.sleep(20);
    expect(said.length).toBe(1);
    mkdirSync(dir.at("later"));
    await waitUntil("it is said", () => {
      clock.advance(1000);
      return said.length === 2;
    });
    expect(said[1]).toBe(`${dir.at("later", "log")} takes lines again`);
    await file.close();
    expect(readFileSync(dir.at("later", "log"), "utf8")).toBe("one\ntwo\n");
  });

  test("loses what is above its limit, and says how much", async () => {
    using dir = makeTempDir();
    const clock = new FakeClock();
    const said: string[] = [];
    const file = new LogFile(dir.at("later", "log"), { ...into(said), clock });
    const line = `${"x".repeat(1024 * 1024 - 1)}\n`;
    for (let i = 0; i < 8; i++) file.write(line);
    await waitUntil("it is said", () => said.length === 1);
    mkdirSync(dir.at("later"));
    await waitUntil("it is said", () => {
      clock.advance(1000);
      return said.length === 2;
    });
    await file.close();
    expect(said[1]).toEndWith("takes lines again; 3 lines were lost");
    expect(statSync(dir.at("later", "log")).size).toBe(5 * line.length);
  });

  test("gathers lines for the time it is given, or until there are 64 KiB", async () => {
    using dir = makeTempDir();
    const clock = new FakeClock();
    const file = new LogFile(dir.at("log"), { ...quiet, gatherMs: 1000, clock });
    const size = () => (existsSync(dir.at("log")) ? statSync(dir.at("log")).size : 0);
    file.write("one\n");
    file.write("two\n");
    clock.advance(999);
    await Bun.sleep(20);
    expect(size()).toBe(0);
    clock.advance(1);
    await waitUntil("they are written", () => size() === 8);
    // It must know that, too: what comes while it writes goes out at once.
    await Bun.sleep(50);
    file.write(`${"x".repeat(64 * 1024 - 2)}\n`);
    await Bun.sleep(20);
    expect(size()).toBe(8);
    file.write("\n");
    await waitUntil("they are written", () => size() === 8 + 64 * 1024);
    await file.close();
    expect(clock.timers).toBe(0);
  });

  test("is reopened at once, however many lines come meanwhile", async () => {
    using dir = makeTempDir();
    const file = new LogFile(dir.at("log"), quiet);
    let lines = 0;
    let isOver = false;
    const flood = (async () => {
      while (!isOver) {
        for (let i = 0; i < 100; i++) file.write(`${lines++}\n`);
        await Bun.sleep(0);
      }
    })();
    await waitUntil("it is there", () => existsSync(dir.at("log")));
    for (let i = 0; i < 20; i++) {
      renameSync(dir.at("log"), dir.at(`log.${i}`));
      await file.reopen();
      await waitUntil("the new one is there", () => existsSync(dir.at("log")));
    }
    isOver = true;
    await flood;
    await file.close();
    const names = [...Array.from({ length: 20 }, (_, i) => `log.${i}`), "log"];
    const text = names.map((name) => readFileSync(dir.at(name), "utf8")).join("");
    expect(text).toBe(Array.from({ length: lines }, (_, i) => `${i}\n`).join(""));
  });

  test("on a full disk loses no line, tears none and doubles none", async () => {
    // Only root may mount a small disk; for others /dev/full is one.
    using dir = makeTempDir();
    mkdirSync(dir.at("disk"));
    const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=16k", "none", dir.at("disk")]);
    const said: string[] = [];
    const clock = new FakeClock();
    const path = mounted.success ? dir.at("disk", "log") : "/dev/full";
    try {
      const file = new LogFile(path, { ...into(said), clock });
      const lines = Array.from({ length: 500 }, (_, i) => `${String(i).padStart(99, ".")}\n`);
      for (const line of lines) file.write(line);
      await waitUntil("it is said", () => said.length === 1);
      expect(said[0]).toContain("takes no lines (ENOSPC");
      if (!mounted.success) return;
      renameSync(path, dir.at("disk", "log.1"));
      const first = readFileSync(dir.at("disk", "log.1"), "utf8");
      expect(first.length).toBeGreaterThan(1000);
      await file.reopen();
      Bun.spawnSync(["mount", "-o", "remount,size=1m", dir.at("disk")]);
      await waitUntil("it takes lines again", () => {
        clock.advance(1000);
        return said.length === 2;
      });
      await file.close();
      const whole = first.slice(0, first.lastIndexOf("\n") + 1);
      expect(whole + readFileSync(path, "utf8")).toBe(lines.join(""));
    } finally {
      if (mounted.success) Bun.spawnSync(["umount", dir.at("disk")]);
    }
  });
});

describe("a log file that is opened anew", () => {
  test("is there when that has worked, and nothing was ever written", async () => {
    using dir = makeTempDir();
    const file = new LogFile(dir.at("log"), quiet);
    expect(await file.reopen()).toBeUndefined();
    expect(readFileSync(dir.at("log"), "utf8")).toBe("");
    await file.close();
  });

  test("says why it cannot be, is in trouble until it can, and takes what waits then", async () => {
    using dir = makeTempDir();
    mkdirSync(dir.at("logs"));
    const clock = new FakeClock();
    const said: string[] = [];
    const file = new LogFile(dir.at("logs", "log"), { ...into(said), clock });
    file.write("one\n");
    await waitUntil("it is written", () => existsSync(dir.at("logs", "log")));
    rmSync(dir.at("logs"), { recursive: true });
    const problem = await file.reopen();
    expect(problem).toStartWith(`${dir.at("logs", "log")} takes no lines (ENOENT`);
    expect(await file.reopen()).toBe(problem as string);
    clock.advance(1000);
    await Bun.sleep(20);
    expect(said).toEqual([problem as string]);
    file.write("two\n");
    mkdirSync(dir.at("logs"));
    expect(await file.reopen()).toBeUndefined();
    expect(said).toHaveLength(2);
    await file.close();
    expect(readFileSync(dir.at("logs", "log"), "utf8")).toBe("two\n");
    expect(clock.timers).toBe(0);
  });

  test("takes at once what the old one did not", async () => {
    using dir = makeTrustedDir();
    const said: string[] = [];
    symlinkSync("/dev/full", dir.at("log"));
    const file = new LogFile(dir.at("log"), { ...into(said), clock: new FakeClock() });
    file.write("one\n");
    await waitUntil("it is said", () => said.length === 1);
    rmSync(dir.at("log"));
    expect(await file.reopen()).toBeUndefined();
    expect(readFileSync(dir.at("log"), "utf8")).toBe("one\n");
    expect(said[1]).toBe(`${dir.at("log")} takes lines again`);
    await file.close();
  });

  test("is waited for no longer than some seconds", async () => {
    using dir = makeTrustedDir();
    // Opening it waits for somebody who reads.
    Bun.spawnSync(["mkfifo", dir.at("log")]);
    const clock = new FakeClock();
    const file = new LogFile(dir.at("log"), { ...quiet, clock });
    const problem = file.reopen();
    clock.advance(4000);
    expect(await problem).toStartWith(`${dir.at("log")} does not take what waits, for 4 s now`);
    const reader = openSync(dir.at("log"), constants.O_RDONLY | constants.O_NONBLOCK);
    expect(await file.reopen()).toBeUndefined();
    closeSync(reader);
    await file.close();
  });
});
