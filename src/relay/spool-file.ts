import { type FileHandle, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import { noteDescriptor } from "../base/descriptor-limit.ts";
import { FpmError, messageOf } from "../base/errors.ts";
import { isShortage, noDescriptors } from "../base/shortage.ts";
import type { SpoolSpace } from "./spool-space.ts";

/** A file without a name: nobody else finds it, and it is gone with its descriptor, whatever happens. */
export class SpoolFile {
  readonly #handle: FileHandle;
  readonly #space: SpoolSpace;
  #size = 0;
  /** Bytes of `#space` that are ours. */
  #taken = 0;
  #isClosed = false;

  private constructor(handle: FileHandle, space: SpoolSpace) {
    this.#handle = handle;
    this.#space = space;
  }

  /** @throws FpmError SPOOL_FAILED, NO_DESCRIPTORS. */
  static async create(space: SpoolSpace): Promise<SpoolFile> {
    const path = join(space.folder, `std-fpm-${crypto.randomUUID()}`);
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, "wx+", 0o600);
      noteDescriptor(handle.fd);
      await unlink(path);
      return new SpoolFile(handle, space);
    } catch (error) {
      await handle?.close().catch(() => {});
      throw spoolFailed(space.folder, error);
    }
  }

  get size(): number {
    return this.#size;
  }

  /** @throws FpmError SPOOL_FAILED: the disk may be full; SPOOL_FULL, BODY_TOO_LARGE: there is no room for so much. */
  async append(bytes: Uint8Array): Promise<void> {
    try {
      await this.#space.take(this.#taken, bytes.length);
      this.#taken += bytes.length;
      for (let at = 0; at < bytes.length; ) {
        const { bytesWritten } = await this.#handle.write(bytes, at, bytes.length - at, this.#size);
        at += bytesWritten;
        this.#size += bytesWritten;
      }
    } catch (error) {
      throw error instanceof FpmError ? error : spoolFailed("a file in spool_dir", error);
    }
  }

  /** The bytes from `position` on, as many as fit into `length`. @throws FpmError SPOOL_FAILED. */
  async read(position: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.min(length, this.#size - position));
    try {
      const { bytesRead } = await this.#handle.read(bytes, 0, bytes.length, position);
      if (bytesRead === 0) throw new RangeError("it has become shorter");
      return bytes.subarray(0, bytesRead);
    } catch (error) {
      throw spoolFailed("a file in spool_dir", error);
    }
  }

  /** Gives up what is in it; not while something is appended. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#space.give(this.#taken);
    // What the disk says to that is of no use to anybody: the file has gone.
    this.#handle.close().catch(() => {});
  }
}

/** The disk has taken no byte for so long. */
export function spoolStands(folder: string, forMs: number): FpmError {
  return spoolFailed(folder, `its disk has taken nothing for ${forMs / 1000} s`);
}

function spoolFailed(where: string, cause: unknown): FpmError {
  const what = `A request's body cannot be kept in ${where}`;
  if (isShortage(cause)) return noDescriptors(what);
  return new FpmError("SPOOL_FAILED", "daemon", `${what}: ${messageOf(cause)}`, { cause });
}
