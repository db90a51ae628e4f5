import {
  closeSync,
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

const PID_FILE = "std-fpm.pid";
const INSTANCE_FILE = "instance";
const BACKENDS_DIR = "backends";

/**
 * The runtime folder: the pid file, which is also the lock that keeps a second daemon out, the mark of this instance
 * and the sockets of the backends.
 */
export class RuntimeDir {
  readonly path: string;
  /** In the environment of every program that this daemon starts. */
  readonly instance = crypto.randomUUID();
  /** The mark of the daemon that ran here before, when it did not end in order. */
  readonly previousInstance: string | undefined;
  readonly #lockFd: number;
  #sockets = 0;

  /** Makes the folder where it is missing. @throws FpmError RUNTIME_DIR, ALREADY_RUNNING. */
  constructor(path: string) {
    this.path = path;
    try {
      mkdirSync(path, { recursive: true, mode: 0o755 });
      mkdirSync(join(path, BACKENDS_DIR), { recursive: true, mode: 0o700 });
      this.#lockFd = openSync(join(path, PID_FILE), "a+", 0o644);
    } catch (error) {
      throw new FpmError(
        "RUNTIME_DIR",
        "daemon",
        `The runtime folder ${path} cannot be used: ${messageOf(error)}`,
        {
          cause: error,
        },
      );
    }
    this.#checkOwner();
    if (!tryLock(this.#lockFd)) {
      const pid = readFileSync(join(path, PID_FILE), "latin1").trim();
      closeSync(this.#lockFd);
      const what = `std-fpm is already running in ${path} (pid ${pid}). Stop it, or set another \`runtime_dir\`.`;
      throw new FpmError("ALREADY_RUNNING", "daemon", what);
    }
    this.previousInstance = readIfThere(join(path, INSTANCE_FILE))?.trim() || undefined;
  }

  /** Leaves our marks and removes what an earlier daemon left; its strays must have ended. */
  claim(): void {
    ftruncateSync(this.#lockFd);
    writeSync(this.#lockFd, `${process.pid}\n`);
    const marker = openSync(join(this.path, INSTANCE_FILE), "w", 0o600);
    writeSync(marker, `${this.instance}\n`);
    closeSync(marker);
    const backends = join(this.path, BACKENDS_DIR);
    for (const name of readdirSync(backends)) rmSync(join(backends, name), { recursive: true, force: true });
  }

  /** A path for the next backend's socket; no two are alike, those of another daemon in this folder included. */
  nextSocketPath(): string {
    this.#sockets++;
    return join(this.path, BACKENDS_DIR, `${process.pid}-${this.#sockets}.sock`);
  }

  /** Removes our files and lets the next daemon in. The folder itself stays: it may be the administrator's. */
  release(): void {
    for (const name of [INSTANCE_FILE, PID_FILE, BACKENDS_DIR])
      rmSync(join(this.path, name), { recursive: true, force: true });
    closeSync(this.#lockFd);
  }

  /** Whoever may write to the folder of the sockets could put a program of their own there. */
  #checkOwner(): void {
    const backends = join(this.path, BACKENDS_DIR);
    const { uid, mode } = statSync(backends);
    if (uid === process.geteuid?.() && (mode & 0o077) === 0) return;
    closeSync(this.#lockFd);
    const what = `${backends} must belong to the user that runs std-fpm and to nobody else (mode 0700). Remove it.`;
    throw new FpmError("RUNTIME_DIR", "daemon", what);
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
}
