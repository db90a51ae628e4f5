import { chmodSync, copyFileSync, renameSync, writeFileSync } from "node:fs";
import { type Site, startSite } from "./site.ts";
import { EXECUTABLE, type StdFpm } from "./std-fpm.ts";
import { makeTempDir } from "./temp-dir.ts";
import { waitUntil } from "./wait-until.ts";

/** Sends SIGUSR2 and waits until another daemon serves; its pid. */
export async function handOver(fpm: StdFpm): Promise<number> {
  const old = fpm.pid;
  process.kill(old, "SIGUSR2");
  return await waitUntil("another daemon serves", () => {
    const now = fpm.pid;
    return now !== old && fpm.log().includes(`pid ${now} has taken over`) ? now : undefined;
  }).catch((error) => {
    throw new Error(`${error.message}; pid ${fpm.pid}, daemons ${fpm.daemons()}\n${fpm.log()}`);
  });
}

/** A site whose std-fpm takes its time when it is started for the second time. */
export async function startSlowly(): Promise<Site> {
  const dir = makeTempDir();
  const executable = dir.at("std-fpm");
  const site = await startSite({ command: [copyOfExecutable(executable)] });
  putExecutable(executable, `#!/usr/bin/perl\nsleep 1; exec "${EXECUTABLE}", @ARGV;\n`);
  return Object.assign(Object.create(site) as Site, {
    async [Symbol.asyncDispose]() {
      await site[Symbol.asyncDispose]();
      dir[Symbol.dispose]();
    },
  });
}

/** Copies the executable under test to this path. */
export function copyOfExecutable(path: string): string {
  copyFileSync(EXECUTABLE, path);
  return path;
}

/** Replaced like a package manager does it: under another name first. */
export function putExecutable(path: string, text: string, mode = 0o755): void {
  writeFileSync(`${path}.new`, text);
  chmodSync(`${path}.new`, mode);
  renameSync(`${path}.new`, path);
}
