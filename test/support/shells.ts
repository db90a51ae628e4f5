import { expect } from "bun:test";
import { mkdirSync, symlinkSync } from "node:fs";
import { resolve } from "node:path";
import { EXECUTABLE } from "./std-fpm.ts";
import { makeTempDir, type TempDir } from "./temp-dir.ts";

/** A folder for shells with std-fpm in its `bin`. */
export function makeShellFolder(): TempDir {
  const dir = makeTempDir();
  mkdirSync(dir.at("bin"));
  symlinkSync(EXECUTABLE, dir.at("bin/std-fpm"));
  return dir;
}

/** What a command prints that finds the std-fpm of such a folder; it complains of nothing. */
export function runShell(dir: TempDir, ...command: string[]): string {
  const env = { PATH: `${dir.at("bin")}:/usr/bin:/bin`, HOME: dir.path, TERM: "xterm" };
  const { stdout, stderr } = Bun.spawnSync(command, { cwd: dir.path, env });
  expect(stderr.toString()).toBe("");
  return stdout.toString();
}

/** What the completion offers bash at the end of a line behind `std-fpm`; "files" where readline is to look for them. */
export function bashOffers(dir: TempDir, line: string): string[] {
  const script = `source ${resolve("completions/std-fpm.bash")}; compopt() { echo files; }; COMP_LINE=$1; COMP_POINT=\${#1}; _std_fpm; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return runShell(dir, "bash", "-c", script, "bash", `std-fpm ${line}`).split("\n").filter(Boolean);
}
