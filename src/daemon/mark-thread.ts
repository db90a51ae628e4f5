import type { MarkAnswer, MarkQuestion } from "./mark-reader.ts";
import { MarkLook } from "./marks.ts";

// The entry of a thread that reads environments: see `MarkReader`. A process that does not let its own be read stops it, and nobody else.

declare const self: Worker;

let current: { readonly number: number; readonly look: MarkLook } | undefined;

self.onmessage = ({ data }: MessageEvent<string>) => {
  const { pid, instance, number } = JSON.parse(data) as MarkQuestion;
  if (current?.number !== number) current = { number, look: new MarkLook(instance) };
  self.postMessage(JSON.stringify({ isMarked: current.look.finds(pid) } satisfies MarkAnswer));
};
