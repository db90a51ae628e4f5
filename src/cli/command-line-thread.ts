import { beginningOfText } from "../base/bounded-read.ts";

// The entry of a thread that reads command lines: see `commandLinesOf`. A process that does not let its own be read stops it, and nobody else.

declare const self: Worker;

self.onmessage = ({ data }: MessageEvent<string>) => {
  for (const pid of JSON.parse(data) as number[])
    self.postMessage(JSON.stringify([pid, beginningOfText(`/proc/${pid}/cmdline`)]));
};
