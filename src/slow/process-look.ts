import { open, readdir, readFile, readlink } from "node:fs/promises";
import { errnoOf } from "../base/errors.ts";
import { kernelProcessor } from "../base/kernel-processor.ts";
import { parseStat } from "../base/proc-stat.ts";
import { systemCall, type Waiting, waitingIn } from "../base/system-calls.ts";
import { unixPeerPath } from "../base/unix-peer.ts";
import {
  parseCpuWait,
  parseDescriptor,
  parseLockHolders,
  parsePids,
  parseSyscall,
  parseWchan,
} from "./proc-text.ts";
import type { DescriptorFacts, LockHolder, ProcessFacts, ThreadFacts } from "./process-facts.ts";
import { parseSocketLine, SOCKET_TABLES, type SocketTable } from "./socket-table.ts";

const MOST_THREADS = 64;
const MOST_DESCRIPTORS = 64;
const MOST_CHILDREN = 4;
const MOST_HOLDERS = 4;
/** Of one tree: a shell that runs a script that runs a program, and some more. */
const MOST_PROCESSES = 8;
/** A machine with more sockets, or locks, has some that cannot be named. */
const MOST_TABLE_BYTES = 1024 * 1024;
const BLOCK_BYTES = 64 * 1024;
/** The calls that only a look at all descriptors explains. */
const OF_ALL_DESCRIPTORS: readonly (Waiting | undefined)[] = ["any", "file system"];

/** What to look at. */
export interface LookOptions {
  /** What is in this folder is a connection of std-fpm to the program. */
  readonly ownSockets: string;
  /** The request came on the pipes that are descriptors 0 and 1. */
  readonly isCgi: boolean;
  /** Only what it has used of the CPU, it and its children: for a first look. */
  readonly onlyUsage?: boolean;
}

/** What may still be looked at: a program may have started any number of processes, each with any number of threads. */
interface Budget {
  processes: number;
  threads: number;
}

/**
 * Looks at a process in /proc, and at a bounded number of its threads, descriptors and children; undefined when it has gone. Every
 * read is asynchronous: some of these files wait for locks of the kernel.
 */
export async function lookAt(pid: number, options: LookOptions): Promise<ProcessFacts | undefined> {
  return await look(pid, options, { processes: MOST_PROCESSES, threads: MOST_THREADS });
}

async function look(pid: number, options: LookOptions, budget: Budget): Promise<ProcessFacts | undefined> {
  if (budget.processes-- <= 0) return undefined;
  const denied = new Set<string>();
  const stat = parseStat((await read(`/proc/${pid}/stat`, denied)) ?? "");
  if (!stat) return undefined;
  const { onlyUsage = false } = options;
  const tids = (await list(`/proc/${pid}/task`, denied)).slice(0, budget.threads);
  budget.threads -= tids.length;
  const threads: ThreadFacts[] = [];
  let cpuWaitMs = 0;
  for (const tid of tids) {
    const thread = onlyUsage ? undefined : await lookAtThread(pid, tid, denied);
    if (thread) threads.push(thread);
    cpuWaitMs += parseCpuWait((await read(`/proc/${pid}/task/${tid}/schedstat`, denied)) ?? "");
  }
  const waits = new Set(threads.map(waitingOf));
  const descriptors = await describe(pid, threads, waits, options, denied);
  const mayWaitForChild =
    onlyUsage || waits.has("child") || waits.has("signal") || mayReadFromChild(descriptors);
  return {
    pid,
    name: stat.name,
    cpuMs: stat.cpuMs,
    cpuWaitMs,
    threads,
    descriptors,
    lockHolders: waits.has("file lock") ? await lockHoldersOf(pid) : [],
    children: mayWaitForChild ? await lookAtChildren(pid, tids, options, budget) : [],
    denied: [...denied],
  };
}

/** What was described is what it may wait for; the pipes that are its standard descriptors lead to std-fpm. */
function mayReadFromChild(descriptors: ReadonlyMap<number, DescriptorFacts>): boolean {
  return [...descriptors].some(([fd, { kind }]) => kind === "pipe" && fd > 2);
}

/** The newest first: that is the one that is waited for, most of the time. */
async function lookAtChildren(
  pid: number,
  tids: readonly number[],
  options: LookOptions,
  budget: Budget,
): Promise<ProcessFacts[]> {
  const children: ProcessFacts[] = [];
  for (const tid of tids) {
    const pids = parsePids((await read(`/proc/${pid}/task/${tid}/children`)) ?? "");
    for (const child of pids.slice(-MOST_CHILDREN).reverse()) {
      // Its descriptors 0 and 1 are its own.
      const facts = await look(child, { ...options, isCgi: false }, budget);
      if (facts) children.push(facts);
    }
  }
  return children;
}

async function lookAtThread(pid: number, tid: number, denied: Set<string>): Promise<ThreadFacts | undefined> {
  const folder = `/proc/${pid}/task/${tid}`;
  const stat = parseStat((await read(`${folder}/stat`, denied)) ?? "");
  if (!stat) return undefined;
  const kernelFunction = parseWchan((await read(`${folder}/wchan`, denied)) ?? "");
  // A process that hangs in execve(2) holds a lock that a reader of this file would wait for, and threads that read are few.
  const isReadable = stat.state !== "D" && stat.state !== "R";
  const call = isReadable ? parseSyscall((await read(`${folder}/syscall`, denied)) ?? "") : undefined;
  return { tid, state: stat.state, kernelFunction, call };
}

