import type { ByteBudget } from "../base/byte-budget.ts";
import { ByteQueue } from "../base/byte-queue.ts";
import type { Clock } from "../base/clock.ts";
import type { FpmError } from "../base/errors.ts";
import { OUTBOX_HIGH_WATER } from "../base/outbox.ts";
import { Timers } from "../base/timers.ts";
import { bodyLate } from "./body-limit.ts";
import type { ClientListener, ClientStream } from "./client-stream.ts";
import { SpoolFile, spoolStands } from "./spool-file.ts";
import type { SpoolSpace } from "./spool-space.ts";

/** Up to this size a body stays in memory. */
const MAX_IN_MEMORY = 64 * 1024;

/** A whole body, as the records it came in. */
export interface CollectedBody {
  /** Of its content, without record headers. */
  readonly contentBytes: number;
  /** All of it, unless there is a file. */
  readonly records: ByteQueue;
  readonly file: SpoolFile | undefined;
}

export interface CollectOptions {
  readonly space: SpoolSpace;
  readonly buffers: ByteBudget;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/**
 * Takes a request's body until it is complete: small ones into memory, others into a file. Settles with undefined when the
 * client leaves, or has left. @throws FpmError BODY_TOO_LARGE, BODY_TIMEOUT, SPOOL_FULL, SPOOL_FAILED.
 */
export function collectBody(
  client: ClientStream,
  options: CollectOptions,
): Promise<CollectedBody | undefined> {
  return new Promise((resolve, reject) => new BodyCollector(client, options, resolve, reject).start());
}

class BodyCollector implements ClientListener {
  readonly #client: ClientStream;
  readonly #options: CollectOptions;
  readonly #resolve: (body: CollectedBody | undefined) => void;
  readonly #reject: (error: unknown) => void;
  readonly #timers: Timers<"progress">;
  readonly #records: ByteQueue;
  #file: SpoolFile | undefined;
  #isWriting = false;
  #isComplete = false;
  #isOver = false;

  constructor(
    client: ClientStream,
    options: CollectOptions,
    resolve: (body: CollectedBody | undefined) => void,
    reject: (error: unknown) => void,
  ) {
    this.#client = client;
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#timers = new Timers(options.clock);
    this.#records = new ByteQueue(options.buffers);
  }

  start(): void {
    if (this.#client.isGone) {
      this.onClientLeft();
      return;
    }
    this.#isComplete = this.#client.isBodyComplete;
    const begun = new ByteQueue();
    this.#client.body.feed(begun);
    if (!this.#isComplete) this.#client.listen(this);
    begun.visit((piece, from, end) => this.onBody(piece, from, end));
    if (this.#isComplete) this.#finish();
  }

  onBody(chunk: Uint8Array, start: number, end: number): void {
    if (this.#isOver) return;
    this.#awaitProgress();
    this.#records.push(chunk, start, end);
    if (this.#file || this.#records.bytes > MAX_IN_MEMORY) void this.#write();
    if (this.#records.bytes > OUTBOX_HIGH_WATER) this.#client.pauseBody();
  }

  onBodyEnd(): void {
    this.#isComplete = true;
    this.#finish();
  }

  onClientLeft(): void {
    this.#end(() => this.#resolve(undefined));
  }

  readonly mayBeUnseen = false;

  onBodyFailed(error: FpmError): void {
    this.#fail(error);
  }

  onClientDrain(): void {}

  async #write(): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    try {
      this.#file ??= await SpoolFile.create(this.#options.space);
      while (this.#records.bytes > 0) {
        const piece = this.#records.join();
        this.#records.clear();
        await this.#file.append(piece);
        if (this.#isOver) break;
        this.#awaitProgress();
        this.#client.resumeBody();
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#isWriting = false;
    if (this.#isOver) this.#file?.close();
    else if (this.#isComplete) this.#finish();
  }

  /** The body is complete; what of it is on its way into the file comes first. */
  #finish(): void {
    if (this.#isWriting || this.#isOver) return;
    this.#isOver = true;
    this.#release();
    this.#resolve({ contentBytes: this.#client.bodyBytes, records: this.#records, file: this.#file });
  }

  /** The client must send, or the disk take, a byte in time. */
  #awaitProgress(): void {
    const { timeoutMs, space } = this.#options;
    this.#timers.set("progress", timeoutMs, () => {
      this.#fail(this.#isWriting ? spoolStands(space.folder, timeoutMs) : bodyLate(timeoutMs));
    });
  }

  #fail(error: unknown): void {
    this.#end(() => this.#reject(error));
  }

  #end(settle: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#release();
    this.#records.clear();
    if (!this.#isWriting) this.#file?.close();
    settle();
  }

  #release(): void {
    this.#timers.cancelAll();
    this.#client.listen(undefined);
    this.#client.resumeBody();
  }
}
