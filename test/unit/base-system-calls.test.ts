import { describe, expect, test } from "bun:test";
import { kernelProcessor } from "../../src/base/kernel-processor.ts";
import { systemCall } from "../../src/base/system-calls.ts";

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
});

test("the kernel's processor has the name that Bun gives it", () => {
  // Not that of this process where it is emulated.
  expect(["x64", "arm64"]).toContain(kernelProcessor());
});
