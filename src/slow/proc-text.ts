import type { SystemCallFacts } from "./process-facts.ts";

const NANOSECONDS = 1e-6;

/** /proc/PID/syscall: the call a thread sits in; undefined when it is in none. */
export function parseSyscall(text: string): SystemCallFacts | undefined {
  const [, number, rest = ""] = /^(\d{1,4})((?: 0x[0-9a-f]{1,16}){6,8})\s*$/.exec(text) ?? [];
  if (number === undefined) return undefined;
  const args = rest.trim().split(" ").slice(0, 6);
  return { number: Number(number), args: args.map((arg) => Number(BigInt.asIntN(32, BigInt(arg)))) };
}

/** /proc/PID/wchan: "" when it does not sleep, or that may not be known. */
export function parseWchan(text: string): string {
  // Compilers append .constprop.0, .isra.0 and the like.
  return /^[A-Za-z_]\w*/.exec(text)?.[0] ?? "";
}

/** /proc/PID/schedstat: milliseconds in which it was ready to run and did not. */
export function parseCpuWait(text: string): number {
  const [, wait] = /^\d+ (\d+)/.exec(text) ?? [];
  return wait === undefined ? 0 : Number(wait) * NANOSECONDS;
}

/** Numbers, divided by spaces: /proc/PID/task/TID/children. */
export function parsePids(text: string): number[] {
  return text.split(/\s+/).filter(Boolean).map(Number).filter(Number.isSafeInteger);
}

/** /proc/locks: the processes that hold what a process waits for. Those in another pid namespace are left out. */
export function parseLockHolders(text: string, waiter: number): number[] {
  const holders = new Map<string, number>();
  const found = new Set<number>();
  // "1: FLOCK ADVISORY WRITE 812 fe:00:22 0 EOF", and below it those that wait: "1: -> FLOCK ADVISORY WRITE 813 …".
  for (const line of text.split("\n")) {
    const [, id, arrow, pid] = /^(\d+):\s+(->\s+)?\w+\s+\w+\s+\w+\s+(-?\d+) /.exec(line) ?? [];
    if (id === undefined) continue;
    if (arrow === undefined) holders.set(id, Number(pid));
    else if (Number(pid) === waiter) found.add(holders.get(id) ?? 0);
  }
  return [...found].filter((pid) => pid > 0);
}

/** What a link of /proc/PID/fd says: the inode of a socket, or what else it is. */
export function parseDescriptor(link: string): { readonly inode: string } | DescriptorText {
  const socket = /^socket:\[(\d+)\]$/.exec(link)?.[1];
  if (socket !== undefined) return { inode: socket };
  if (link.startsWith("pipe:[")) return { kind: "pipe", name: "a pipe" };
  if (link.startsWith("/dev/")) return { kind: "other", name: link };
  if (link.startsWith("/")) return { kind: "file", name: withoutTokens(link) };
  return { kind: "other", name: link.replace(/^anon_inode:\[?([^\]]*)\]?$/, "$1") };
}

/** A session's file is named after what its cookie holds: who reads the log must not be able to take it over. */
function withoutTokens(path: string): string {
  return path
    .replace(/sess_[^/]+/g, "sess_…")
    .replace(/[A-Za-z0-9]{20,}/g, (word) => (/\d/.test(word) ? "…" : word));
}

interface DescriptorText {
  readonly kind: "pipe" | "file" | "other";
  readonly name: string;
}
