import { type FileHandle, open } from "node:fs/promises";
import { type Clock, systemClock, type Timer } from "./clock.ts";
import { messageOf } from "./errors.ts";
import { LineBuffer } from "./line-buffer.ts";

export interface LogFileOptions {
  /** Told once when the file fails or lines are lost, and once when it takes them again. */
  onTrouble(what: string): void;
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
const MODE = 0o640;
const NEWLINE = 10;

/** A new file was asked for. */
interface Cut {
  /** How much of what waits belongs into the old one. */
  bytes: number;
  readonly reopened: PromiseWithResolvers<void>;
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

  constructor(path: string, { onTrouble, gatherMs = 0, clock = systemClock }: LogFileOptions) {
    this.path = path;
    this.#onTrouble = onTrouble;
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

  /** Goes on in a new file: the old one was renamed. What came before this call stands in the old one, if that takes it. */
  async reopen(): Promise<void> {
    this.#cut ??= { bytes: this.#linesEnd, reopened: Promise.withResolvers() };
    const { reopened } = this.#cut;
    this.#begin();
    await reopened.promise;
  }

  /** Writes what waits, if that is possible now, and closes the file. */
  async close(): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = this.#clock.after(CLOSE_MS, late.resolve);
    await Promise.race([this.#end(), late.promise]);
    timer.cancel();
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
      while (this.#batch || this.#linesEnd > 0 || this.#cut) {
        this.#batch ??= this.#nextBatch();
        if (this.#batch) await this.#writeBatch(this.#batch);
        if (this.#cut?.bytes === 0) await this.#goOnInNewFile(this.#cut);
      }
      this.#isFailing = false;
      this.#onSuccess();
    } catch (error) {
      if (this.#cut) await this.#goOnInNewFile(this.#cut);
      this.#onFailure(error);
    } finally {
      this.#isWriting = false;
    }
  }

  #nextBatch(): Batch | undefined {
    const bytes = this.#lines.take(this.#cut?.bytes ?? this.#linesEnd);
    this.#linesEnd -= bytes.length;
    if (this.#cut) this.#cut.bytes = 0;
    return bytes.length === 0 ? undefined : { bytes, written: 0 };
  }

  async #writeBatch(batch: Batch): Promise<void> {
    const handle = await this.#opened(batch);
    while (batch.written < batch.bytes.length) {
      const { bytesWritten } = await handle.write(batch.bytes, batch.written);
      batch.written += bytesWritten;
    }
    this.#batch = undefined;
  }

  /** A line that went into another file in part is written as a whole. */
  async #opened(batch: Batch): Promise<FileHandle> {
    if (this.#handle) return this.#handle;
    this.#handle = await open(this.path, "a", MODE);
    const { dev, ino } = await this.#handle.stat();
    const identity = `${dev}:${ino}`;
    if (identity !== this.#identity && batch.written > 0)
      batch.written = batch.bytes.lastIndexOf(NEWLINE, batch.written - 1) + 1;
    this.#identity = identity;
    return this.#handle;
  }

  async #goOnInNewFile({ reopened }: Cut): Promise<void> {
    this.#cut = undefined;
    await this.#closeHandle();
    reopened.resolve();
  }

  #lose(): void {
    this.#lost++;
    if (!this.#isInTrouble)
      this.#tell(`takes lines too slowly: ${MAX_WAITING / 2 ** 20} MiB wait, more are lost`);
  }

  #onSuccess(): void {
    if (!this.#isInTrouble) return;
    this.#isInTrouble = false;
    const lost =
      this.#lost === 0 ? "" : `; ${this.#lost} ${this.#lost === 1 ? "line was" : "lines were"} lost`;
    this.#lost = 0;
    this.#onTrouble(`${this.path} takes lines again${lost}`);
  }

  #onFailure(error: unknown): void {
    this.#isFailing = true;
    if (!this.#isInTrouble)
      this.#tell(`takes no lines (${messageOf(error)}); it is tried again every second`);
    this.#cancelTimer();
    this.#timer = this.#clock.after(RETRY_MS, () => {
      void this.#closeHandle().then(() => this.#begin());
    });
  }

  #tell(problem: string): void {
    this.#isInTrouble = true;
    this.#onTrouble(`${this.path} ${problem}`);
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
