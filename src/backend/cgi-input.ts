import type { ByteBudget } from "../base/byte-budget.ts";
import type { Clock } from "../base/clock.ts";
import { BugError } from "../base/errors.ts";
import { Decoder, type RawSink, type RecordSink } from "../fcgi/decoder.ts";
import { FCGI_STDIN } from "../fcgi/protocol.ts";
import { PipeWriter } from "./pipe-writer.ts";
import { PIPE_BYTES, type PipeCalls, type PipeHolder } from "./pipes.ts";

/**
 * The stdin of a CGI process: the content of STDIN records goes there, and their end closes it. It outlives the answer: a program may read what it was
 * sent after it has closed its output, or when its client has left.
 */
export class CgiInput implements RecordSink {
  readonly #decoder = new Decoder(this);
  readonly #pipe: PipeWriter;
  /** Hears when what had to wait was taken, or when nobody reads any more. */
  onDrain: () => void;
  #type = 0;
  #length = 0;

  /** Takes over the writing end of a pipe. */
  constructor(
    fd: number,
    holder: PipeHolder,
    calls: PipeCalls,
    buffers: ByteBudget,
    clock: Clock,
    onDrain: () => void,
  ) {
    this.onDrain = onDrain;
    this.#pipe = new PipeWriter(fd, holder, calls, buffers, clock, () => this.onDrain());
  }

  /** Bytes that the program has not taken yet. */
  get waiting(): number {
    return this.#pipe.waiting;
  }

  /** When nobody waits for it any more, what can be read once more need not be held. */
  get isCongested(): boolean {
    return this.waiting > (this.isOutlived ? 0 : PIPE_BYTES);
  }

  /** Whether the answer is over. */
  get isOutlived(): boolean {
    return this.#pipe.isOutlived;
  }

  /** Whether nothing more goes there: it was closed, or nobody reads. */
  get isClosed(): boolean {
    return this.#pipe.isClosed;
  }

  /** Whole records, by reference; those of other types are left out. */
  write(chunk: Uint8Array, start: number, end: number): void {
    if (!this.isClosed) this.#decoder.push(chunk.subarray(start, end));
  }

  /** The process is to be started now. */
  share(): void {
    this.#pipe.share();
  }

  /** No more comes. */
  end(): void {
    this.#pipe.end();
  }

  /** Its process has ended. */
  onProcessEnded(): void {
    this.#pipe.onReaderEnded();
  }

  /** The answer is over, and more comes. */
  outlive(): void {
    this.#pipe.outlive();
  }

  /** The request is over: who has got all of the body is left to read it, from others nothing more is to be expected. */
  leave(): void {
    this.onDrain = () => {};
    this.#pipe.leave();
  }

  onRecord(type: number, _requestId: number, contentLength: number): RawSink | null {
    this.#type = type;
    this.#length = contentLength;
    return null;
  }

  onContent(chunk: Uint8Array, start: number, end: number): void {
    if (this.#type === FCGI_STDIN) this.#pipe.write(chunk, start, end);
  }

  onRecordEnd(): void {
    if (this.#type === FCGI_STDIN && this.#length === 0) this.#pipe.end();
  }

  onMalformed(problem: string): void {
    throw new BugError(`a request went on to a CGI program with ${problem}`);
  }
}
