import type { FileHandle } from "node:fs/promises";
import { type Clock, systemClock, type Timer } from "./clock.ts";
import { messageOf } from "./errors.ts";
import { identityOf } from "./file-identity.ts";
import { LineBuffer } from "./line-buffer.ts";
import { openLog } from "./open-log.ts";

export interface LogFileOptions {
  /** Told once when the file fails or lines are lost. */
  onTrouble(what: string): void;
  /** Told once when it takes lines again after that. */
  onRecovery(what: string): void;
  /** How long lines may be gathered before they are written; 0: they are written at once. */
  readonly gatherMs?: number;
  readonly clock?: Clock;
}

/** Most bytes that wait for a file that does not take them; what comes beyond is counted and lost. */
const MAX_WAITING = 4 * 1024 * 1024;
/** So much is written before `gatherMs` is over. */
const GATHER_AT_MOST = 64 * 1024;
/** After a failure the file is tried again after this time. */
const RETRY_MS = 1000;
/** How long the end may wait for a disk that hangs. */
const CLOSE_MS = 5000;
/** How long a new file may be waited for: logrotate stands meanwhile. */
const REOPEN_MS = 4000;
const NEWLINE = 10;

/** A new file was asked for. */
interface Cut {
  /** How much of what waits belongs into the old one. */
  bytes: number;
  /** Why the new one cannot be opened, or does not take what the old one did not; undefined: it can. */
  readonly reopened: PromiseWithResolvers<string | undefined>;
}

/** What is being written: after a failure it may stand in the file in part. */
interface Batch {
  readonly bytes: Uint8Array;
  written: number;
}

/** A file that lines are appended to. Nobody ever waits for it: while the disk is slow, full or gone, lines wait here, up to a limit. */
export class LogFile {
  readonly path: string;
  readonly #onTrouble: (what: string) => void;
  readonly #onRecovery: (what: string) => void;
  readonly #clock: Clock;
  readonly #gatherMs: number;
  readonly #lines = new LineBuffer();
  /** Where the last line ends in `#lines`. */
  #linesEnd = 0;
  #lost = 0;
  #handle: FileHandle | undefined;
  /** Device and inode of the file that was written to last. */
  #identity = "";
  #batch: Batch | undefined;
  #isWriting = false;
  /** Settles when nothing is being written. */
  #written: Promise<void> = Promise.resolve();
  #cut: Cut | undefined;
  #isInTrouble = false;
  /** Until lines that are gathered, or failed, are written. */
  #timer: Timer | undefined;
  #isFailing = false;

  constructor(path: string, options: LogFileOptions) {
    const { onTrouble, onRecovery, gatherMs = 0, clock = systemClock } = options;
    this.path = path;
    this.#onTrouble = onTrouble;
    this.#onRecovery = onRecovery;
    this.#gatherMs = gatherMs;
    this.#clock = clock;
  }

  /** Adds a line, which ends in a newline. */
  write(line: string): void {
    const lines = this.beginLine();
    if (!lines) return;
    lines.text(line);
    this.endLine();
  }

  /** Where the next line is to be put, before `endLine()`; undefined, and the line counts as lost, where too much waits. */
  beginLine(): LineBuffer | undefined {
    if (this.#waiting > MAX_WAITING) {
      this.#lose();
      return undefined;
    }
    // Of a line that was not ended.
    this.#lines.cut(this.#linesEnd);
    return this.#lines;
  }

  /** The line is whole, its newline included. */
  endLine(): void {
    this.#linesEnd = this.#lines.length;
    if (this.#isFailing) return;
    if (this.#gatherMs === 0 || this.#waiting >= GATHER_AT_MOST) this.#begin();
    else this.#timer ??= this.#clock.after(this.#gatherMs, () => this.#begin());
  }

  /**
   * Goes on in a new file: the old one was renamed. What came before this call stands in the old one, if that takes it. Settles within a few
   * seconds, with why there is no new file yet; undefined: it is open. Never rejects.
   */
  async reopen(): Promise<string | undefined> {
    this.#cut ??= { bytes: this.#linesEnd, reopened: Promise.withResolvers() };
    const { reopened } = this.#cut;
    this.#begin();
    const why = `${this.path} does not take what waits, for ${REOPEN_MS / 1000} s now: see what it lies on, or who reads it`;
    return await this.#within(REOPEN_MS, reopened.promise, why);
  }

  /** Writes what waits, if that is possible now, and closes the file. */
  async close(): Promise<void> {
    await this.#within(CLOSE_MS, this.#end(), undefined);
  }

  /** What comes of something, or `late` where that takes too long. */
  async #within<Value>(ms: number, outcome: Promise<Value>, late: Value): Promise<Value> {
    const { promise, resolve } = Promise.withResolvers<Value>();
    const timer = this.#clock.after(ms, () => resolve(late));
    const first = await Promise.race([outcome, promise]);
    timer.cancel();
    return first;
  }

  async #end(): Promise<void> {
    await this.#written;
    this.#begin();
    await this.#written;
    this.#cancelTimer();
    await this.#closeHandle();
  }

