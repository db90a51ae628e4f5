import { renameSync, unlinkSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";
import { checkUnanswered, fileIdentity, isSocketAt, listenFailed } from "../front/socket-file.ts";

/**
 * The file of a Unix socket that Bun.serve listens on. It is made under another name, that nobody looks for, and gets its own with one
 * rename: an earlier daemon's is replaced in the same moment, and there is none in which nobody answers.
 */
export class AdminSocketFile {
  readonly path: string;
  /** Where to listen. */
  readonly draft: string;
  #identity: string | undefined;

  /** `mayTakeOver`: somebody who answers at the path is to be followed. @throws FpmError LISTEN_IN_USE, LISTEN_FAILED. */
  constructor(path: string, mayTakeOver: boolean) {
    this.path = path;
    this.draft = `${path}.${process.pid}`;
    if (isSocketAt(path) && !mayTakeOver) checkUnanswered(path, "admin.listen");
    // Of a process that had the same pid, as the first one of a container always has.
    removeIfThere(this.draft);
  }

  /** Calls `listen`, which makes the file, so that only our own user may connect at any time. */
  listenPrivately<Result>(listen: () => Result): Result {
    const before = process.umask(0o177);
    try {
      return listen();
    } finally {
      process.umask(before);
    }
  }

  /** From now on the path leads here. @throws FpmError LISTEN_FAILED. */
  publish(): void {
    try {
      this.#identity = fileIdentity(this.draft);
      renameSync(this.draft, this.path);
    } catch (error) {
      throw listenFailed(this.path, error);
    }
  }

  /** Removes what is ours of the two files. */
  remove(): void {
    removeIfThere(this.draft);
    if (this.#identity !== undefined && fileIdentity(this.path) === this.#identity) removeIfThere(this.path);
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    // The folder may not be ours any more: then the file is stale, and the next start takes it over.
    if (errnoOf(error) === "") throw error;
  }
}
