import type { RequestHead } from "./head.ts";
import { NameTable } from "./name-table.ts";
import { latin1 } from "./params.ts";

const NO_BYTES: Uint8Array = new Uint8Array(0);

/** Parameters that are wanted of one request after the other, and where they stand in the head that was looked at last. */
export class WantedParameters {
  readonly #names: readonly string[];
  readonly #table: NameTable;
  /** Where the value of each begins and ends in `#bytes`; 0: it is not there. */
  readonly #places: Int32Array;
  #bytes = NO_BYTES;

  constructor(names: readonly string[]) {
    this.#names = names;
    this.#table = new NameTable(names);
    this.#places = new Int32Array(2 * names.length);
  }

  /** Looks at another head. Of a parameter that is sent twice the last counts. */
  look(head: RequestHead): void {
    this.#places.fill(0);
    this.#bytes = head.locate(this.#table, this.#places);
  }

  /** What the values are parts of, each `bytes[startOf(index), endOf(index))`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Of the name at `index` of those that were given; 0: it is not there. */
  startOf(index: number): number {
    return this.#places[2 * index] as number;
  }

  endOf(index: number): number {
    return this.#places[2 * index + 1] as number;
  }

  /** A character a byte; undefined when it is not there. */
  value(name: string): string | undefined {
    const index = this.#names.indexOf(name);
    const start = index < 0 ? 0 : this.startOf(index);
    return start === 0 ? undefined : latin1(this.#bytes, start, this.endOf(index));
  }
}
