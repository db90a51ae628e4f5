import { describe, expect, test } from "bun:test";
import { chmodSync, chownSync, symlinkSync, writeFileSync } from "node:fs";
import { readEnvFile } from "../../src/start/env-file.ts";
import { openBelow } from "../support/processes.ts";
import { makeTempDir } from "../support/temp-dir.ts";

/** Such a file with this text. */
function fileOf(text: string, mode = 0o600) {
  const dir = makeTempDir();
  const path = dir.at("secrets");
  writeFileSync(path, text);
  chmodSync(path, mode);
  return { path, dir, [Symbol.dispose]: () => dir[Symbol.dispose]() };
}

describe("env_file", () => {
  test("has a variable a line, perhaps in quotes", () => {
    using file = fileOf(
      `# the shop's\nKEY=a=b c \n\nQUOTED="x # y"\r\nSINGLE='z'\nEMPTY=\nHALF="open\nUMLAUT=ä\n`,
    );
    expect(readEnvFile(file.path)).toEqual({
      KEY: "a=b c ",
      QUOTED: "x # y",
      SINGLE: "z",
      EMPTY: "",
      HALF: '"open',
      UMLAUT: "ä",
    });
  });

  test.each(["export KEY=1", "KEY", "1KEY=2", " KEY=1", "KEY=a\0b"])(
    "a line %j is an error with its number",
    (line) => {
      using file = fileOf(`A=1\n${line}\n`);
      expect(() => readEnvFile(file.path)).toThrow(`${file.path}:2: expected NAME=value`);
    },
  );

  test.each(["LISTEN_FDS", "NOTIFY_SOCKET", "FCGI_WEB_SERVER_ADDRS"])("never passes %s on", (name) => {
    using file = fileOf(`A=1\n${name}=x\n`);
    expect(() => readEnvFile(file.path)).toThrow(
      `${file.path}:2: ${name} would make programs misbehave and is never passed on`,
    );
  });

  test.each([0o640, 0o604, 0o620, 0o666])(
    "of mode %o is refused: others must not read or write it",
    (mode) => {
      using file = fileOf("A=1\n", mode);
      expect(() => readEnvFile(file.path)).toThrow(`others may read ${file.path}: chmod 600`);
    },
  );

  test("is closed again, whatever comes of it", () => {
    using good = fileOf("A=1\n");
    using bad = fileOf("A=1\n", 0o644);
    for (let i = 0; i < 20; i++) readEnvFile(good.path);
    for (let i = 0; i < 20; i++) expect(() => readEnvFile(bad.path)).toThrow("others may read");
    expect([good, bad].map(({ dir }) => openBelow(dir.path))).toEqual([0, 0]);
  });

  test("of anybody but root and our own user is refused", () => {
    if (process.geteuid?.() !== 0) return;
    using file = fileOf("A=1\n");
    chownSync(file.path, 5, 60);
    expect(() => readEnvFile(file.path)).toThrow(`${file.path} belongs to user 5`);
  });

  test("may have 1 MiB, not a byte more", () => {
    using largest = fileOf(`A=${"x".repeat(1024 * 1024 - 2)}`);
    using larger = fileOf(`A=${"x".repeat(1024 * 1024 - 1)}`);
    expect(readEnvFile(largest.path)["A"]?.length).toBe(1024 * 1024 - 2);
    expect(() => readEnvFile(larger.path)).toThrow("is no file of at most 1 MiB");
  });

  test("is no link, no folder, no FIFO, and must be there", () => {
    using file = fileOf("A=1\n");
    symlinkSync(file.path, file.dir.at("link"));
    Bun.spawnSync(["mkfifo", "-m", "600", file.dir.at("fifo")]);
    expect(() => readEnvFile(file.dir.at("link"))).toThrow("cannot be read: ELOOP");
    expect(() => readEnvFile(file.dir.at("none"))).toThrow("cannot be read: ENOENT");
    expect(() => readEnvFile(file.dir.at("fifo"))).toThrow("is no file of at most 1 MiB");
    expect(() => readEnvFile(file.dir.path)).toThrow("is no file of at most 1 MiB");
  });
});
