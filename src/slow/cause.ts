import { systemCall, type Waiting, waitingIn } from "../base/system-calls.ts";
import type { DescriptorFacts, LockHolder, ProcessFacts, ThreadFacts } from "./process-facts.ts";

/** Two looks at the same process. */
export interface Looks {
  readonly before: ProcessFacts;
  readonly after: ProcessFacts;
  readonly elapsedMs: number;
  /** As Bun names it. */
  readonly processor: string;
  /** It works on other requests, too. */
  readonly isShared: boolean;
  /** The request that a process works on, where it is one of a program here. */
  requestOf(pid: number): string | undefined;
}

/** From this share of a core on a process is said to compute. */
const BUSY_SHARE = 0.5;
/** From this part of the time on it is told that it waits for a CPU. */
const TOLD_WAIT_SHARE = 0.1;
const MOST_TOLD = 4;
/** FUTEX_WAIT_BITSET on a futex that is not private, with the flag for the clock or without: how glibc waits for the end of a thread. */
const JOIN_OPERATIONS = [9, 265];

const WORDS: Record<Waiting, string> = {
  sleep: "sleeps",
  lock: "waits for a lock, or for another thread",
  "file lock": "waits for a file lock",
  input: "waits for data",
  output: "waits until its data is taken",
  any: "waits for its sockets or pipes, or a timeout",
  connection: "waits for a connection",
  accept: "waits for a request",
  child: "waits for a child",
  signal: "waits for a signal",
  message: "waits for a message of another process",
  "file system": "waits for the file system",
};
/** The same at the connection that the request came on. */
const OWN_WORDS: Partial<Record<Waiting, string>> = {
  input: "waits for the body of the request",
  output: "waits until its answer is taken: the client is slow",
};

/** What a process does, in words. */
export function causeOf(looks: Looks): string {
  const busy = computing(looks);
  if (busy !== undefined && !looks.isShared) return busy;
  const threads = tellingThreads(looks).filter(({ state }) => busy === undefined || state !== "R");
  const told = new Map<string, number>(busy === undefined ? [] : [[busy, 1]]);
  for (const thread of threads) {
    const words = wordsOf(thread, looks);
    told.set(words, (told.get(words) ?? 0) + 1);
  }
  const causes = [...told].slice(0, MOST_TOLD).map(([words, count]) => {
    return count === 1 ? words : `${count} threads: ${words}`;
  });
  if (told.size > MOST_TOLD) causes.push(`${told.size - MOST_TOLD} more`);
  return `${causes.join("; ")}${childIn(looks)}${deniedIn(looks.after)}`;
}

