import { FpmError } from "../base/errors.ts";
import { isAsciiAt, ParamCursor } from "./params.ts";

/** Longest parameter name taken; web servers make them from HTTP header names. */
const MAX_NAME_BYTES = 4096;

/** Names of parameters that are looked for in every head; their places are known by their index. */
export class NameTable {
  /** How many. */
  readonly size: number;
  /** Those that have as many characters as the index here says: most parameters have a length that none of them has. */
  readonly #byLength: (readonly { readonly name: string; readonly index: number }[] | undefined)[] = [];

  constructor(names: readonly string[]) {
    this.size = names.length;
    for (const [index, name] of names.entries())
      this.#byLength[name.length] = [...(this.#byLength[name.length] ?? []), { name, index }];
    // Without holes it is looked into faster.
    for (let length = 0; length < this.#byLength.length; length++) this.#byLength[length] ??= undefined;
  }

  /**
   * Notes where the values of these parameters begin and end in `bytes`, of which `[start, end)` are pairs: at `places[2 * index]` and after it, of one
   * that comes twice the last. Answers which came twice, a bit a name where there are no more than 32. @throws FpmError PARAMS_MALFORMED.
   */
  locate(bytes: Uint8Array, start: number, end: number, places: Int32Array): number {
    let twice = 0;
    let longer: ParamCursor | undefined;
    for (let at = start; at < end; ) {
      const length = bytes[at] as number;
      const valueLength = bytes[at + 1] as number;
      let nameStart = at + 2;
      let valueStart = nameStart + length;
      let valueEnd = valueStart + valueLength;
      // Nearly all are short; a length of four bytes, or one that is cut off, is left to the cursor.
      if (!(length < 0x80 && valueLength < 0x80 && valueEnd <= end)) {
        longer ??= new ParamCursor(bytes, start, end);
        longer.nextAt(at);
        if (longer.malformed)
          throw malformed(`a parameter reaches beyond the ${end - start} bytes of PARAMS`);
        ({ nameStart, valueStart, valueEnd } = longer);
        checkLength(valueStart - nameStart);
      }
      at = valueEnd;
      const index = this.#indexOf(bytes, nameStart, valueStart);
      if (index < 0) continue;
      if (places[2 * index] !== 0) twice |= 1 << index;
      places[2 * index] = valueStart;
      places[2 * index + 1] = valueEnd;
    }
    return twice;
  }

  /** Below 0: the name in `bytes[start, end)` is none of them. */
  #indexOf(bytes: Uint8Array, start: number, end: number): number {
    const alike = this.#byLength[end - start];
    if (alike === undefined) return -1;
    for (let i = 0; i < alike.length; i++) {
      const { name, index } = alike[i] as (typeof alike)[number];
      if (isAsciiAt(bytes, start, name)) return index;
    }
    return -1;
  }
}

/** What is wrong with a head. */
export function malformed(problem: string): FpmError {
  return new FpmError("PARAMS_MALFORMED", "client", `Malformed PARAMS: ${problem}.`);
}

function checkLength(bytes: number): void {
  if (bytes > MAX_NAME_BYTES)
    throw malformed(`a parameter's name has ${bytes} bytes; at most ${MAX_NAME_BYTES} are taken`);
}
