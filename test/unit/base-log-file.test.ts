import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { LogFile } from "../../src/base/log-file.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { makeTempDir } from "../support/temp-dir.ts";
import { waitUntil } from "../support/wait-until.ts";

describe("a log file", () => {
  test("takes every line in order, and can be read by its owner and group alone", async () => {
    using dir = makeTempDir();
    const file = new LogFile(dir.at("log"), { onTrouble() {} });
    for (let i = 0; i < 10_000; i++) file.write(`${i}\n`);
    await file.close();
    expect(readFileSync(dir.at("log"), "utf8")).toBe(
      Array.from({ length: 10_000 }, (_, i) => `${i}\n`).join(""),
    );
    expect(statSync(dir.at("log")).mode & 0o777).toBe(0o640);
  });

  test("goes on in a new file after it was renamed, and loses nothing", async () => {
    using dir = makeTempDir();
    const file = new LogFile(dir.at("log"), { onTrouble() {} });
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
    const file = new LogFile(dir.at("later", "log"), { onTrouble: (what) => said.push(what), clock });
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
    const file = new LogFile(dir.at("later", "log"), { onTrouble: (what) => said.push(what), clock });
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
    const file = new LogFile(dir.at("log"), { onTrouble() {}, gatherMs: 1000, clock });
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
    const file = new LogFile(dir.at("log"), { onTrouble() {} });
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
      const file = new LogFile(path, { onTrouble: (what) => said.push(what), clock });
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
