import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { FpmError, messageOf } from "../base/errors.ts";
import { tryLock } from "../base/libc.ts";

/** A locked runtime folder. */
export interface Lock {
  /** The pid file. */
  readonly fd: number;
  /** A mark in the environment of every program that is started here. */
  readonly instance: string;
}

const PID_FILE = "std-fpm.pid";
const INSTANCE_FILE = "instance";
const BACKENDS_DIR = "backends";

/**
 * The runtime folder: the pid file, which is also the lock that keeps a second daemon out, the mark of this instance
 * and the sockets of the backends. The lock is on the open file: a daemon that inherits the descriptor has it too, and
 * goes on with the mark.
 */
export class RuntimeDir {
  readonly path: string;
  readonly lock: Lock;
  /** The mark of the daemon that ran here before, when it did not end in order. */
  readonly previousInstance: string | undefined;
  readonly #isInherited: boolean;
  #isOurs = true;
  #sockets = 0;

  /** Makes the folder where it is missing. @throws FpmError RUNTIME_DIR, ALREADY_RUNNING. */
  constructor(path: string, inherited?: Lock) {
    this.path = path;
    this.#isInherited = inherited !== undefined;
    const fd = this.#prepare(inherited?.fd);
    this.lock = { fd, instance: inherited?.instance ?? crypto.randomUUID() };
    this.#checkOwner();
    if (this.#isInherited) this.#checkPidFile();
    else {
      this.#takeLock();
      this.previousInstance = readIfThere(join(path, INSTANCE_FILE))?.trim() || undefined;
    }
  }

  /** Leaves our marks and removes what an earlier daemon left; its strays must have ended. */
  claim(): void {
    this.writePid();
    const backends = join(this.path, BACKENDS_DIR);
    // Sockets of a daemon that finishes its requests are in use; those with our own pid are older than we are.
    const stale = readdirSync(backends).filter((name) => !this.#isInherited || name.startsWith(ownPrefix()));
    for (const name of stale) rmSync(join(backends, name), { recursive: true, force: true });
    if (this.#isInherited) return;
    const marker = openSync(join(this.path, INSTANCE_FILE), "w", 0o600);
    writeSync(marker, `${this.lock.instance}\n`);
    closeSync(marker);
  }

  /** Says in the pid file that it is ours. */
  writePid(): void {
    ftruncateSync(this.lock.fd);
    writeSync(this.lock.fd, `${process.pid}\n`);
  }

  /** Where the sockets of backends are. */
  get socketFolder(): string {
    return join(this.path, BACKENDS_DIR);
  }

  /** A path for the next backend's socket; no two are alike, those of another daemon in this folder included. */
  nextSocketPath(): string {
    this.#sockets++;
    return join(this.socketFolder, `${ownPrefix()}${this.#sockets}.sock`);
  }

  /**
   * Removes our files and lets the next daemon in; does nothing when another one goes on with them. The folder itself stays: it may
   * be the administrator's. Gives the reasons why some are still there.
   */
  release(): string[] {
    if (!this.#isOurs) return [];
    const problems: string[] = [];
    for (const name of [INSTANCE_FILE, PID_FILE, BACKENDS_DIR]) {
      try {
        rmSync(join(this.path, name), { recursive: true, force: true });
      } catch (error) {
        problems.push(messageOf(error));
      }
    }
    this.yield();
    return problems;
  }

  /** Lets go of the lock; a daemon that inherited it keeps it and owns the files. */
  yield(): void {
    this.#isOurs = false;
    closeSync(this.lock.fd);
  }

  /** Makes what is missing and opens the pid file. */
  #prepare(inheritedFd: number | undefined): number {
    try {
      mkdirSync(this.path, { recursive: true, mode: 0o755 });
      mkdirSync(join(this.path, BACKENDS_DIR), { recursive: true, mode: 0o700 });
      return inheritedFd ?? openSync(join(this.path, PID_FILE), "a+", 0o644);
    } catch (error) {
      const what = `The runtime folder ${this.path} cannot be used: ${messageOf(error)}`;
      throw new FpmError("RUNTIME_DIR", "daemon", what, { cause: error });
    }
  }

  #takeLock(): void {
    if (tryLock(this.lock.fd)) return;
    const pid = readFileSync(join(this.path, PID_FILE), "latin1").trim();
    this.yield();
    const what = `std-fpm is already running in ${this.path} (pid ${pid}). Stop it, or set another \`runtime_dir\`.`;
    throw new FpmError("ALREADY_RUNNING", "daemon", what);
  }

  /** The lock of a file that was removed keeps nobody out. */
  #checkPidFile(): void {
    const path = join(this.path, PID_FILE);
    const named = statSync(path, { bigint: true, throwIfNoEntry: false });
    const locked = fstatSync(this.lock.fd, { bigint: true });
    if (named?.ino === locked.ino && named.dev === locked.dev) return;
    throw new FpmError("RUNTIME_DIR", "daemon", `${path} was removed or replaced. Restart std-fpm.`);
  }

  /** Whoever may write to the folder of the sockets could put a program of their own there. */
  #checkOwner(): void {
    const backends = join(this.path, BACKENDS_DIR);
    const { uid, mode } = statSync(backends);
    if (uid === process.geteuid?.() && (mode & 0o077) === 0) return;
    this.yield();
    const what = `${backends} must belong to the user that runs std-fpm and to nobody else (mode 0700). Remove it.`;
    throw new FpmError("RUNTIME_DIR", "daemon", what);
  }
}

/** What the sockets of this daemon's backends begin with. */
function ownPrefix(): string {
  return `${process.pid}-`;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
