import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LineBuffer } from "../../src/base/line-buffer.ts";

function taken(buffer: LineBuffer, length = buffer.length): string {
  return new TextDecoder().decode(buffer.take(length));
}

describe("a buffer of lines", () => {
  test("has what was added in order, whatever its size, and gives it away in parts", () => {
    const piece = fc.oneof(fc.string({ unit: "grapheme", maxLength: 30 }), fc.constant("x".repeat(9000)));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.nat(), (pieces, cut) => {
        const buffer = new LineBuffer();
        for (const text of pieces) buffer.text(text);
        const all = new TextEncoder().encode(pieces.join(""));
        expect(buffer.length).toBe(all.length);
        const at = all.length === 0 ? 0 : cut % (all.length + 1);
        const first = buffer.take(at);
        buffer.text("later");
        expect(
          Buffer.concat([first, buffer.take(buffer.length)]).equals(
            Buffer.concat([all, Buffer.from("later")]),
          ),
        ).toBe(true);
        expect(buffer.length).toBe(0);
      }),
    );
  });

  test("what was taken is not written over", () => {
    for (const size of [10, 5000, 20_000]) {
      const buffer = new LineBuffer();
      buffer.text("a".repeat(size));
      const bytes = buffer.take(size);
      buffer.text("b".repeat(size));
      expect(new TextDecoder().decode(bytes)).toBe("a".repeat(size));
    }
  });

  test("writes whole numbers as they are", () => {
    const numbers = [0, 9, 10, 99, 100, 4_294_967_295, 4_294_967_296, Number.MAX_SAFE_INTEGER];
    for (const number of numbers) {
      const buffer = new LineBuffer();
      buffer.number(number);
      expect(taken(buffer)).toBe(String(number));
    }
    fc.assert(
      fc.property(fc.maxSafeNat(), (number) => {
        const buffer = new LineBuffer();
        buffer.text("n=");
        buffer.number(number);
        expect(taken(buffer)).toBe(`n=${number}`);
      }),
    );
  });

  test("takes bytes that need no escape, and nothing of others", () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const buffer = new LineBuffer();
    buffer.text("|");
    const good = [...bytes].filter((byte) => buffer.quotable(bytes, byte, byte + 1));
    expect(String.fromCharCode(...good)).toMatch(/^[ !#-[\]-~]{93}$/);
    expect(buffer.length).toBe(94);
    expect([buffer.quotable(bytes, 90, 93), buffer.length]).toEqual([false, 94]);
    expect([buffer.quotable(bytes, 5, 5), buffer.length]).toEqual([true, 94]);
    expect([buffer.quotable(bytes, 65, 68), taken(buffer).slice(-3)]).toEqual([true, "ABC"]);
  });

  test("forgets what is cut off, and nothing where less is there", () => {
    const buffer = new LineBuffer();
    buffer.text("one, two");
    buffer.cut(100);
    expect(buffer.length).toBe(8);
    buffer.cut(3);
    buffer.text("!");
    expect(taken(buffer)).toBe("one!");
  });
});
