import { type FileHandle, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import { FpmError, messageOf } from "../base/errors.ts";

/** A file without a name: nobody else finds it, and it is gone with its descriptor, whatever happens. */
export class SpoolFile {
  readonly #handle: FileHandle;
  #size = 0;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** @throws FpmError SPOOL_FAILED. */
  static async create(folder: string): Promise<SpoolFile> {
    const path = join(folder, `std-fpm-${crypto.randomUUID()}`);
    try {
      const handle = await open(path, "wx+", 0o600);
      await unlink(path);
      return new SpoolFile(handle);
    } catch (error) {
      throw spoolFailed(folder, error);
    }
  }

  get size(): number {
    return this.#size;
  }

  /** @throws FpmError SPOOL_FAILED: the disk may be full. */
  async append(bytes: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < bytes.length; ) {
        const { bytesWritten } = await this.#handle.write(bytes, at, bytes.length - at, this.#size);
        at += bytesWritten;
        this.#size += bytesWritten;
      }
    } catch (error) {
      throw spoolFailed("a file in spool_dir", error);
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

  close(): void {
    void this.#handle.close();
  }
}

function spoolFailed(where: string, cause: unknown): FpmError {
  const what = `A request's body cannot be kept in ${where}: ${messageOf(cause)}`;
  return new FpmError("SPOOL_FAILED", "daemon", what, { cause });
}
