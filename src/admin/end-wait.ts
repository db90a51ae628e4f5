/** So many may wait at once. */
const MAX_WAITING = 16;

/** Those who wait for the daemon's end: the end of the process closes their connections, and that is their answer. */
export class EndWait {
  readonly #waiting = new Set<Request>();

  /** How many wait. */
  get count(): number {
    return this.#waiting.size;
  }

  /** Never settles; undefined when there are too many. */
  wait(request: Request): Promise<Response> | undefined {
    if (this.#waiting.size >= MAX_WAITING) return undefined;
    this.#waiting.add(request);
    request.signal.addEventListener("abort", () => this.#waiting.delete(request));
    return new Promise(() => {});
  }
}
