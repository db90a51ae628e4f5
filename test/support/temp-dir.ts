import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";

export interface TempDir extends Disposable {
  readonly path: string;
  /** A path in the folder. */
  at(...names: string[]): string;
}

/** A new empty folder with a short name: a Unix socket's path has 107 bytes at most. */
export function makeTempDir(parent = "/tmp"): TempDir {
  const path = mkdtempSync(`${parent}/fpm-`);
  return {
    path,
    at: (...names) => join(path, ...names),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** One that no other user can change: below /tmp, into which all may write, root follows no link to a log. */
export function makeTrustedDir(): TempDir {
  return makeTempDir(process.geteuid?.() === 0 ? "/run" : "/tmp");
}
