/** Twice as fast as a TextDecoder, of which none leaves every byte as it is. It takes any Uint8Array; its types do not say so. */
const LATIN1_SLICE = (
  Buffer.prototype as unknown as { latin1Slice(this: Uint8Array, start: number, end: number): string }
).latin1Slice;

/**
 * Walks FastCGI name-value pairs (specification §3.4) in place: each length is one byte, or four with the
 * high bit set. Positions refer to the array given; nothing is copied.
 */
export class ParamCursor {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #position: number;
  pairStart = 0;
  nameStart = 0;
  valueStart = 0;
  valueEnd = 0;
  /** A pair reaches beyond the end of the bytes: the walk has ended there. */
  malformed = false;

  /** Walks `bytes[start, end)`. */
  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
  }

  /** Where the name ends: names and values stand side by side. */
  get nameEnd(): number {
    return this.valueStart;
  }

  /** Moves to the next pair. False at the end, or where the bytes are malformed. */
  next(): boolean {
    const end = this.#end;
    if (this.#position >= end) return false;
    const bytes = this.#bytes;
    this.pairStart = this.#position;
    const [first, second] = [bytes[this.pairStart] as number, bytes[this.pairStart + 1] as number];
    let nameLength = first;
    let valueLength = second;
    // Nearly all are short.
    if (first < 0x80 && second < 0x80 && this.pairStart + 2 <= end) this.#position += 2;
    else {
      nameLength = this.#readLength();
      valueLength = this.#readLength();
    }
    this.nameStart = this.#position;
    this.valueStart = this.nameStart + nameLength;
    this.valueEnd = this.valueStart + valueLength;
    // A length cut off at the end reads as NaN, which compares false.
    if (!(this.valueEnd <= end)) {
      this.malformed = true;
      this.#position = end;
      return false;
    }
    this.#position = this.valueEnd;
    return true;
  }

  /** Moves to the pair that begins at `position`, where one must be: see `malformed`. */
  nextAt(position: number): void {
    this.#position = position;
    this.next();
  }

  /** Whether the current name is this ASCII text. */
  nameIs(name: string): boolean {
    return this.nameEnd - this.nameStart === name.length && isAsciiAt(this.#bytes, this.nameStart, name);
  }

  /** The current name, a character a byte. */
  name(): string {
    return latin1(this.#bytes, this.nameStart, this.nameEnd);
  }

  /** The current value, a character a byte. */
  value(): string {
    return latin1(this.#bytes, this.valueStart, this.valueEnd);
  }

  /** A length that is cut off at the end is NaN. */
  #readLength(): number {
    const bytes = this.#bytes;
    const at = this.#position++;
    if (at >= this.#end) return Number.NaN;
    const first = bytes[at] as number;
    if (first < 0x80) return first;
    this.#position += 3;
    if (this.#position > this.#end) return Number.NaN;
    return (
      (first & 0x7f) * 0x1000000 +
      (((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number))
    );
  }
}

/** Whether this ASCII text stands at `start`. */
export function isAsciiAt(bytes: Uint8Array, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false;
  return true;
}

/** Whether these bytes stand at `start`. */
export function isEqualAt(bytes: Uint8Array, start: number, other: Uint8Array): boolean {
  for (let i = 0; i < other.length; i++) if (bytes[start + i] !== other[i]) return false;
  return true;
}

/** Bytes as a string of one character a byte: PARAMS are bytes, not UTF-8. */
export function latin1(bytes: Uint8Array, start = 0, end = bytes.length): string {
  return LATIN1_SLICE.call(bytes, start, end);
}

/** The size of a pair with these lengths in bytes, its own length bytes included. */
export function pairSize(nameLength: number, valueLength: number): number {
  return (nameLength < 0x80 ? 1 : 4) + (valueLength < 0x80 ? 1 : 4) + nameLength + valueLength;
}

/** Writes a pair of strings of one character a byte; returns the position after it. */
export function writePair(target: Uint8Array, at: number, name: string, value: string): number {
  let position = writeLength(target, at, name.length);
  position = writeLength(target, position, value.length);
  for (let i = 0; i < name.length; i++) target[position++] = name.charCodeAt(i);
  for (let i = 0; i < value.length; i++) target[position++] = value.charCodeAt(i);
  return position;
}

/** Name-value pairs, as strings of one character a byte, in the encoding of §3.4. */
export function encodeParams(pairs: Iterable<readonly [string, string]>): Uint8Array {
  const list = [...pairs];
  const bytes = new Uint8Array(
    list.reduce((sum, [name, value]) => sum + pairSize(name.length, value.length), 0),
  );
  let at = 0;
  for (const [name, value] of list) at = writePair(bytes, at, name, value);
  return bytes;
}

function writeLength(target: Uint8Array, at: number, length: number): number {
  if (length < 0x80) {
    target[at] = length;
    return at + 1;
  }
  target[at] = (length >>> 24) | 0x80;
  target[at + 1] = length >>> 16;
  target[at + 2] = length >>> 8;
  target[at + 3] = length;
  return at + 4;
}
