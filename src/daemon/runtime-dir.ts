import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { FpmError, messageOf } from "../base/errors.ts";
import { tryLock } from "../base/libc.ts";
import { runtimeFolderProblem } from "../config/runtime-folder.ts";

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
const { O_RDONLY, O_RDWR, O_WRONLY, O_APPEND, O_CREAT, O_TRUNC, O_NOFOLLOW, O_NONBLOCK } = constants;

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
  /** What is in the folder is an earlier daemon's until then. */
  #isClaimed: boolean;
  #hasMadeBackends = false;
  #sockets = 0;

  /** Makes the folder where it is missing. @throws FpmError RUNTIME_DIR, ALREADY_RUNNING. */
  constructor(path: string, inherited?: Lock) {
    this.path = path;
    this.#isInherited = inherited !== undefined;
    this.#isClaimed = this.#isInherited;
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
    this.#isClaimed = true;
    this.writePid();
    const backends = join(this.path, BACKENDS_DIR);
    // Sockets of a daemon that finishes its requests are in use; those with our own pid are older than we are.
    const stale = readdirSync(backends).filter((name) => !this.#isInherited || name.startsWith(ownPrefix()));
    for (const name of stale) rmSync(join(backends, name), { recursive: true, force: true });
    if (this.#isInherited) return;
    const marker = openOwn(join(this.path, INSTANCE_FILE), O_WRONLY | O_CREAT | O_TRUNC, 0o600);
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
   * be the administrator's. What was not claimed stays, too: a daemon may be at work with it whose pid file somebody has removed. Gives the
   * reasons why some are still there.
   */
  release(): string[] {
    if (!this.#isOurs) return [];
    const problems: string[] = [];
    for (const name of this.#isClaimed ? [INSTANCE_FILE, PID_FILE, BACKENDS_DIR] : this.#made()) {
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

  #made(): string[] {
    return this.#hasMadeBackends ? [PID_FILE, BACKENDS_DIR] : [PID_FILE];
  }

  /** Makes what is missing and opens the pid file. */
  #prepare(inheritedFd: number | undefined): number {
    const backends = join(this.path, BACKENDS_DIR);
    try {
      const problem = runtimeFolderProblem(this.path, process.geteuid?.() ?? 0);
      if (problem !== undefined) throw new Error(problem);
      mkdirSync(this.path, { recursive: true, mode: 0o755 });
      this.#hasMadeBackends = mkdirSync(backends, { recursive: true, mode: 0o700 }) !== undefined;
      return inheritedFd ?? openOwn(join(this.path, PID_FILE), O_RDWR | O_APPEND | O_CREAT, 0o644);
    } catch (error) {
      const what = `The runtime folder ${this.path} cannot be used: ${messageOf(error)}`;
      throw new FpmError("RUNTIME_DIR", "daemon", what, { cause: error });
    }
  }

  #takeLock(): void {
    if (tryLock(this.lock.fd)) return;
    const pid = readFileSync(this.lock.fd, "latin1").trim();
    this.yield();
    const what = `std-fpm is already running in ${this.path} (pid ${pid}). Stop it, or set another \`runtime_dir\`.`;
    throw new FpmError("ALREADY_RUNNING", "daemon", what);
  }

  /** The lock of a file that was removed keeps nobody out. */
  #checkPidFile(): void {
    const path = join(this.path, PID_FILE);
    const named = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    const locked = fstatSync(this.lock.fd, { bigint: true });
    if (named?.ino === locked.ino && named.dev === locked.dev) return;
    throw new FpmError("RUNTIME_DIR", "daemon", `${path} was removed or replaced. Restart std-fpm.`);
  }

  /** Whoever may write to the folder of the sockets could put a program of their own there. */
  #checkOwner(): void {
    const backends = join(this.path, BACKENDS_DIR);
    const facts = lstatSync(backends);
    if (facts.isDirectory() && facts.uid === process.geteuid?.() && (facts.mode & 0o077) === 0) return;
    this.yield();
    const what = `${backends} must belong to the user that runs std-fpm and to nobody else (mode 0700). Remove it.`;
    throw new FpmError("RUNTIME_DIR", "daemon", what);
  }
}

/** What the sockets of this daemon's backends begin with. */
function ownPrefix(): string {
  return `${process.pid}-`;
}

/** Opens a file of our own: no link, nobody else's. Of nothing else anything is read, written or truncated. */
function openOwn(path: string, flags: number, mode?: number): number {
  // A FIFO in its place would keep us waiting.
  const fd = openSync(path, (flags & ~O_TRUNC) | O_NOFOLLOW | O_NONBLOCK, mode);
  const facts = fstatSync(fd);
  const isOwn = facts.isFile() && facts.nlink === 1 && facts.uid === process.geteuid?.();
  if (isOwn && (flags & O_TRUNC) !== 0) ftruncateSync(fd);
  if (isOwn) return fd;
  closeSync(fd);
  throw new Error(`${path} is not a file of the user that runs std-fpm alone. Remove it.`);
}

function readIfThere(path: string): string | undefined {
  let fd: number | undefined;
  try {
    fd = openOwn(path, O_RDONLY);
    return readFileSync(fd, "latin1");
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
