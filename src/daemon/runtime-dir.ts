import {
  type BigIntStats,
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  type Stats,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { FpmError, messageOf } from "../base/errors.ts";
import { fileIdentity, identityOf } from "../base/file-identity.ts";
import { tryLock } from "../base/libc.ts";
import { pathOf } from "../base/open-place.ts";
import { ownFolderProblem, RUNTIME_NAMES, runtimeFolderProblem } from "../config/runtime-folder.ts";

/** A locked runtime folder. */
export interface Lock {
  /** The pid file. */
  readonly fd: number;
  /** A mark in the environment of every program that is started here. */
  readonly instance: string;
}

const { pidFile: PID_FILE, instance: INSTANCE_FILE, backends: BACKENDS_DIR } = RUNTIME_NAMES;
/** Whoever may connect to a socket of a program is its web server. */
const SOCKETS_MODE = 0o700;
const { O_DIRECTORY, O_RDONLY, O_RDWR, O_WRONLY, O_APPEND, O_CREAT, O_TRUNC, O_NOFOLLOW, O_NONBLOCK } =
  constants;

/** Whose a folder is, and who may enter it. */
type Access = Pick<Stats, "mode"> & Partial<Pick<Stats, "uid" | "gid">>;

/**
 * The runtime folder: the pid file, which is also the lock that keeps a second daemon out, the mark of this instance
 * and the sockets of the backends. The lock is on the open file: a daemon that inherits the descriptor has it too, and
 * goes on with the mark.
 */
export class RuntimeDir {
  readonly path: string;
  #lock: Lock;
  /** Whose the folder is, and who may enter it: as the administrator wants it, when it has to be made again. */
  readonly #access: Pick<Stats, "uid" | "gid" | "mode">;
  /** Which folder it is, … */
  #identity: string | undefined;
  /** … and which that of the sockets. */
  #socketsIdentity: string | undefined;
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
    this.#lock = { fd, instance: inherited?.instance ?? crypto.randomUUID() };
    this.#access = lstatSync(path);
    this.#identity = fileIdentity(path);
    this.#socketsIdentity = fileIdentity(this.socketFolder);
    try {
      this.#checkOwner();
    } catch (error) {
      this.yield();
      throw error;
    }
    if (this.#isInherited) this.#checkPidFile();
    else {
      this.#takeLock();
      this.previousInstance = readIfThere(join(path, INSTANCE_FILE))?.trim() || undefined;
    }
  }

  /**
   * Leaves our marks and removes what an earlier daemon left; its strays must have ended.
   * @throws FpmError RUNTIME_DIR: somebody has taken the folder away meanwhile.
   */
  claim(): void {
    this.#isClaimed = true;
    this.writePid();
    try {
      this.#removeStale();
      if (!this.#isInherited) this.#writeInstance();
    } catch (error) {
      throw cannotBeUsed(this.path, error);
    }
  }

  #removeStale(): void {
    const backends = join(this.path, BACKENDS_DIR);
    // Sockets of a daemon that finishes its requests are in use; those with our own pid are older than we are.
    const stale = readdirSync(backends).filter((name) => !this.#isInherited || name.startsWith(ownPrefix()));
    for (const name of stale) rmSync(join(backends, name), { recursive: true, force: true });
  }

  get lock(): Lock {
    return this.#lock;
  }

  /** Whether all that it holds for as long as we serve is still there. */
  get isIntact(): boolean {
    const folder = lookAt(this.socketFolder);
    const isOwn = folder !== undefined && isOwnFolder(folder);
    // One whose mode was changed is given away, not lost.
    const isThere = isOwn && (isClosed(folder) || identityOf(folder) === this.#socketsIdentity);
    return isThere && this.#isLockNamed && lookAt(join(this.path, INSTANCE_FILE)) !== undefined;
  }

  /** Whether somebody has let others exchange what is in the folder, by its owner or its mode, or enter that of the sockets, by its mode. */
  get isGivenAway(): boolean {
    return this.#isFolderGivenAway || this.#areSocketsOpen;
  }

  /** Names of the backends' sockets; undefined while the folder is not to be had. */
  get socketNames(): ReadonlySet<string> | undefined {
    try {
      return new Set(readdirSync(this.socketFolder));
    } catch {
      return undefined;
    }
  }

  /** Makes again what somebody has removed. @throws FpmError RUNTIME_DIR, ALREADY_RUNNING: another daemon has it now, and nothing was touched. */
  remake(): void {
    const isNew = lookAt(this.path) === undefined;
    const fd = this.#prepare(this.#isLockNamed ? this.#lock.fd : undefined);
    if (isNew) this.#restoreAccess();
    if (fd !== this.#lock.fd) this.#changeLock(fd);
    this.#checkOwner();
    // Not before: it may be another daemon's.
    this.#identity = fileIdentity(this.path);
    this.#socketsIdentity = fileIdentity(this.socketFolder);
    this.writePid();
    this.#writeInstance();
  }

  /**
   * Has the folder, and that of the sockets, as it was when it was given away. The sockets in it, and the connections to them, stay as they are.
   * @throws FpmError RUNTIME_DIR: only root may take it back.
   */
  takeBack(): void {
    // First what needs no root: it is ours as it stands, only the mode is another one.
    if (this.#areSocketsOpen) restore(this.socketFolder, this.#socketsIdentity, { mode: SOCKETS_MODE });
    if (this.#isFolderGivenAway) restore(this.path, this.#identity, this.#access, this.#ownProblem);
  }

  /** Says in the pid file that it is ours: whoever is kept out by the lock tells of this pid. @throws FpmError RUNTIME_DIR. */
  writePid(): void {
    const text = `${process.pid}\n`;
    let fd: number | undefined;
    try {
      const { size } = fstatSync(this.lock.fd);
      // What holds the lock writes at the end only.
      fd = openSync(pathOf(this.lock.fd), O_WRONLY);
      // Over what is there, with line ends up to its end: whoever reads it finds one number at any time.
      writeSync(fd, text.padEnd(size, "\n"), 0);
      ftruncateSync(fd, text.length);
    } catch (error) {
      throw cannotBeUsed(this.path, error);
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
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
    if (this.#isAnothers) {
      this.yield();
      return [];
    }
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

  get #isFolderGivenAway(): boolean {
    // Another daemon's folder may have the number of ours that was removed.
    return this.#ownProblem !== undefined && fileIdentity(this.path) === this.#identity && !this.#isAnothers;
  }

  get #areSocketsOpen(): boolean {
    const folder = lookAt(this.socketFolder);
    if (!folder || isClosed(folder)) return false;
    return isOwnFolder(folder) && identityOf(folder) === this.#socketsIdentity;
  }

  get #ownProblem(): string | undefined {
    const facts = lookAt(this.path);
    if (!facts) return undefined;
    return ownFolderProblem({ uid: Number(facts.uid), mode: Number(facts.mode) }, process.geteuid?.() ?? 0);
  }

  /** Whether the pid file is the one that we have locked. */
  get #isLockNamed(): boolean {
    const named = lookAt(join(this.path, PID_FILE));
    const locked = fstatSync(this.#lock.fd, { bigint: true });
    return named?.ino === locked.ino && named.dev === locked.dev;
  }

  /** Whether somebody has put another pid file there, or something else in the place of the folder. */
  get #isAnothers(): boolean {
    const folder = lookAt(this.path);
    if (folder && !folder.isDirectory()) return true;
    return !this.#isLockNamed && lookAt(join(this.path, PID_FILE)) !== undefined;
  }

  /** @throws FpmError ALREADY_RUNNING; then the descriptor is closed, and the lock is as it was. */
  #changeLock(fd: number): void {
    if (tryLock(fd)) {
      closeSync(this.#lock.fd);
      this.#lock = { ...this.#lock, fd };
      return;
    }
    closeSync(fd);
    const what = `Another std-fpm runs in ${this.path} now. Stop it, or restart this one with another \`runtime_dir\`.`;
    throw new FpmError("ALREADY_RUNNING", "daemon", what);
  }

  #writeInstance(): void {
    const marker = openOwn(join(this.path, INSTANCE_FILE), O_WRONLY | O_CREAT | O_TRUNC, 0o600);
    writeSync(marker, `${this.lock.instance}\n`);
    closeSync(marker);
  }

  /** A folder that was made again lets those in that the one before did. */
  #restoreAccess(): void {
    const { uid, gid, mode } = this.#access;
    try {
      chownSync(this.path, uid, gid);
    } catch {
      // Only root may give it away.
    }
    chmodSync(this.path, mode & 0o7777);
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
      this.#hasMadeBackends = mkdirSync(backends, { recursive: true, mode: SOCKETS_MODE }) !== undefined;
      return inheritedFd ?? openOwn(join(this.path, PID_FILE), O_RDWR | O_APPEND | O_CREAT, 0o644);
    } catch (error) {
      throw cannotBeUsed(this.path, error);
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
    if (this.#isLockNamed) return;
    throw new FpmError(
      "RUNTIME_DIR",
      "daemon",
      `${join(this.path, PID_FILE)} was removed or replaced. Restart std-fpm.`,
    );
  }

  /** Whoever may write to the folder of the sockets could put a program of their own there. */
  #checkOwner(): void {
    const backends = join(this.path, BACKENDS_DIR);
    const folder = lstatSync(backends, { bigint: true });
    if (isOwnFolder(folder) && isClosed(folder)) return;
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

function cannotBeUsed(path: string, error: unknown): FpmError {
  const what = `The runtime folder ${path} cannot be used: ${messageOf(error)}`;
  return new FpmError("RUNTIME_DIR", "daemon", what, { cause: error });
}

function isOwnFolder(facts: BigIntStats): boolean {
  return facts.isDirectory() && Number(facts.uid) === process.geteuid?.();
}

/** Whether nobody else than its owner may enter a folder. */
function isClosed({ mode }: BigIntStats): boolean {
  return (mode & 0o077n) === 0n;
}

/** Has the very folder as it was: another one in its place is not ours to change. @throws FpmError RUNTIME_DIR. */
function restore(path: string, identity: string | undefined, access: Access, problem?: string): void {
  const { uid, gid, mode } = access;
  try {
    const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      if (identityOf(fstatSync(fd, { bigint: true })) !== identity) return;
      if (uid !== undefined && gid !== undefined) fchownSync(fd, uid, gid);
      fchmodSync(fd, mode & 0o7777);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const chown = uid === undefined ? "" : `chown ${uid}:${gid} ${path} && `;
    const what = `${problem ?? messageOf(error)}. Do it as root: ${chown}chmod ${(mode & 0o7777).toString(8)} ${path}.`;
    throw new FpmError("RUNTIME_DIR", "daemon", what, { cause: error });
  }
}

function lookAt(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    // A folder on the way is none, or may not be entered.
    return undefined;
  }
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
