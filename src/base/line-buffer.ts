/** What there is room for at first. */
const FIRST_BYTES = 16 * 1024;
/** The most bytes that a character of a string comes to in UTF-8. */
const BYTES_A_CHARACTER = 3;
const ZERO = 48;
const SPACE = 32;
const QUOTE = 34;
const BACKSLASH = 92;
const DELETE = 127;
const ENCODER = new TextEncoder();

/** Text in UTF-8 that grows at its end, piece by piece, without a string for each. */
export class LineBuffer {
  #bytes = new Uint8Array(FIRST_BYTES);
  #length = 0;

  /** In bytes. */
  get length(): number {
    return this.#length;
  }

  /** Adds text. */
  text(text: string): void {
    const bytes = this.#withRoom(text.length);
    const start = this.#length;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > DELETE) {
        this.#encode(text);
        return;
      }
      bytes[start + i] = code;
    }
    this.#length = start + text.length;
  }

  /** Adds a whole number, which is not negative, in decimal. */
  number(number: number): void {
    let digits = 1;
    for (let rest = number; rest >= 10; rest = Math.floor(rest / 10)) digits++;
    const bytes = this.#withRoom(digits);
    let rest = number;
    for (let at = this.#length + digits - 1; at >= this.#length; at--) {
      const tenth = Math.floor(rest / 10);
      bytes[at] = ZERO + (rest - 10 * tenth);
      rest = tenth;
    }
    this.#length += digits;
  }

  /** Adds `chunk[start, end)` if that may stand between quotation marks as it is: printable ASCII, without any and without backslashes. False: nothing is added. */
  quotable(chunk: Uint8Array, start: number, end: number): boolean {
    const bytes = this.#withRoom(end - start);
    let to = this.#length;
    for (let at = start; at < end; at++) {
      const byte = chunk[at] as number;
      if (byte < SPACE || byte >= DELETE || byte === QUOTE || byte === BACKSLASH) return false;
      bytes[to++] = byte;
    }
    this.#length = to;
    return true;
  }

  /** Forgets what stands behind the first `length` bytes. */
  cut(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  /** The first `length` bytes, which are the caller's from now on. The rest stays. */
  take(length: number): Uint8Array {
    const bytes = this.#bytes;
    const rest = bytes.subarray(length, this.#length);
    this.#length = rest.length;
    // Little is copied, so that a line alone costs no array of the first size.
    if (length < FIRST_BYTES / 4) {
      const taken = bytes.slice(0, length);
      bytes.set(rest);
      return taken;
    }
    this.#bytes = new Uint8Array(Math.max(FIRST_BYTES, 2 * rest.length));
    this.#bytes.set(rest);
    return bytes.subarray(0, length);
  }

  #encode(text: string): void {
    const bytes = this.#withRoom(text.length * BYTES_A_CHARACTER);
    this.#length += ENCODER.encodeInto(text, bytes.subarray(this.#length)).written;
  }

  #withRoom(more: number): Uint8Array {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return this.#bytes;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    return larger;
  }
}
