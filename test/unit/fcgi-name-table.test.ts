import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { NameTable } from "../../src/fcgi/name-table.ts";
import { encodeParams } from "../../src/fcgi/params.ts";

/** Where the table finds each of its names among these pairs: the values, of one that comes twice the last; and which came twice. */
function found(names: readonly string[], pairs: readonly [string, string][]) {
  const bytes = Uint8Array.from([9, 9, 9, ...encodeParams(pairs), 9]);
  const places = new Int32Array(2 * names.length);
  const twice = new NameTable(names).locate(bytes, 3, bytes.length - 1, places);
  const values = names.map((_, index) => {
    const [start, end] = [places[2 * index] ?? 0, places[2 * index + 1] ?? 0];
    return start === 0 ? undefined : Buffer.from(bytes.subarray(start, end)).toString("latin1");
  });
  return { values, twice: names.filter((_, index) => (twice & (1 << index)) !== 0) };
}

describe("names that are looked for among parameters", () => {
  test("are found as a plain search finds them, whatever they are alike in", () => {
    // Few letters and lengths: many have the same hash, or differ in one letter.
    const name = fc.string({ unit: fc.constantFrom("A", "B", "_"), minLength: 1, maxLength: 5 });
    const names = fc.uniqueArray(name, { minLength: 1, maxLength: 31 });
    const value = fc.string({ unit: fc.constantFrom("A", "B"), maxLength: 140 });
    fc.assert(
      fc.property(names, fc.array(fc.tuple(name, value), { maxLength: 40 }), (known, pairs) => {
        const came = (each: string) => pairs.filter(([other]) => other === each).map(([, text]) => text);
        expect(found(known, pairs)).toEqual({
          values: known.map((each) => came(each).at(-1)),
          twice: known.filter((each) => came(each).length > 1),
        });
      }),
    );
  });

  test("are found that are as long as a name may be, and such as no web server sends are not", () => {
    const long = "N".repeat(4096);
    expect(found([long, "A"], [[long, "1"]]).values).toEqual(["1", undefined]);
    expect(
      found(
        ["\u0141", "\xc4"],
        [
          ["A", "1"],
          ["\xc4", "2"],
        ],
      ).values,
    ).toEqual([undefined, "2"]);
  });

  test("are not told of pairs that are cut off", () => {
    for (const bytes of [[1], [1, 2, 65, 66], [0x80, 0, 0, 1, 0]])
      expect(() =>
        new NameTable(["A"]).locate(Uint8Array.from(bytes), 0, bytes.length, new Int32Array(2)),
      ).toThrow(`a parameter reaches beyond the ${bytes.length} bytes of PARAMS`);
  });
});
