import { beginningOfText } from "../base/bounded-read.ts";
import { threadFile } from "../base/threads.ts";

/** All that strangers' processes may take. */
const DEADLINE_MS = 500;

/** The words of a process's command line, as far as 64 KiB go; of one that nobody but root or ourselves has anything to do with. */
export function commandLineOf(pid: number): string[] {
  return wordsOf(beginningOfText(`/proc/${pid}/cmdline`));
}

/**
 * The same of strangers' processes, each of which can see to it that who reads its command line waits for as long as it likes: what has not been read within half
 * a second, all together, is left out.
 */
export async function commandLinesOf(pids: readonly number[]): Promise<ReadonlyMap<number, string[]>> {
  const found = new Map<number, string[]>();
  if (pids.length === 0) return found;
  const { promise: isOver, resolve } = Promise.withResolvers<void>();
  const wanted = new Set(pids);
  const timer = setTimeout(resolve, DEADLINE_MS);
  const worker = new Worker(threadFile("cli/command-line-thread"));
  worker.onmessage = ({ data }: MessageEvent<string>) => {
    const [pid, text] = JSON.parse(data) as [number, string];
    found.set(pid, wordsOf(text));
    if (found.size === wanted.size) resolve();
  };
  worker.onerror = () => resolve();
  worker.unref();
  worker.postMessage(JSON.stringify([...wanted]));
  await isOver;
  clearTimeout(timer);
  // Once one that stands is terminated, the next new thread waits for it, and who makes that as well (Bun 1.4.5).
  if (found.size === wanted.size) worker.terminate();
  return found;
}

function wordsOf(text: string): string[] {
  return Buffer.from(text, "latin1").toString().split("\0");
}
