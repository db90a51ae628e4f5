/** Where the kernel counts the processes that its memory killer has ended: a line `oom_kill N` of this file. */
export type KillCounter = string;

/** What tells of the kernel's memory killer: counters that move when it has ended a process. */
export class MemoryKiller {
  readonly #read: (path: string) => string | undefined;
  readonly #own: KillCounter;
  /** As they were at the last two looks; one for each control group that settings name. */
  readonly #seen = new Map<KillCounter, { before: number; latest: number }>();

  /** `own` counts for processes in our own control group; `read` has the text of a file, undefined where it cannot be read. */
  constructor(own: KillCounter, read: (path: string) => string | undefined) {
    this.#own = own;
    this.#read = read;
    this.watch("");
  }

  /** Looks after this control group, "" for our own, from now on. */
  watch(cgroup: string): void {
    const counter = this.#counterOf(cgroup);
    if (this.#seen.has(counter)) return;
    const count = this.#count(counter);
    this.#seen.set(counter, { before: count, latest: count });
  }

  /** Done once a second: how counters moved before the last two looks says nothing of a process that ends now. */
  look(): void {
    for (const [counter, seen] of this.#seen) {
      seen.before = seen.latest;
      seen.latest = this.#count(counter);
    }
  }

  /** How the counter of a control group has moved in the last second or two, in words; undefined: it has not. */
  moved(cgroup: string): string | undefined {
    const counter = this.#counterOf(cgroup);
    const before = this.#seen.get(counter)?.before ?? 0;
    const now = this.#count(counter);
    return now > before ? `oom_kill of ${counter} went from ${before} to ${now}` : undefined;
  }

  #counterOf(cgroup: string): KillCounter {
    if (cgroup === "") return this.#own;
    const ofVersion1 = `${cgroup}/memory.oom_control`;
    return this.#read(ofVersion1) === undefined ? `${cgroup}/memory.events` : ofVersion1;
  }

  #count(counter: KillCounter): number {
    return Number(/^oom_kill (\d+)$/m.exec(this.#read(counter) ?? "")?.[1] ?? 0);
  }
}
