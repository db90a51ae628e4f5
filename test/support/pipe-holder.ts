import { readFileSync } from "node:fs";
import { socketPair } from "./socket-pair.ts";
import { waitUntil } from "./wait-until.ts";

/**
 * Holds the lock of a pipe, as a program does: a thread splices (splice(2)) from a socket, on which nothing comes, into its writing end. Disposed of, it
 * lets it go.
 */
export async function holdPipe(writeFd: number) {
  const pair = socketPair();
  const thread = new Worker(new URL("./pipe-holding-thread.ts", import.meta.url).href);
  const task = await new Promise<number>((resolve) => {
    thread.onmessage = ({ data }: MessageEvent<number>) => resolve(data);
    thread.postMessage([pair.fd, writeFd]);
  });
  // splice(2) is 275 on x86-64, 76 on arm64.
  const call = process.arch === "x64" ? "275 " : "76 ";
  const isHeld = () => readFileSync(`/proc/self/task/${task}/syscall`, "latin1").startsWith(call);
  await waitUntil("it holds the pipe", isHeld);
  // Terminated while it stands, a thread can keep its process from ending (Bun 1.4.5).
  thread.onmessage = () => thread.terminate();
  return pair;
}
