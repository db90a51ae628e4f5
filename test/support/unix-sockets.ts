import { readFileSync } from "node:fs";

/**
 * The inodes of the connections that were accepted on a Unix socket, sorted. The kernel knows the socket by the name
 * it was bound with, which may be the path with a suffix.
 */
export function acceptedOn(path: string): string[] {
  const CONNECTED = "03";
  const lines = readFileSync("/proc/net/unix", "latin1").trim().split("\n").slice(1);
  const fields = lines.map((line) => line.trim().split(/\s+/));
  const accepted = fields.filter((field) => field[7]?.startsWith(path) && field[5] === CONNECTED);
  return accepted.map((field) => field[6] ?? "").sort();
}
