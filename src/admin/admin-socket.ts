import { renameSync, unlinkSync } from "node:fs";
import { errnoOf } from "../base/errors.ts";
import { fileIdentity } from "../base/file-identity.ts";
import { listeningOn, refuseDescriptors } from "../base/libc.ts";
import { umaskOf } from "../base/proc-stat.ts";
import { checkUnanswered, isSocketAt, listenFailed } from "../front/socket-file.ts";
import { type SocketPermissions, setPermissions } from "../front/socket-permissions.ts";

/** What the path comes from. */
const SETTING = "admin.listen";
/** Whom connect(2) lets in are those who may write. */
const OTHERS_WRITE = 0o022;
const OURS_ALONE: SocketPermissions = { mode: 0o600, uid: undefined, gid: undefined };

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
    if (isSocketAt(path) && !mayTakeOver) checkUnanswered(path, SETTING);
    // Of a process that had the same pid, as the first one of a container always has.
    removeIfThere(this.draft);
  }

  /** Calls `listen`, which makes the file, so that only our own user may connect at any time, and nobody can send descriptors along. */
  listenPrivately<Result>(listen: () => Result): Result {
    const result = keepingOthersOff(listen);
    const fd = listeningOn(this.draft);
    if (fd !== undefined) refuseDescriptors(fd);
    return result;
  }

  /** From now on the path leads here, for those whom `open` lets, beside our own user. @throws FpmError LISTEN_FAILED. */
  publish(open: SocketPermissions | undefined): void {
    try {
      this.#identity = setPermissions(this.draft, open ?? OURS_ALONE);
      renameSync(this.draft, this.path);
    } catch (error) {
      throw listenFailed(this.path, error);
    }
  }

  /** Whether the path leads here, after `publish`. */
  get isFound(): boolean {
    return this.#identity !== undefined && fileIdentity(this.path) === this.#identity;
  }

  /** Before another `listenPrivately`, when the file was removed: what somebody else has at the path stays. @throws FpmError LISTEN_IN_USE, LISTEN_FAILED. */
  prepareAnew(): void {
    if (isSocketAt(this.path)) checkUnanswered(this.path, SETTING);
    removeIfThere(this.draft);
  }

  /** Removes what is ours of the two files. */
  remove(): void {
    removeIfThere(this.draft);
    if (this.isFound) removeIfThere(this.path);
  }
}

/** With a umask that lets nobody else write. Most do; another one is changed for the moment, which all threads may have in common. */
function keepingOthersOff<Result>(make: () => Result): Result {
  const own = umaskOf(process.pid);
  if (own !== undefined && (own & OTHERS_WRITE) === OTHERS_WRITE) return make();
  const before = process.umask(0o177);
  try {
    return make();
  } finally {
    process.umask(before);
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
