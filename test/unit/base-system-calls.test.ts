import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { kernelProcessor } from "../../src/base/kernel-processor.ts";
import { systemCall } from "../../src/base/system-calls.ts";

/** What libc6-dev installs; the generic one is that of arm64. */
const HEADERS = {
  x64: "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
  arm64: "/usr/include/asm-generic/unistd.h",
} as const;
const areInstalled = Object.values(HEADERS).every((path) => existsSync(path));

type Processor = keyof typeof HEADERS;

/** The numbers of all calls by their names, as the kernel's headers have them. */
function numbersOf(processor: Processor): ReadonlyMap<string, number> {
  const defined = readFileSync(HEADERS[processor], "latin1").matchAll(
    /^#define __NR(?:3264)?_(\w+)\s+(\d+)$/gm,
  );
  return new Map(
    [...defined].map(([, name = "", number]) => [name === "fstatat" ? "newfstatat" : name, Number(number)]),
  );
}

describe("a system call", () => {
  test("has no name that takes long where there is no such number", () => {
    for (const processor of ["x64", "arm64"]) {
      expect([systemCall(processor, -1), systemCall(processor, 4000)]).toEqual([undefined, undefined]);
    }
  });

  test("is told with what it waits for, and with its descriptor where it has one", () => {
    expect(systemCall("x64", 0)).toEqual({ name: "read", waiting: "input", hasFd: true });
    expect(systemCall("arm64", 98)).toEqual({ name: "futex", waiting: "lock", hasFd: false });
  });

  test.skipIf(!areInstalled)("that may take long has the number of the kernel's headers", () => {
    const [x64, arm64] = [numbersOf("x64"), numbersOf("arm64")];
    const known = (processor: Processor, numbers: ReadonlyMap<string, number>) =>
      [...numbers].flatMap(([name, number]) => {
        const found = systemCall(processor, number)?.name;
        return found === undefined ? [] : [[name, found]];
      });
    const all = { x64: known("x64", x64), arm64: known("arm64", arm64) };
    for (const [name, found] of [...all.x64, ...all.arm64]) expect(found).toBe(name as string);
    // Each is known on both, but for those that one of them does not have.
    const names = (calls: string[][], others: ReadonlyMap<string, number>) =>
      calls.map(([name = ""]) => name).filter((name) => others.has(name));
    expect(names(all.x64, arm64).sort()).toEqual(names(all.arm64, x64).sort());
    // And none has a number that is another one's.
    expect([all.x64.length, all.arm64.length]).toEqual([49, 41]);
  });
});

test("the kernel's processor has the name that Bun gives it", () => {
  // Not that of this process where it is emulated.
  expect(["x64", "arm64"]).toContain(kernelProcessor());
});
