import type { LogReader } from "../base/log.ts";
import { LogFile } from "../base/log-file.ts";
import type { Terminal } from "./terminal.ts";

/** Where the log goes: stderr, or a file. */
export class LogTarget {
  readonly #terminal: Terminal;
  #path = "";
  #file: LogFile | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Who reads what is written next. */
  get reader(): LogReader {
    return this.#file ? "other" : this.#terminal.errReader;
  }

  /** From now on into this file; "" = stderr. */
  use(path: string): void {
    if (path === this.#path) return;
    void this.#file?.close();
    this.#path = path;
    // Somebody should hear of a log that cannot be written.
    const tell = (what: string) => this.#terminal.err(`std-fpm: ${what}\n`);
    this.#file = path === "" ? undefined : new LogFile(path, { onTrouble: tell, onRecovery: tell });
  }

  /** Takes a finished line. */
  write(line: string): void {
    if (this.#file) this.#file.write(line);
    else this.#terminal.err(line);
  }

  /** The file was renamed: goes on in a new one. Gives why there is none yet; undefined: it is open. */
  async reopen(): Promise<string | undefined> {
    return await this.#file?.reopen();
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}
