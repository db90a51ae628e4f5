import { beginningOfText } from "../base/bounded-read.ts";
import { threadFile } from "../base/threads.ts";

/** All that strangers' processes may take. */
const DEADLINE_MS = 500;

/** The words of a process's command line, as far as 64 KiB go; of one that nobody but root or ourselves has anything to do with. */
export function commandLineOf(pid: number): string[] {
  return wordsOf(beginningOfText(`/proc/${pid}/cmdline`));
}

/** What reads those of strangers, until it has read all: while one stands over a stranger's process no other is made, however often a command asks. */
let reading: Worker | undefined;

/**
 * The same of strangers' processes, each of which can see to it that who reads its command line waits for as long as it likes: what has not been read within half
 * a second, all together, is left out; and so is all while something stands from the time before, or where there is no thread to be had.
 */
export async function commandLinesOf(
  pids: readonly number[],
  makeThread = () => new Worker(threadFile("cli/command-line-thread")),
): Promise<ReadonlyMap<number, string[]>> {
  const found = new Map<number, string[]>();
  if (pids.length === 0 || reading) return found;
  const worker = threadOrNone(makeThread);
  if (!worker) return found;
  reading = worker;
  const { promise: isOver, resolve } = Promise.withResolvers<void>();
  const wanted = new Set(pids);
  const timer = setTimeout(resolve, DEADLINE_MS);
  const end = () => {
    if (reading === worker) reading = undefined;
    worker.terminate();
    resolve();
  };
  worker.onmessage = ({ data }: MessageEvent<string>) => {
    const [pid, text] = JSON.parse(data) as [number, string];
    found.set(pid, wordsOf(text));
    // Not before, though it be late: once one that stands is terminated, the next new thread waits for it, and who makes that as well (Bun 1.4.5).
    if (found.size === wanted.size) end();
  };
  worker.onerror = end;
  worker.unref();
  worker.postMessage(JSON.stringify([...wanted]));
  await isOver;
  clearTimeout(timer);
  return new Map(found);
}

/** The system gives none for want of tasks. */
function threadOrNone(makeThread: () => Worker): Worker | undefined {
  try {
    return makeThread();
  } catch {
    return undefined;
  }
}

function wordsOf(text: string): string[] {
  return Buffer.from(text, "latin1").toString().split("\0");
}
