import { memoryOf } from "./numbers.ts";
import { compare, type Judged } from "./trouble.ts";

type Value = (judged: Judged) => number | string;

/** What the table may be sorted by, and what its column is called. */
export const COLUMNS: Readonly<Record<string, { readonly head: string; readonly value: Value }>> = {
  state: { head: "state", value: () => 0 },
  name: { head: "program", value: ({ program }) => program.name },
  rate: { head: "requests/s", value: ({ history }) => -(history.last?.requestsPerSecond ?? 0) },
  failed: {
    head: "failed, 1 min",
    value: ({ history }) => -history.recent.failures - history.recent.serverErrors,
  },
  waiting: {
    head: "waiting",
    value: ({ program }) => -program.queue_oldest_seconds || -program.queue_length,
  },
  busy: {
    head: "busy processes",
    value: ({ program }) => -program.processes.busy - program.processes.on_its_own,
  },
  p50: { head: "p50, 1 min", value: ({ history }) => -(history.recent.p50Seconds ?? -1) },
  p99: { head: "p99, 1 min", value: ({ history }) => -(history.recent.p99Seconds ?? -1) },
  memory: { head: "memory", value: ({ program }) => -(memoryOf(program) ?? -1) },
};

/** The order of the table: by trouble, until somebody presses the head of another column; once more turns it round. */
export class Sorting {
  readonly #heads: readonly HTMLElement[];
  #by = "state";
  #isReversed = false;

  /** Puts a button into each head below `table` that has a `data-sort`. */
  constructor(table: HTMLElement, onChange: () => void) {
    this.#heads = [...table.querySelectorAll<HTMLElement>("[data-sort]")];
    for (const head of this.#heads) {
      const by = head.dataset["sort"] ?? "";
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = COLUMNS[by]?.head ?? by;
      button.addEventListener("click", () => {
        this.#isReversed = this.#by === by && !this.#isReversed;
        this.#by = by;
        this.#mark();
        onChange();
      });
      head.append(button);
    }
    this.#mark();
  }

  /** The same in this order; equal ones stay in the order of trouble. */
  sorted(judged: readonly Judged[]): Judged[] {
    const value = COLUMNS[this.#by]?.value;
    const sorted = [...judged];
    if (value && this.#by !== "state") sorted.sort((a, b) => compare(value(a), value(b)));
    return this.#isReversed ? sorted.reverse() : sorted;
  }

  #mark(): void {
    const direction = (this.#by === "name") !== this.#isReversed ? "ascending" : "descending";
    for (const head of this.#heads) head.ariaSort = head.dataset["sort"] === this.#by ? direction : "none";
  }
}
