import type { ByteBudget } from "../base/byte-budget.ts";
import { ByteQueue } from "../base/byte-queue.ts";
import { BugError } from "../base/errors.ts";
import { contentLengthAt, FCGI_HEADER_LEN, FCGI_VERSION_1, requestIdAt } from "./protocol.ts";

/** Takes the raw bytes of whole records, header and padding included, in one piece or several. */
export interface RawSink {
  /** Whether it also takes a record as it comes: then none is held back for it until it is whole. */
  readonly takesParts?: boolean;
  onRaw(chunk: Uint8Array, start: number, end: number): void;
}

/** What a decoder tells its owner. Any of these may call `stop()` or `flush()` on the decoder. */
export interface RecordSink {
  /**
   * A header is complete: `chunk[at, at + 8)`, in which the request id may be changed. The answer says where the raw bytes of this
   * record go; null: nowhere.
   */
  onRecord(
    type: number,
    requestId: number,
    contentLength: number,
    paddingLength: number,
    chunk: Uint8Array,
    at: number,
  ): RawSink | null;
  /** A piece of the record's content, as it arrives: `chunk[start, end)`. */
  onContent(chunk: Uint8Array, start: number, end: number): void;
  /** The record is complete, padding included. Its raw bytes may still be due: see `flush()`. */
  onRecordEnd(): void;
  /** The bytes are not FastCGI. The decoder stops, and drops what is due of raw bytes unless it is asked for now: see `giveUp()`. */
  onMalformed(problem: string): void;
}

const NO_BYTES = new Uint8Array(0);
const NOBODY: RecordSink = { onRecord: () => null, onContent() {}, onRecordEnd() {}, onMalformed() {} };

const HEADER = 0;
const CONTENT = 1;
const PADDING = 2;
const STOPPED = 3;

/**
 * FastCGI records out of a byte stream that is cut anywhere (specification §3.3), without a copy: contents
 * are handed on as positions in the chunks they came in. Only a header that straddles chunks is put together.
 *
 * Raw bytes are handed on in runs of whole records with the same sink: one call for all records of a chunk that go
 * the same way. A record that straddles chunks is held back (by reference, at most 64 KiB) until it is whole, then handed on in its
 * pieces: a stream of raw bytes can be cut, or another record be put in, after any `push()` or `flush()`. A sink that takes parts gets what has
 * come of such a record, from its whole header on.
 *
 *     HEADER ──8 bytes──► CONTENT ──contentLength──► PADDING ──paddingLength──► HEADER
 *        └── version is not 1, or stop() from any state ──► STOPPED
 */
export class Decoder {
  #sink: RecordSink;
  /** A header that straddles chunks; made when there is one. */
  #scratch: Uint8Array | undefined;
  #scratchFill = 0;
  #state = HEADER;
  /** Bytes still to come in this state. */
  #left = 0;
  #padding = 0;
  #chunk: Uint8Array = NO_BYTES;
  #position = 0;
  /** Where the record in progress begins in the chunk; 0 when it began in an earlier one. */
  #recordStart = 0;
  /** The record in progress, as far as it came in earlier chunks; made for the first that straddles two. */
  #held: ByteQueue | undefined;
  /** It has ended in this chunk, and is the first of the run. */
  #isHeldWhole = false;
  /** Behind it another record has begun. */
  #isHeldSure = false;
  /** Where the last record of this chunk begins whose header was right. */
  #sureEnd = 0;
  readonly #budget: ByteBudget | undefined;
  #rawSink: RawSink | null = null;
  /** Whole records in `chunk[runStart, recordStart)` are due to `runSink`. */
  #runSink: RawSink | null = null;
  #runStart = 0;

  /** A record that is held back is held of `budget`: its owner must end with `stop()`. */
  constructor(sink: RecordSink, budget?: ByteBudget) {
    this.#sink = sink;
    this.#budget = budget;
  }

  /** What follows belongs to somebody else: all records so far were whole and handed on, and nothing has come behind them. */
  begin(sink: RecordSink): void {
    if (!this.atBoundary || this.hasMore) throw new BugError("another request begins within a record");
    this.#tell(sink);
  }

  /** What follows belongs to nobody, until somebody begins; whoever was told so far is let go. */
  rest(): void {
    this.#tell(NOBODY);
  }

