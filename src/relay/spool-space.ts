import { statfs } from "node:fs/promises";
import type { Clock } from "../base/clock.ts";
import { FpmError } from "../base/errors.ts";

/** For how long it is believed how much of the disk is free. */
const MEASURED_FOR_MS = 1000;

/** Where half of the disk's free space is less, it is the disk that is full, not a body that is large. */
const LEAST_LIMIT_BYTES = 256 * 1024 * 1024;

export interface SpoolSettings {
  readonly spoolDir: string;
  /** 0 = half of what is free. */
  readonly spoolLimitBytes: number;
}

/** Bytes that a file system has left for us. */
export type FreeBytes = (folder: string) => Promise<number>;

/**
 * What all bodies in `spool_dir` together may take. One of them may have as much as the others leave it and half of that stays free:
 * the first half of the limit, the next a quarter. So neither one endless body nor many that are held for long leave nothing for
 * the next one.
 */
export class SpoolSpace {
  readonly #clock: Clock;
  readonly #freeBytes: FreeBytes;
  #settings: SpoolSettings;
  #usedBytes = 0;
  #limitBytes = 0;
  #measuredAt = Number.NEGATIVE_INFINITY;
  /** Settles when the disk has told how much of it is free. */
  #measuring: Promise<void> | undefined;

  constructor(settings: SpoolSettings, clock: Clock, freeBytes: FreeBytes = freeBytesOf) {
    this.#settings = settings;
    this.#clock = clock;
    this.#freeBytes = freeBytes;
  }

  /** Other settings from now on. */
  use(settings: SpoolSettings): void {
    this.#settings = settings;
    this.#measuredAt = Number.NEGATIVE_INFINITY;
  }

  get folder(): string {
    return this.#settings.spoolDir;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /**
   * Takes room for `bytes` more of a body that has `size` already; `give` gives it back.
   * @throws FpmError BODY_TOO_LARGE where it would never fit, SPOOL_FULL where it does not now, or the disk is nearly full; the system's error when nobody can tell.
   */
  async take(size: number, bytes: number): Promise<void> {
    await this.#measure();
    const [limit, wanted] = [this.#limitBytes, size + bytes];
    const isDiskFull = this.#settings.spoolLimitBytes === 0 && limit < LEAST_LIMIT_BYTES;
    if (2 * wanted > limit)
      throw isDiskFull ? diskFull(this.folder, limit) : neverFits(Math.floor(limit / 2));
    if (this.#usedBytes + bytes + wanted > limit) throw full(this.#usedBytes, limit);
    this.#usedBytes += bytes;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
  }

  async #measure(): Promise<void> {
    const { spoolLimitBytes } = this.#settings;
    if (spoolLimitBytes > 0) {
      this.#limitBytes = spoolLimitBytes;
      return;
    }
    if (this.#clock.now() - this.#measuredAt < MEASURED_FOR_MS) return;
    this.#measuring ??= this.#askDisk().finally(() => {
      this.#measuring = undefined;
    });
    await this.#measuring;
  }

  async #askDisk(): Promise<void> {
    const free = await this.#freeBytes(this.folder);
    this.#limitBytes = Math.floor((this.#usedBytes + free) / 2);
    this.#measuredAt = this.#clock.now();
  }
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

function neverFits(mostBytes: number): FpmError {
  const what = `The body has more than ${mostBytes} bytes, half of what spool_dir may hold (spool_limit).`;
  return new FpmError("BODY_TOO_LARGE", "client", what);
}

function diskFull(folder: string, limitBytes: number): FpmError {
  const what = `The disk of spool_dir (${folder}) is nearly full: bodies may take ${limitBytes} bytes of it together, and one of them half of that.`;
  return new FpmError("SPOOL_FULL", "daemon", what);
}

function full(usedBytes: number, limitBytes: number): FpmError {
  const what = `Bodies of other requests take ${usedBytes} of the ${limitBytes} bytes that spool_dir may hold (spool_limit).`;
  return new FpmError("SPOOL_FULL", "daemon", what);
}
