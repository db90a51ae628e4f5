import { FpmError } from "../base/errors.ts";
import { latin1, ParamCursor } from "./params.ts";

/** Longest parameter name taken; web servers make them from HTTP header names. */
const MAX_NAME_BYTES = 4096;

/** Places of the hash; a power of two. */
const SLOTS = 256;
const NONE = -1;

/** Names of parameters that are looked for in every head; their places are known by their index. */
export class NameTable {
  /** How many. */
  readonly size: number;
  /** The characters of all names, one behind the other; where each begins, and the last one ends. */
  readonly #text: Uint8Array;
  readonly #starts: Int32Array;
  /** The first name of each hash, and the next one that has the same as this: nearly all parameters have a hash that none of the names has. */
  readonly #first = new Int16Array(SLOTS).fill(NONE);
  readonly #next: Int16Array;

  /** `names`: a character a byte, at least one each; one with other characters never comes. */
  constructor(names: readonly string[]) {
    this.size = names.length;
    this.#text = Buffer.from(names.join(""), "latin1");
    this.#starts = new Int32Array(names.length + 1);
    this.#next = new Int16Array(names.length).fill(NONE);
    for (const [index, name] of names.entries()) {
      const start = this.#starts[index] as number;
      const end = start + name.length;
      this.#starts[index + 1] = end;
      if (latin1(this.#text, start, end) !== name) continue;
      const slot = slotOf(this.#text, start, end);
      this.#next[index] = this.#first[slot] as number;
      this.#first[slot] = index;
    }
  }

  /**
   * Notes where the values of these parameters begin and end in `bytes`, of which `[start, end)` are pairs: at `places[2 * index]` and after it, of one
   * that comes twice the last. Answers which came twice, a bit a name where there are no more than 32. @throws FpmError PARAMS_MALFORMED.
   */
  locate(bytes: Uint8Array, start: number, end: number, places: Int32Array): number {
    const first = this.#first;
    let twice = 0;
    for (let at = start; at < end; ) {
      const length = bytes[at] as number;
      const valueLength = bytes[at + 1] as number;
      let nameStart = at + 2;
      let valueStart = nameStart + length;
      let valueEnd = valueStart + valueLength;
      // Nearly all are short; a length of four bytes, or one that is cut off, is left to the cursor.
      if (!(length < 0x80 && valueLength < 0x80 && valueEnd <= end))
        ({ nameStart, valueStart, valueEnd } = longPair(bytes, start, end, at));
      at = valueEnd;
      const candidate = first[slotOf(bytes, nameStart, valueStart)] as number;
      if (candidate < 0) continue;
      const index = this.#indexOf(bytes, nameStart, valueStart, candidate);
      if (index < 0) continue;
      if (places[2 * index] !== 0) twice |= 1 << index;
      places[2 * index] = valueStart;
      places[2 * index + 1] = valueEnd;
    }
    return twice;
  }

  /** Which of the names with the hash of `candidate` stands in `bytes[start, end)`; below 0: none. */
  #indexOf(bytes: Uint8Array, start: number, end: number, candidate: number): number {
    const text = this.#text;
    let index = candidate;
    for (; index >= 0; index = this.#next[index] as number) {
      const from = this.#starts[index] as number;
      const length = end - start;
      if ((this.#starts[index + 1] as number) - from !== length) continue;
      let i = 0;
      while (i < length && bytes[start + i] === text[from + i]) i++;
      if (i === length) break;
    }
    return index;
  }
}

/** The hash of a name, of its length and two characters. */
function slotOf(bytes: Uint8Array, start: number, end: number): number {
  const middle = bytes[(start + end) >> 1] as number;
  return (7 * (end - start) + 3 * middle + (bytes[end - 1] as number)) & (SLOTS - 1);
}

/** What is wrong with a head. */
export function malformed(problem: string): FpmError {
  return new FpmError("PARAMS_MALFORMED", "client", `Malformed PARAMS: ${problem}.`);
}

/** The pair at `at`, of which a length has four bytes. */
function longPair(bytes: Uint8Array, start: number, end: number, at: number): ParamCursor {
  const cursor = new ParamCursor(bytes, start, end);
  cursor.nextAt(at);
  if (cursor.malformed) throw malformed(`a parameter reaches beyond the ${end - start} bytes of PARAMS`);
  checkLength(cursor.valueStart - cursor.nameStart);
  return cursor;
}

function checkLength(bytes: number): void {
  if (bytes > MAX_NAME_BYTES)
    throw malformed(`a parameter's name has ${bytes} bytes; at most ${MAX_NAME_BYTES} are taken`);
}
