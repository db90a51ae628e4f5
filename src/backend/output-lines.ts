/** A longer line is logged in pieces of this size, so that no text is lost and none grows without limit. */
const MAX_LINE_BYTES = 8192;
/** After so many lines of a piece that are not wanted nobody is asked about the rest of it. */
const MAX_REFUSED = 64;
const NEWLINE = 10;

/** Takes what a program prints. */
export interface OutputSink {
  /** Whether the next line is wanted, or the next piece of a long one; asked once for each. */
  wantsLine(): boolean;
  /** A finished line, or a piece of a long one, without its newline. */
  onLine(line: string): void;
  /** So many more lines were not wanted, though nobody was asked. */
  onDropped?(lines: number): void;
}

/** Makes lines of what comes in pieces. */
export class OutputLines {
  readonly #sink: OutputSink;
  readonly #decoder = new TextDecoder();
  /** Whether the line in progress is wanted; undefined between two lines. */
  #isWanted: boolean | undefined;
  #rest: Uint8Array[] = [];
  #restBytes = 0;

  constructor(sink: OutputSink) {
    this.#sink = sink;
  }

  /** Nothing more comes: a line without a newline is one, too. */
  end(): void {
    const isOpen = this.#restBytes > 0;
    const last = this.#takeRest(true);
    this.#isWanted = undefined;
    if (isOpen || last !== "") this.#sink.onLine(last);
  }

  /** Takes the next piece, of which nothing is kept. */
  push(chunk: Uint8Array): void {
    let refused = 0;
    for (let start = 0; start < chunk.length; ) {
      if (this.#isWanted === undefined) {
        this.#isWanted = this.#sink.wantsLine();
        if (!this.#isWanted && ++refused > MAX_REFUSED) {
          this.#drop(chunk, start);
          return;
        }
      }
      start = this.#takeFrom(chunk, start);
    }
  }

  /** Takes or skips the bytes up to the end of the line, or of a piece of it. Where the next one begins. */
  #takeFrom(chunk: Uint8Array, start: number): number {
    const newline = chunk.indexOf(NEWLINE, start);
    const lineEnd = newline === -1 ? chunk.length : newline;
    // A flood is not copied, and not decoded.
    const end = this.#isWanted ? Math.min(lineEnd, start + MAX_LINE_BYTES - this.#restBytes) : lineEnd;
    const isWhole = end === newline;
    if (this.#isWanted) this.#take(chunk.slice(start, end), isWhole);
    if (isWhole) this.#isWanted = undefined;
    return isWhole ? end + 1 : end;
  }

  /** What is left of a piece is not wanted: its lines are counted, and the last one may go on. */
  #drop(chunk: Uint8Array, start: number): void {
    let lines = 0;
    for (let at = start; at < chunk.length; at++) if (chunk[at] === NEWLINE) lines++;
    const isOpen = chunk[chunk.length - 1] !== NEWLINE;
    this.#isWanted = isOpen ? false : undefined;
    // The first of them was asked about.
    this.#sink.onDropped?.(lines + (isOpen ? 1 : 0) - 1);
  }

  #take(bytes: Uint8Array, isWhole: boolean): void {
    this.#rest.push(bytes);
    this.#restBytes += bytes.length;
    if (!isWhole && this.#restBytes < MAX_LINE_BYTES) return;
    this.#sink.onLine(this.#takeRest(isWhole));
    this.#isWanted = undefined;
  }

  /** With a line that goes on, the decoder keeps a character that is not complete. */
  #takeRest(isWhole: boolean): string {
    const bytes = this.#rest.length === 1 ? (this.#rest[0] as Uint8Array) : Buffer.concat(this.#rest);
    this.#rest = [];
    this.#restBytes = 0;
    const text = this.#decoder.decode(bytes, { stream: !isWhole });
    return isWhole ? text.replace(/\r$/, "") : text;
  }
}
