import type { Clock } from "./clock.ts";
import { FpmError } from "./errors.ts";
import type { FileFacts } from "./file-facts.ts";
import type { FileTrail } from "./file-trail.ts";
import type { Log } from "./log.ts";
import { SHORTAGE_MS } from "./shortage.ts";
import { Threads, threadFile } from "./threads.ts";
import type { WatchedFiles } from "./watched-files.ts";

/** What a thread is asked of a path. */
export interface DiskQuestion {
  readonly kind: Exclude<DiskAnswer["kind"], "failed">;
  readonly path: string;
}

/** What it says; JSON leaves out a trail that leads nowhere. */
export type DiskAnswer =
  | { readonly kind: "facts"; readonly facts: FileFacts }
  | { readonly kind: "trail"; readonly trail?: FileTrail | undefined }
  | { readonly kind: "watched"; readonly watched: WatchedFiles }
  /** It could not look; `isShortage`: for want of a descriptor. */
  | { readonly kind: "failed"; readonly problem: string; readonly isShortage: boolean };

/** A request waits no longer for a disk. */
const DEADLINE_MS = 5000;
/** So many folders from the root make a place of somebody's own: /home/alice/public_html, /srv/www/shop. */
const OWN_DEPTH = 3;

/**
 * Looks at files in threads of its own: the runtime has a few for all file systems together (one for each core, Bun 1.4.5), and one network disk,
 * or one user's file system, that does not answer would keep all sites from being found.
 */
export class DiskThreads {
  readonly #clock: Clock;
  readonly #threads: Threads<DiskAnswer>;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    const file = threadFile("base/disk-thread");
    this.#threads = new Threads({ clock, log, file, name: "disk", deadlineMs: DEADLINE_MS });
  }

  /** @throws FpmError DISK_STANDS. */
  async facts(path: string): Promise<FileFacts> {
    return (await this.#ask("facts", path)).facts;
  }

  /** @throws FpmError DISK_STANDS. */
  async trail(path: string): Promise<FileTrail | undefined> {
    return (await this.#ask("trail", path)).trail;
  }

  /** @throws FpmError DISK_STANDS. */
  async watched(path: string): Promise<WatchedFiles> {
    return (await this.#ask("watched", path)).watched;
  }

  #ask<Kind extends DiskQuestion["kind"]>(
    kind: Kind,
    path: string,
    until = this.#clock.now() + DEADLINE_MS,
  ): Promise<Extract<DiskAnswer, { kind: Kind }>> {
    const key = placeOf(path);
    const again = () => this.#ask(kind, path, until);
    return new Promise((resolve, reject) => {
      const fail = (why: string) => reject(new FpmError("DISK_STANDS", "daemon", `${path}: ${why}.`));
      this.#threads.ask({
        text: JSON.stringify({ kind, path } satisfies DiskQuestion),
        key,
        onAnswer: (answer) => {
          // A thread answers what it is asked.
          if (answer.kind !== "failed") resolve(answer as Extract<DiskAnswer, { kind: Kind }>);
          else if (answer.isShortage && this.#clock.now() < until)
            this.#clock.after(SHORTAGE_MS, () => void again().then(resolve, reject));
          else fail(`it cannot be looked at: ${answer.problem}`);
        },
        onLate: () => fail(`the disk that it is on has not answered for ${DEADLINE_MS / 1000} s`),
        onBroken: (problem) => fail(`a bug in std-fpm: ${problem}`),
      });
    });
  }
}

/** Whose place a path lies in: what stands there keeps others who share it waiting, and nobody else. */
export function placeOf(path: string): string {
  return path.split("/", OWN_DEPTH + 1).join("/");
}
