import { type FileHandle, open } from "node:fs/promises";
import { type Clock, systemClock, type Timer } from "./clock.ts";
import { messageOf } from "./errors.ts";

/** Most bytes that wait for a file that does not take them; what comes beyond is counted and lost. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
/** After a failure the file is tried again after this time. */
const RETRY_MS = 1000;
const MODE = 0o640;

/** A file that lines are appended to. Nobody ever waits for it: while the disk is slow, full or gone, lines wait here, up to a limit. */
export class LogFile {
  readonly #path: string;
  readonly #onTrouble: (what: string) => void;
  readonly #clock: Clock;
  #lines: string[] = [];
  #waitingBytes = 0;
  #lost = 0;
  #handle: FileHandle | undefined;
  /** Settles when nothing is being written. */
  #writing: Promise<void> | undefined;
  #isInTrouble = false;
  #retry: Timer | undefined;

  /** `onTrouble` is told once when the file fails, and once when it takes lines again. */
  constructor(path: string, onTrouble: (what: string) => void, clock: Clock = systemClock) {
    this.#path = path;
    this.#clock = clock;
    this.#onTrouble = onTrouble;
  }

  /** Adds a line, which ends in a newline. */
  write(line: string): void {
    if (this.#waitingBytes > MAX_WAITING_BYTES) {
      this.#lost++;
      return;
    }
    this.#lines.push(line);
    this.#waitingBytes += line.length;
    if (!this.#retry) this.#writing ??= this.#writeAll();
  }

  /** Goes on in a new file: the old one was renamed. What came before this call stands in the old one. */
  async reopen(): Promise<void> {
    await this.#writing;
    await this.#close();
  }

  /** Writes what waits, if that is possible now, and closes the file. */
  async close(): Promise<void> {
    await (this.#writing ?? (this.#lines.length > 0 ? this.#writeAll() : undefined));
    this.#retry?.cancel();
    await this.#close();
  }

  async #writeAll(): Promise<void> {
    while (this.#lines.length > 0) {
      const lines = this.#lines;
      this.#lines = [];
      try {
        this.#handle ??= await open(this.#path, "a", MODE);
        await this.#handle.appendFile(lines.join(""));
        this.#waitingBytes -= lines.reduce((sum, line) => sum + line.length, 0);
        this.#onSuccess();
      } catch (error) {
        this.#lines = [...lines, ...this.#lines];
        this.#onFailure(error);
        break;
      }
    }
    this.#writing = undefined;
  }

  #onSuccess(): void {
    if (!this.#isInTrouble) return;
    this.#isInTrouble = false;
    const lost = this.#lost === 0 ? "" : `; ${this.#lost} lines were lost`;
    this.#lost = 0;
    this.#onTrouble(`${this.#path} takes lines again${lost}`);
  }

  #onFailure(error: unknown): void {
    if (!this.#isInTrouble) {
      this.#onTrouble(`${this.#path} takes no lines (${messageOf(error)}); it is tried again every second`);
    }
    this.#isInTrouble = true;
    this.#retry?.cancel();
    this.#retry = this.#clock.after(RETRY_MS, () => {
      this.#retry = undefined;
      void this.#close();
      this.#writing ??= this.#writeAll();
    });
  }

  async #close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close().catch(() => {});
  }
}
