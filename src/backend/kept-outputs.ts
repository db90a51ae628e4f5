import type { OutputReader } from "./output.ts";

/** Each has a descriptor. */
const MOST_KEPT = 64;

/**
 * The pipes of one program's processes that have ended while somebody goes on who has them: a job that was left on purpose would end by SIGPIPE. Each is
 * read to its end, unless there are too many; then the oldest is closed.
 */
export class KeptOutputs {
  readonly #kept = new Set<OutputReader>();

  add(output: OutputReader): void {
    this.#kept.add(output);
    void output.ended.then(() => this.#kept.delete(output));
    if (this.#kept.size <= MOST_KEPT) return;
    const [oldest] = this.#kept;
    oldest?.cancel();
  }
}
