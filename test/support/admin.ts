import type { Snapshot } from "../../src/status/snapshot.ts";
import { runCli } from "./cli-process.ts";
import type { StdFpm } from "./std-fpm.ts";

/** An HTTP exchange with a daemon's admin socket. */
export async function admin(fpm: StdFpm, path: string, init: RequestInit = {}): Promise<Response> {
  return await fetch(`http://localhost${path}`, { ...init, unix: `${fpm.runtimeDir}/admin.sock` });
}

/** What a daemon says of itself, with every process. */
export async function snapshotOf(fpm: StdFpm): Promise<Snapshot> {
  return (await (await admin(fpm, "/status.json?full")).json()) as Snapshot;
}

/** Runs a command of the executable under test, for this daemon. */
export function command(fpm: StdFpm, ...words: string[]) {
  return runCli(...words, "--config", fpm.configFile);
}