  /** Bytes of whole lines that are not written. */
  get #waiting(): number {
    return this.#linesEnd + (this.#batch?.bytes.length ?? 0);
  }

  #begin(): void {
    this.#cancelTimer();
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#written = this.#writeAll();
  }

  /** Never rejects. */
  async #writeAll(): Promise<void> {
    try {
      // Also with nothing to write: only so is it known that the trouble is over.
      if (this.#isFailing) await this.#opened();
      while (this.#batch || this.#linesEnd > 0 || this.#cut) await this.#writeNext();
      this.#isFailing = false;
      this.#onSuccess();
    } catch (error) {
      // Asked for while no file could be opened: a new one cannot either.
      this.#cut?.reopened.resolve(this.#failureOf(error));
      this.#cut = undefined;
      this.#onFailure(error);
    } finally {
      this.#isWriting = false;
    }
  }

  async #writeNext(): Promise<void> {
    this.#batch ??= this.#nextBatch();
    try {
      if (this.#batch) await this.#writeBatch(this.#batch);
    } catch (error) {
      if (!this.#cut) throw error;
      // The new file may take what the old one does not.
      this.#cut.bytes = 0;
    }
    if (this.#cut?.bytes === 0) await this.#goOnInNewFile(this.#cut);
  }

  #nextBatch(): Batch | undefined {
    const bytes = this.#lines.take(this.#cut?.bytes ?? this.#linesEnd);
    this.#linesEnd -= bytes.length;
    if (this.#cut) this.#cut.bytes = 0;
    return bytes.length === 0 ? undefined : { bytes, written: 0 };
  }

  async #writeBatch(batch: Batch): Promise<void> {
    const handle = await this.#opened();
    while (batch.written < batch.bytes.length) {
      const { bytesWritten } = await handle.write(batch.bytes, batch.written);
      batch.written += bytesWritten;
    }
    this.#batch = undefined;
  }

  /** A line that went into another file in part is written as a whole. */
  async #opened(): Promise<FileHandle> {
    if (this.#handle) return this.#handle;
    this.#handle = await openLog(this.path);
    const identity = identityOf(await this.#handle.stat({ bigint: true }));
    const batch = this.#batch;
    if (identity !== this.#identity && batch && batch.written > 0)
      batch.written = batch.bytes.lastIndexOf(NEWLINE, batch.written - 1) + 1;
    this.#identity = identity;
    return this.#handle;
  }

  async #goOnInNewFile({ reopened }: Cut): Promise<void> {
    this.#cut = undefined;
    await this.#closeHandle();
    try {
      await this.#opened();
      if (this.#batch) await this.#writeBatch(this.#batch);
      reopened.resolve(undefined);
    } catch (error) {
      reopened.resolve(this.#failureOf(error));
      throw error;
    }
  }

  #lose(): void {
    this.#lost++;
    if (!this.#isInTrouble)
      this.#tell(`${this.path} takes lines too slowly: ${MAX_WAITING / 2 ** 20} MiB wait, more are lost`);
  }

  #onSuccess(): void {
    if (!this.#isInTrouble) return;
    this.#isInTrouble = false;
    const lost =
      this.#lost === 0 ? "" : `; ${this.#lost} ${this.#lost === 1 ? "line was" : "lines were"} lost`;
    this.#lost = 0;
    this.#onRecovery(`${this.path} takes lines again${lost}`);
  }

  #onFailure(error: unknown): void {
    this.#isFailing = true;
    if (!this.#isInTrouble) this.#tell(this.#failureOf(error));
    this.#cancelTimer();
    this.#timer = this.#clock.after(RETRY_MS, () => {
      void this.#closeHandle().then(() => this.#begin());
    });
  }

  #tell(problem: string): void {
    this.#isInTrouble = true;
    this.#onTrouble(problem);
  }

  #failureOf(error: unknown): string {
    return `${this.path} takes no lines (${messageOf(error)}); it is tried again every second`;
  }

  #cancelTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  async #closeHandle(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close().catch(() => {});
  }
}
