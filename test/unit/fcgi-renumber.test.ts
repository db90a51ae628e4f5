import { expect, test } from "bun:test";
import fc from "fast-check";
import { encodeHead, encodeStream } from "../../src/fcgi/encoder.ts";
import { FCGI_STDIN } from "../../src/fcgi/protocol.ts";
import { Renumber } from "../../src/fcgi/renumber.ts";

const bytesOf = (id: number) =>
  Uint8Array.from([
    ...encodeHead(id, 1, true, new Uint8Array(300).fill(1)),
    ...encodeStream(FCGI_STDIN, id, new Uint8Array(70_000), true),
    // Two bytes of content, three of padding.
    ...[1, 5, id >> 8, id & 0xff, 0, 2, 3, 0, 1, 1, 1, 1, 1],
    ...encodeStream(FCGI_STDIN, id, new Uint8Array(0), true),
  ]);

test("a stream gets another id in each of its headers, wherever it is cut", () => {
  const wanted = Buffer.from(bytesOf(0xfedc));
  fc.assert(
    fc.property(fc.array(fc.nat(wanted.length), { maxLength: 60 }), (cuts) => {
      const stream = bytesOf(1);
      const renumber = new Renumber();
      renumber.begin(0xfedc);
      const edges = [0, ...cuts.sort((a, b) => a - b), stream.length];
      edges.slice(1).forEach((end, i) => void renumber.push(stream, edges[i] as number, end));
      expect(Buffer.compare(stream, wanted)).toBe(0);
    }),
  );
});

test("a stream gets another id byte by byte, and the next one begins anew wherever the last one stood", () => {
  // In the content of a record, and in the header of the first one.
  for (const cut of [350, 5]) {
    const renumber = new Renumber();
    renumber.begin(1);
    renumber.push(bytesOf(9).slice(0, cut), 0, cut);
    renumber.begin(0x0102);
    const stream = bytesOf(7);
    for (let at = 0; at < stream.length; at++) renumber.push(stream, at, at + 1);
    expect(Buffer.compare(stream, bytesOf(0x0102))).toBe(0);
  }
});
