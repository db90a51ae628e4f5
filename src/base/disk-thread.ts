import { standingDisk } from "./disk.ts";
import type { DiskAnswer, DiskQuestion } from "./disk-threads.ts";
import { messageOf } from "./errors.ts";
import { readFacts } from "./file-facts.ts";
import { readTrail } from "./file-trail.ts";
import { isShortage } from "./shortage.ts";
import { readWatched } from "./watched-files.ts";

// The entry of a thread that looks at files: see `DiskThreads`. A disk that does not answer stops it, and nobody else.

declare const self: Worker;

self.onmessage = async ({ data }: MessageEvent<string>) => {
  const answer = await answerTo(JSON.parse(data) as DiskQuestion).catch(
    (error): DiskAnswer => ({ kind: "failed", problem: messageOf(error), isShortage: isShortage(error) }),
  );
  self.postMessage(JSON.stringify(answer));
};

async function answerTo({ kind, path }: DiskQuestion): Promise<DiskAnswer> {
  if (kind === "facts") return { kind, facts: await readFacts(path, standingDisk) };
  if (kind === "trail") return { kind, trail: await readTrail(path, standingDisk) };
  return { kind, watched: await readWatched(path, standingDisk) };
}
