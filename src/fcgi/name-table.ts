/** Not one of the names. */
export const NO_NAME = -1;

/** Names of parameters that are looked for in every head: most of those that come have a length that none of these has. */
export class NameTable {
  /** The names, and their index, that have as many characters as the index here says. */
  readonly #byLength: (readonly { readonly name: string; readonly index: number }[] | undefined)[] = [];

  constructor(names: readonly string[]) {
    for (const [index, name] of names.entries())
      this.#byLength[name.length] = [...(this.#byLength[name.length] ?? []), { name, index }];
    // Without holes it is looked into faster.
    for (let length = 0; length < this.#byLength.length; length++) this.#byLength[length] ??= undefined;
  }

  /** Which of the names stands in `bytes[start, end)`, or NO_NAME. */
  indexOf(bytes: Uint8Array, start: number, end: number): number {
    const alike = this.#byLength[end - start];
    if (alike === undefined) return NO_NAME;
    for (let i = 0; i < alike.length; i++) {
      const { name, index } = alike[i] as (typeof alike)[number];
      if (isAscii(bytes, start, name)) return index;
    }
    return NO_NAME;
  }
}

/** Whether this ASCII text stands at `start`. */
export function isAscii(bytes: Uint8Array, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false;
  return true;
}
