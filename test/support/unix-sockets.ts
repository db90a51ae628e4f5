import { readFileSync } from "node:fs";
import { descriptorsOf } from "./processes.ts";

/**
 * The inodes of the connections that a process has accepted on Unix sockets, sorted. The kernel gives an accepted
 * connection its listener's name, whatever name that was bound with; one that the process made itself has none.
 */
export function acceptedBy(pid: number): string[] {
  const CONNECTED = "03";
  const own = new Set(descriptorsOf(pid).values());
  const lines = readFileSync("/proc/net/unix", "latin1").trim().split("\n").slice(1);
  const fields = lines.map((line) => line.trim().split(/\s+/));
  const accepted = fields.filter(([, , , , , state, inode, name]) => {
    return state === CONNECTED && name !== undefined && own.has(`socket:[${inode}]`);
  });
  return accepted.map((field) => field[6] ?? "").sort();
}
