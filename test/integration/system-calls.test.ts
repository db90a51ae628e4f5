import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { kernelProcessor } from "../../src/base/kernel-processor.ts";
import { systemCall } from "../../src/base/system-calls.ts";

/** What linux-libc-dev installs; the generic one is that of arm64. */
const HEADERS = {
  x64: "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
  arm64: "/usr/include/asm-generic/unistd.h",
} as const;
/** How many calls of each may take long. */
const KNOWN = { x64: 49, arm64: 41 } as const;

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

test("system calls that may take long have the numbers of the kernel's headers, and none has another one's", () => {
  // On arm64 there are no headers of x64.
  const installed = (["x64", "arm64"] as const).filter((processor) => existsSync(HEADERS[processor]));
  expect(installed).toContain(kernelProcessor() as Processor);
  const looked = installed.map((processor) => {
    const numbers = numbersOf(processor);
    const known = [...numbers].flatMap(([name, number]) => {
      const found = systemCall(processor, number)?.name;
      return found === undefined ? [] : [[name, found] as const];
    });
    for (const [name, found] of known) expect(found).toBe(name);
    expect(known.length).toBe(KNOWN[processor]);
    return { numbers, names: known.map(([name]) => name) };
  });
  // Each is known on both, but for those that one of them does not have.
  for (const one of looked)
    for (const other of looked)
      expect(one.names.filter((name) => other.numbers.has(name)).sort()).toEqual(
        other.names.filter((name) => one.numbers.has(name)).sort(),
      );
});
