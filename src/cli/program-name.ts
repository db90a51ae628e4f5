import { existsSync } from "node:fs";
import { resolve } from "node:path";

/** What is written for a program, as the daemon knows it: a path from the caller's folder becomes absolute, a name stays. */
export function programName(written: string): string {
  return written.startsWith("/") || !existsSync(written) ? written : resolve(written);
}