/** Words for a process that uses a CPU, or would like to. */
function computing({ before, after, elapsedMs }: Looks): string | undefined {
  const spanMs = Math.max(1, elapsedMs);
  const share = Math.max(0, after.cpuMs - before.cpuMs) / spanMs;
  // Of several threads the waits add up.
  const waitShare = Math.max(0, after.cpuWaitMs - before.cpuWaitMs) / spanMs;
  if (share + waitShare < BUSY_SHARE) return undefined;
  const words = `computes: ${percent(share)} of a core`;
  return waitShare < TOLD_WAIT_SHARE
    ? words
    : `${words}, and waits ${percent(waitShare)} of the time for a CPU that others use`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** Threads that are idle say nothing of this request, unless there are no others. */
function tellingThreads({ after, processor }: Looks): readonly ThreadFacts[] {
  const { threads } = after;
  const tids = new Set(threads.map(({ tid }) => tid));
  const atWork = threads.filter((thread) => !isIdle(thread, tids, processor));
  // Threads of a runtime wait for work in a futex: what the others do is nearer to the cause.
  const inOrder = [
    ...atWork.filter((thread) => waitingOf(thread, processor) !== "lock"),
    ...atWork.filter((thread) => waitingOf(thread, processor) === "lock"),
  ];
  return inOrder.length > 0 ? inOrder : threads;
}

/** It waits for a request, or for the end of another thread. */
function isIdle(thread: ThreadFacts, tids: ReadonlySet<number>, processor: string): boolean {
  const waiting = waitingOf(thread, processor);
  if (waiting === "accept") return true;
  const [, operation = 0, expected = 0] = thread.call?.args ?? [];
  return waiting === "lock" && JOIN_OPERATIONS.includes(operation) && tids.has(expected);
}

function waitingOf(thread: ThreadFacts, processor: string): Waiting | undefined {
  const call = thread.call && systemCall(processor, thread.call.number);
  return call?.waiting ?? waitingIn(thread.kernelFunction);
}

function wordsOf(thread: ThreadFacts, looks: Looks): string {
  const { after, processor } = looks;
  if (thread.state === "R") return "runs, or waits for a CPU";
  if (thread.state === "T" || thread.state === "t") return "is stopped (by SIGSTOP, or a debugger)";
  if (thread.state === "Z" || thread.state === "X") return "has ended";
  const call = thread.call && systemCall(processor, thread.call.number);
  const callName = call?.name ?? (thread.call && `system call ${thread.call.number}`);
  const where = [callName, thread.kernelFunction].filter(Boolean).join(", ");
  const waiting = waitingOf(thread, processor);
  const fd = call?.hasFd ? thread.call?.args[0] : undefined;
  const descriptor = fd === undefined ? undefined : after.descriptors.get(fd);
  const what = whatFor(thread, waiting, descriptor);
  return `${what}${where && ` (${where})`}${objectOf(waiting, descriptor, looks)}`;
}

function whatFor(
  thread: ThreadFacts,
  waiting: Waiting | undefined,
  descriptor: DescriptorFacts | undefined,
): string {
  const own = descriptor?.kind === "own" && waiting && OWN_WORDS[waiting];
  if (own) return own;
  if (thread.state === "D" && waiting !== "file system") return "waits for the disk or a driver";
  return waiting === undefined ? "sleeps in the kernel" : WORDS[waiting];
}

function objectOf(
  waiting: Waiting | undefined,
  descriptor: DescriptorFacts | undefined,
  { after: { lockHolders, descriptors }, requestOf }: Looks,
): string {
  if (waiting === "file lock") {
    const holders = lockHolders.map((holder) => holderWords(holder, requestOf(holder.pid)));
    return `${descriptor ? ` on ${descriptor.name}` : ""}${listed(", held by ", holders)}`;
  }
  if (descriptor?.kind === "own") return "";
  if (descriptor)
    return `${waiting === "connection" || waiting === "output" ? " to" : " from"} ${descriptor.name}`;
  if (waiting === "any") return listed(": ", namesOf(descriptors, "socket"));
  if (waiting === "file system") return listed("; open: ", namesOf(descriptors, "file"));
  return "";
}

function holderWords({ pid, name }: LockHolder, request: string | undefined): string {
  const words = `pid ${pid}${name && ` (${name})`}`;
  return request === undefined ? words : `${words} at ${request}`;
}

function namesOf(descriptors: ReadonlyMap<number, DescriptorFacts>, kind: DescriptorFacts["kind"]): string[] {
  return [...new Set([...descriptors.values()].filter((each) => each.kind === kind).map(({ name }) => name))];
}

function listed(before: string, names: readonly string[]): string {
  if (names.length === 0) return "";
  const more = names.length > MOST_TOLD ? ` and ${names.length - MOST_TOLD} more` : "";
  return `${before}${names.slice(0, MOST_TOLD).join(", ")}${more}`;
}

/** The child that it waits for, or may wait for. */
function childIn(looks: Looks): string {
  const { before, after, processor } = looks;
  const waiter = after.threads.find((thread) => waitingOf(thread, processor) === "child");
  const wanted = waiter?.call?.args.find((arg) => after.children.some(({ pid }) => pid === arg));
  const child = after.children.find(({ pid }) => pid === wanted) ?? after.children[0];
  if (!child) return "";
  const earlier = before.children.find(({ pid }) => pid === child.pid) ?? child;
  return `${waiter ? ":" : "; its child"} ${child.name} (pid ${child.pid}) ${causeOf({ ...looks, before: earlier, after: child })}`;
}

function deniedIn({ pid, denied }: ProcessFacts): string {
  const files = denied.map((name) => `/proc/${pid}/${name}`);
  return files.length === 0 ? "" : `; std-fpm may not read ${files.join(", ")}`;
}
