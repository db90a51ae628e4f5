import { statSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";
import { MAX_SOCKET_PATH_BYTES } from "../base/socket-path.ts";

/** Why nobody was reached at a Unix socket's path (undefined: at a TCP address), in words; undefined where the error does not tell. */
export function connectProblem(path: string | undefined, thrown: unknown): string | undefined {
  const errno = errnoOf(thrown);
  const bytes = Buffer.byteLength(path ?? "");
  if (/^(?:ENAMETOOLONG|EINVAL)$/.test(errno) && bytes > MAX_SOCKET_PATH_BYTES)
    return `the path of a socket has at most ${MAX_SOCKET_PATH_BYTES} bytes, and this one has ${bytes}`;
  if (errno === "ENOENT" || errno === "ENOTDIR") return "there is no such socket";
  if (errno === "EACCES" || errno === "EPERM")
    return "permission denied: whoever connects must be able to write to the socket, and to search the folders above";
  if (errno !== "ECONNREFUSED" && errno !== "ConnectionRefused") return undefined;
  return (path !== undefined && fileProblem(path)) || "nobody listens there";
}

/** The runtime says of other files, too, that they refuse. */
function fileProblem(path: string): string | undefined {
  try {
    return statSync(path).isSocket() ? undefined : "what is there is no socket";
  } catch {
    return "there is no such socket";
  }
}
