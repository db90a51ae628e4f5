import { lstatSync } from "node:fs";
import { errnoOf, FpmError, messageOf } from "../base/errors.ts";
import { closeFd, connectUnix } from "../base/libc.ts";

/** Whether the file of a Unix socket is there. @throws FpmError LISTEN_FAILED when another file is, or nobody can tell. */
export function isSocketAt(path: string): boolean {
  let isSocket: boolean;
  try {
    isSocket = lstatSync(path).isSocket();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw listenFailed(path, error);
  }
  if (!isSocket) throw listenFailed(path, "a file that is not a socket is there.");
  return true;
}

/** That nobody answers on the socket there: its file is stale. `setting` names the key. @throws FpmError LISTEN_IN_USE. */
export function checkUnanswered(path: string, setting: string): void {
  const connected = connectUnix(path);
  if (connected.kind === "connected") closeFd(connected.fd);
  if (connected.kind !== "refused") throw inUse(path, setting);
}

export function inUse(where: string, setting: string): FpmError {
  const what = `Cannot listen on ${where}: another process answers there. Stop it, or set another \`${setting}\`.`;
  return new FpmError("LISTEN_IN_USE", "daemon", what);
}

export function listenFailed(where: string, cause: unknown): FpmError {
  return new FpmError("LISTEN_FAILED", "daemon", `Cannot listen on ${where}: ${messageOf(cause)}`, { cause });
}