function waitingOf({ call, kernelFunction }: ThreadFacts): Waiting | undefined {
  return (call && systemCall(kernelProcessor(), call.number)?.waiting) ?? waitingIn(kernelFunction);
}

async function lockHoldersOf(pid: number): Promise<LockHolder[]> {
  const pids = parseLockHolders(await readSome("/proc/locks"), pid).slice(0, MOST_HOLDERS);
  const names = pids.map(async (each) => (await read(`/proc/${each}/comm`))?.trimEnd() ?? "");
  return (await Promise.all(names)).map((name, at) => ({ pid: pids[at] as number, name }));
}

/** What those descriptors are that explain what the threads do. */
async function describe(
  pid: number,
  threads: readonly ThreadFacts[],
  waits: ReadonlySet<Waiting | undefined>,
  { ownSockets, isCgi }: LookOptions,
  denied: Set<string>,
): Promise<Map<number, DescriptorFacts>> {
  const wanted = new Set<number>();
  for (const { call } of threads) {
    const fd = call && systemCall(kernelProcessor(), call.number)?.hasFd ? call.args[0] : undefined;
    if (fd !== undefined) wanted.add(fd);
  }
  if (OF_ALL_DESCRIPTORS.some((each) => waits.has(each))) {
    const all = await list(`/proc/${pid}/fd`, denied);
    for (const fd of all.slice(0, MOST_DESCRIPTORS)) wanted.add(fd);
  }
  const found = new Map<number, DescriptorFacts>();
  const sockets = new Map<number, string>();
  for (const fd of wanted) {
    const link = await readlink(`/proc/${pid}/fd/${fd}`).catch((error) => noteDenied(error, "fd", denied));
    const parsed = link === undefined ? undefined : parseDescriptor(link);
    if (parsed && "inode" in parsed) sockets.set(fd, parsed.inode);
    else if (parsed) found.set(fd, isCgi && fd <= 1 ? { kind: "own", name: parsed.name } : parsed);
  }
  const names = await nameSockets(pid, new Set(sockets.values()));
  for (const [fd, inode] of sockets) {
    const name = names.get(inode) ?? "a socket";
    found.set(fd, { kind: name.startsWith(`unix ${ownSockets}/`) ? "own" : "socket", name });
  }
  return found;
}

/** The names of sockets by their inodes. */
async function nameSockets(pid: number, inodes: ReadonlySet<string>): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  for (const table of SOCKET_TABLES) {
    if (names.size === inodes.size) break;
    const text = await readSome(`/proc/${pid}/net/${table}`);
    for (const inode of inodes) {
      const name = socketIn(text, table, inode);
      if (name !== undefined) names.set(inode, name);
    }
  }
  for (const [inode, name] of names) {
    if (name !== "unix") continue;
    const path = unixPeerPath(Number(inode));
    names.set(inode, path === undefined ? "a Unix socket" : `unix ${path}`);
  }
  return names;
}

/** Only lines that have the number somewhere are taken apart: there may be thousands. */
function socketIn(text: string, table: SocketTable, inode: string): string | undefined {
  for (let at = text.indexOf(` ${inode}`); at !== -1; at = text.indexOf(` ${inode}`, at + 1)) {
    const end = text.indexOf("\n", at);
    const line = text.slice(text.lastIndexOf("\n", at) + 1, end === -1 ? undefined : end);
    const socket = parseSocketLine(table, line);
    if (socket?.inode === inode) return socket.name;
  }
  return undefined;
}

/** Numbers that are names in a folder, in their order. */
async function list(folder: string, denied: Set<string>): Promise<number[]> {
  const names = await readdir(folder).catch((error) => noteDenied(error, "fd", denied));
  return (names ?? []).map(Number).sort((a, b) => a - b);
}

async function read(path: string, denied?: Set<string>): Promise<string | undefined> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return await readFile(path, "utf8").catch((error) => noteDenied(error, name, denied));
}

function noteDenied(error: unknown, name: string, denied: Set<string> | undefined): undefined {
  const errno = errnoOf(error);
  if (errno === "EACCES" || errno === "EPERM") denied?.add(name);
  return undefined;
}

/** The beginning of a file that may be large, in small parts: nothing else waits for it. */
async function readSome(path: string): Promise<string> {
  const file = await open(path, "r").catch(() => undefined);
  if (!file) return "";
  const decoder = new TextDecoder();
  let text = "";
  try {
    const block = new Uint8Array(BLOCK_BYTES);
    while (text.length < MOST_TABLE_BYTES) {
      const { bytesRead } = await file.read(block, 0, block.length, null);
      if (bytesRead === 0) break;
      text += decoder.decode(block.subarray(0, bytesRead), { stream: true });
    }
  } catch {
    // What has come is good.
  } finally {
    await file.close().catch(() => {});
  }
  return text;
}
