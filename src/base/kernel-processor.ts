import { readFileSync } from "node:fs";

/** By the names of uname(1), those of Bun. */
const NAMES: Readonly<Record<string, string>> = { x86_64: "x64", aarch64: "arm64" };
const FILE = "/proc/sys/kernel/arch";

let known: string | undefined;

/**
 * The kernel's processor, as Bun names it: what its system calls are numbered by. Another one than ours where std-fpm is emulated, as uname(2)
 * does not say then. Linux before 6.1 has no such file; ours is taken for it there.
 */
export function kernelProcessor(): string {
  known ??= processorIn(FILE) ?? process.arch;
  return known;
}

function processorIn(file: string): string | undefined {
  try {
    return NAMES[readFileSync(file, "latin1").trim()];
  } catch {
    return undefined;
  }
}
