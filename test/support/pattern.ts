/** The period of the test bytes: a prime, so that a lost or doubled block never fits. The same as in lab.c. */
export const PATTERN_LENGTH = 65_521;

// Twice the period, so that any stretch of one period is contiguous.
const pattern = makePattern();

/** Some bytes of the endless pattern, from an offset; a view of at most one period. */
export function patternAt(offset: number, length: number): Uint8Array {
  const from = offset % PATTERN_LENGTH;
  return pattern.subarray(from, from + Math.min(length, PATTERN_LENGTH));
}

/** The first bytes of the pattern. */
export function patternBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += PATTERN_LENGTH) bytes.set(patternAt(at, length - at), at);
  return bytes;
}

/** Compares a stream with the pattern without keeping it. */
export interface PatternCheck {
  /** Takes the next bytes; throws at the first that is wrong. */
  take(chunk: Uint8Array): void;
  readonly length: number;
}

/** See `PatternCheck`. */
export function checkPattern(): PatternCheck {
  let length = 0;
  return {
    take(chunk) {
      for (let at = 0; at < chunk.length; at += PATTERN_LENGTH) {
        const part = chunk.subarray(at, at + PATTERN_LENGTH);
        if (Buffer.compare(part, patternAt(length, part.length)) !== 0) {
          throw new Error(`the bytes are not the pattern, somewhere from offset ${length}`);
        }
        length += part.length;
      }
    },
    get length() {
      return length;
    },
  };
}

function makePattern(): Uint8Array {
  const bytes = new Uint8Array(2 * PATTERN_LENGTH);
  let x = 1;
  for (let i = 0; i < PATTERN_LENGTH; i++) {
    x = (Math.imul(x, 1_103_515_245) + 12_345) & 0x7fffffff;
    bytes[i] = x >>> 16;
  }
  bytes.copyWithin(PATTERN_LENGTH, 0, PATTERN_LENGTH);
  return bytes;
}
