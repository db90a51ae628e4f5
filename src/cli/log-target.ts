import { LogFile } from "../base/log-file.ts";

/** Where the log goes: stderr, or a file. */
export class LogTarget {
  readonly #writeErr: (text: string) => void;
  #path = "";
  #file: LogFile | undefined;

  constructor(writeErr: (text: string) => void) {
    this.#writeErr = writeErr;
  }

  /** From now on into this file; "" = stderr. */
  use(path: string): void {
    if (path === this.#path) return;
    void this.#file?.close();
    this.#path = path;
    // Somebody should hear of a log that cannot be written.
    this.#file = path === "" ? undefined : new LogFile(path, (what) => this.#writeErr(`std-fpm: ${what}\n`));
  }

  /** Takes a finished line. */
  write(line: string): void {
    if (this.#file) this.#file.write(line);
    else this.#writeErr(line);
  }

  /** The file was renamed: goes on in a new one. */
  async reopen(): Promise<void> {
    await this.#file?.reopen();
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}