  #tell(sink: RecordSink): void {
    this.#sink = sink;
    this.#rawSink = null;
    this.#runSink = null;
  }

  /** Whether the bytes so far end between two records. */
  get atBoundary(): boolean {
    return this.#state === HEADER && this.#scratchFill === 0;
  }

  /** Whether the chunk goes on behind the record that has just ended. */
  get hasMore(): boolean {
    return this.#position < this.#chunk.length;
  }

  /** Decodes the next bytes of the stream. The chunk belongs to the receivers afterwards: it must not be reused. */
  push(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#position = 0;
    this.#recordStart = 0;
    this.#runStart = 0;
    this.#sureEnd = 0;
    while (this.#position < chunk.length) {
      if (this.#state === HEADER) this.#readRecord(chunk);
      else if (this.#state === CONTENT) this.#readContent(chunk);
      else if (this.#state === PADDING) this.#readPadding(chunk);
      else return;
    }
    if (this.#recordStart < chunk.length && this.#state !== STOPPED) this.#onPart(chunk);
    else this.flush();
    this.#chunk = NO_BYTES;
  }

  /** The chunk ends within a record. */
  #onPart(chunk: Uint8Array): void {
    const sink = this.#rawSink;
    if (this.#state !== HEADER && sink?.takesParts) {
      // What is whole goes the same way: in one piece with it.
      this.#releaseHeld(sink);
      sink.onRaw(chunk, this.#runStart, chunk.length);
      return;
    }
    this.flush();
    // A record that goes nowhere is not kept; where a header is cut nobody knows yet.
    const isKept = this.#state === HEADER || (sink !== null && !this.#stopped());
    if (isKept) this.#hold(chunk, this.#recordStart, chunk.length);
  }

  /** Hands on the raw bytes of the whole records decoded so far. */
  flush(): void {
    if (this.#isHeldWhole) this.#releaseHeld(this.#runSink);
    const start = this.#runStart;
    this.#runStart = this.#recordStart;
    if (this.#runSink && this.#recordStart > start)
      this.#runSink.onRaw(this.#chunk, start, this.#recordStart);
  }

  /** Ignores whatever comes from now on. Raw bytes that are due are dropped. */
  stop(): void {
    this.#state = STOPPED;
    this.#runSink = null;
    this.#isHeldWhole = false;
    this.#held?.clear();
  }

  /**
   * What follows is no record: hands on the raw bytes of the whole records so far but for the last one, and stops. Where others have written into a
   * record it seems to end too early, and its rest is taken for the next header.
   */
  giveUp(): void {
    const sink = this.#runSink;
    if (this.#isHeldWhole && this.#isHeldSure) this.#releaseHeld(sink);
    if (sink && this.#sureEnd > this.#runStart) sink.onRaw(this.#chunk, this.#runStart, this.#sureEnd);
    this.stop();
  }

  #hold(chunk: Uint8Array, start: number, end: number): void {
    this.#held ??= new ByteQueue(this.#budget);
    this.#held.push(chunk, start, end);
  }

  /** A record that is all in this chunk at once, as nearly all are; of another one what has come of its header. */
  #readRecord(chunk: Uint8Array): void {
    const at = this.#position;
    if (this.#scratchFill > 0 || chunk.length - at < FCGI_HEADER_LEN) {
      this.#gatherHeader(chunk);
      return;
    }
    this.#position += FCGI_HEADER_LEN;
    this.#onHeader(chunk, at);
    if (this.#stopped()) return;
    const contentEnd = this.#position + this.#left;
    const end = contentEnd + this.#padding;
    if (end > chunk.length) {
      if (this.#left === 0) this.#endContent();
      return;
    }
    if (this.#left > 0) this.#sink.onContent(chunk, this.#position, contentEnd);
    if (this.#stopped()) return;
    this.#position = end;
    this.#endRecord();
  }

  #gatherHeader(chunk: Uint8Array): void {
    this.#scratch ??= new Uint8Array(FCGI_HEADER_LEN);
    while (this.#scratchFill < FCGI_HEADER_LEN && this.#position < chunk.length) {
      this.#scratch[this.#scratchFill++] = chunk[this.#position++] as number;
    }
    const header = this.#scratch;
    // Its first byte tells: what is right before it must not be handed on.
    if (header[0] !== FCGI_VERSION_1) this.#refuse(header[0]);
    if (this.#scratchFill < FCGI_HEADER_LEN || this.#stopped()) return;
    this.#scratch = undefined;
    this.#scratchFill = 0;
    // Put together it takes the place of its pieces: the sink may change it.
    this.#held?.clear();
    this.#hold(header, 0, FCGI_HEADER_LEN);
    this.#recordStart = this.#position;
    this.#runStart = this.#position;
    this.#onHeader(header, 0);
    if (this.#left === 0 && !this.#stopped()) this.#endContent();
  }

  #onHeader(bytes: Uint8Array, at: number): void {
    if (bytes[at] !== FCGI_VERSION_1) {
      this.#refuse(bytes[at]);
      return;
    }
    const requestId = requestIdAt(bytes, at);
    const contentLength = contentLengthAt(bytes, at);
    const paddingLength = bytes[at + 6] as number;
    this.#left = contentLength;
    this.#padding = paddingLength;
    this.#state = CONTENT;
    const type = bytes[at + 1] as number;
    this.#rawSink = this.#sink.onRecord(type, requestId, contentLength, paddingLength, bytes, at);
    if (this.#stopped()) return;
    this.#sureEnd = this.#recordStart;
    this.#isHeldSure = this.#isHeldWhole;
    if (this.#rawSink !== this.#runSink) {
      this.flush();
      this.#runSink = this.#rawSink;
    }
  }

  #refuse(version: number | undefined): void {
    this.#sink.onMalformed(`a record of FastCGI version ${version}; only version 1 exists`);
    this.stop();
  }

  #readContent(chunk: Uint8Array): void {
    const start = this.#position;
    const end = Math.min(start + this.#left, chunk.length);
    this.#position = end;
    this.#left -= end - start;
    this.#sink.onContent(chunk, start, end);
    if (this.#left === 0 && !this.#stopped()) this.#endContent();
  }

  #endContent(): void {
    this.#left = this.#padding;
    this.#state = PADDING;
    if (this.#padding === 0) this.#endRecord();
  }

  #readPadding(chunk: Uint8Array): void {
    const taken = Math.min(this.#left, chunk.length - this.#position);
    this.#position += taken;
    this.#left -= taken;
    if (this.#left === 0) this.#endRecord();
  }

  #endRecord(): void {
    this.#state = HEADER;
    this.#recordStart = this.#position;
    if (!this.#isHeldWhole && this.#held && this.#held.bytes > 0) {
      this.#isHeldWhole = true;
      this.#isHeldSure = false;
    }
    this.#sink.onRecordEnd();
  }

  /** What came in earlier chunks goes ahead of this chunk's part. */
  #releaseHeld(sink: RawSink | null): void {
    this.#isHeldWhole = false;
    if (sink) this.#held?.visit((piece, start, end) => sink.onRaw(piece, start, end));
    this.#held?.clear();
  }

  #stopped(): boolean {
    return this.#state === STOPPED;
  }
}
