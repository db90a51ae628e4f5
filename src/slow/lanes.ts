/** Runs a few tasks at once; a few more wait for their turn. */
export class Lanes {
  readonly #atOnce: number;
  readonly #mostWaiting: number;
  readonly #onError: (error: unknown) => void;
  readonly #waiting: (() => Promise<void>)[] = [];
  #running = 0;

  constructor(atOnce: number, mostWaiting: number, onError: (error: unknown) => void) {
    this.#atOnce = atOnce;
    this.#mostWaiting = mostWaiting;
    this.#onError = onError;
  }

  /** Runs the task now or later. False when too many wait: it will not be run. */
  run(task: () => Promise<void>): boolean {
    if (this.#running >= this.#atOnce) {
      if (this.#waiting.length >= this.#mostWaiting) return false;
      this.#waiting.push(task);
      return true;
    }
    this.#running++;
    void task()
      .catch(this.#onError)
      .then(() => this.#next());
    return true;
  }

  #next(): void {
    this.#running--;
    const next = this.#waiting.shift();
    if (next) this.run(next);
  }
}
