import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ByteBudget } from "../../src/base/byte-budget.ts";
import { Decoder, type RawSink, type RecordSink } from "../../src/fcgi/decoder.ts";

interface Rec {
  type: number;
  id: number;
  content: Uint8Array;
  padding: number;
}

const RAW_TYPE = 5;

function encode({ type, id, content, padding }: Rec): Uint8Array {
  const bytes = new Uint8Array(8 + content.length + padding).fill(0xee);
  bytes.set([1, type, id >> 8, id & 0xff, content.length >> 8, content.length & 0xff, padding, 0]);
  bytes.set(content, 8);
  return bytes;
}

/** Writes down all that a decoder says; records of type 5 go raw to a sink of their request id, which takes parts where that is above 255. */
function collector() {
  const events: string[] = [];
  const raw = new Map<number, number[]>();
  const sinks = new Map<number, RawSink>();
  let content: number[] = [];
  let current = "";
  const decoder = new Decoder({
    onRecord(type, id, contentLength, paddingLength) {
      current = `${type}/${id}/${contentLength}/${paddingLength}`;
      content = [];
      if (type !== RAW_TYPE) return null;
      let sink = sinks.get(id);
      if (!sink) {
        const bytes: number[] = [];
        raw.set(id, bytes);
        sink = {
          takesParts: id > 0xff,
          onRaw: (chunk, start, end) => void bytes.push(...chunk.subarray(start, end)),
        };
        sinks.set(id, sink);
      }
      return sink;
    },
    onContent: (chunk, start, end) => void content.push(...chunk.subarray(start, end)),
    onRecordEnd: () => void events.push(`${current}:${content.join(",")}`),
    onMalformed: (problem) => void events.push(`malformed: ${problem}`),
  });
  return { decoder, events, raw };
}

const record = fc.record({
  type: fc.constantFrom(1, 4, RAW_TYPE, RAW_TYPE, 6),
  id: fc.constantFrom(0, 1, 2, 0x102, 0xffff),
  content: fc.uint8Array({ maxLength: 40 }),
  padding: fc.nat(9),
});

describe("the decoder", () => {
  test("finds the same records wherever the stream is cut", () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 12 }), fc.array(fc.nat(400)), (records, cuts) => {
        const stream = Uint8Array.from(records.flatMap((each) => [...encode(each)]));
        const { decoder, events, raw } = collector();
        const edges = [
          0,
          ...cuts.map((cut) => Math.min(cut, stream.length)).sort((a, b) => a - b),
          stream.length,
        ];
        for (let i = 1; i < edges.length; i++) decoder.push(stream.slice(edges[i - 1], edges[i]));
        expect(events).toEqual(
          records.map(
            ({ type, id, content, padding }) => `${type}/${id}/${content.length}/${padding}:${[...content]}`,
          ),
        );
        for (const [id, bytes] of raw) {
          const wanted = records.filter((each) => each.type === RAW_TYPE && each.id === id);
          expect(bytes).toEqual(wanted.flatMap((each) => [...encode(each)]));
        }
        expect(decoder.atBoundary).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test("hands on raw bytes only when a record is whole", () => {
    const { decoder, raw } = collector();
    const bytes = encode({ type: RAW_TYPE, id: 1, content: new Uint8Array(20), padding: 4 });
    decoder.push(bytes.slice(0, 31));
    expect(raw.get(1)).toEqual([]);
    decoder.push(bytes.slice(31));
    expect(raw.get(1)).toEqual([...bytes]);
  });

  test("holds what it holds back of the budget, until the record is whole or nobody wants it", () => {
    const budget = new ByteBudget(Number.POSITIVE_INFINITY);
    let contents = 0;
    const sink: RawSink = { onRaw() {} };
    const decoder = new Decoder(
      { onRecord: () => sink, onContent: () => void contents++, onRecordEnd() {}, onMalformed() {} },
      budget,
    );
    const bytes = encode({ type: RAW_TYPE, id: 1, content: new Uint8Array(20), padding: 0 });
    decoder.push(bytes.slice(0, 12));
    expect(budget.heldBytes).toBe(12);
    decoder.push(bytes.slice(12));
    expect([budget.heldBytes, contents]).toEqual([0, 2]);
    decoder.push(encode({ type: RAW_TYPE, id: 1, content: new Uint8Array(0), padding: 3 }));
    expect(contents).toBe(2);
    decoder.push(bytes.slice(0, 7));
    expect(budget.heldBytes).toBe(7);
    decoder.stop();
    expect(budget.heldBytes).toBe(0);
  });

  test("drops the raw bytes that are due when it is stopped", () => {
    const runs: number[] = [];
    const sink: RawSink = { onRaw: (_, start, end) => void runs.push(start, end) };
    const decoder: Decoder = new Decoder({
      onRecord: () => sink,
      onContent() {},
      onRecordEnd: () => decoder.stop(),
      onMalformed() {},
    });
    const bytes = encode({ type: RAW_TYPE, id: 1, content: new Uint8Array(3), padding: 0 });
    decoder.push(Uint8Array.from([...bytes, ...bytes]));
    expect(runs).toEqual([]);
  });

  test("hands on what has come of a record to a sink that takes parts, in one run with the whole ones before it", () => {
    const runs: [number, number][] = [];
    const sink: RawSink = { takesParts: true, onRaw: (_, start, end) => void runs.push([start, end]) };
    const decoder = new Decoder({
      onRecord: () => sink,
      onContent() {},
      onRecordEnd() {},
      onMalformed() {},
    });
    const bytes = encode({ type: RAW_TYPE, id: 1, content: new Uint8Array(20), padding: 4 });
    const stream = Uint8Array.from([...bytes, ...bytes, ...bytes]);
    decoder.push(stream.slice(0, 45));
    expect(runs.splice(0)).toEqual([[0, 45]]);
    decoder.push(stream.slice(45, 70));
    // Of the third record its header is not complete.
    expect(runs.splice(0)).toEqual([[0, 19]]);
    decoder.push(stream.slice(70, 80));
    expect(runs.splice(0)).toEqual([
      [0, 8],
      [2, 10],
    ]);
    decoder.push(stream.slice(80));
    expect(runs).toEqual([[0, 16]]);
  });

  test("hands on all records of a chunk that go the same way in one run, as positions in that chunk", () => {
    const runs: [Uint8Array, number, number][] = [];
    const sink: RawSink = { onRaw: (chunk, start, end) => void runs.push([chunk, start, end]) };
    const decoder = new Decoder({
      onRecord: (type) => (type === RAW_TYPE ? sink : null),
      onContent() {},
      onRecordEnd() {},
      onMalformed() {},
    });
    const body = encode({ type: RAW_TYPE, id: 1, content: new Uint8Array(3), padding: 0 });
    const chunk = Uint8Array.from([
      ...encode({ type: 4, id: 1, content: new Uint8Array(1), padding: 7 }),
      ...body,
      ...body,
    ]);
    decoder.push(chunk);
    expect(runs).toEqual([[chunk, 16, 38]]);
    expect(runs[0]?.[0]).toBe(chunk);
  });

  test("reads lengths up to 65,535 and ids up to 65,535", () => {
    const { decoder, events } = collector();
    decoder.push(encode({ type: 4, id: 0xffff, content: new Uint8Array(0xffff), padding: 255 }));
    expect(events[0]?.slice(0, 20)).toBe("4/65535/65535/255:0,");
  });

  test("stops at a record of another version and says which", () => {
    const { decoder, events } = collector();
    decoder.push(encode({ type: 4, id: 1, content: new Uint8Array(0), padding: 0 }));
    decoder.push(new TextEncoder().encode("GET / HTTP/1.1\r\n"));
    decoder.push(encode({ type: 4, id: 1, content: new Uint8Array(0), padding: 0 }));
    expect(events).toEqual(["4/1/0/0:", "malformed: a record of FastCGI version 71; only version 1 exists"]);
  });

  test("says nothing more after stop, also when stopped from within", () => {
    let records = 0;
    const decoder: Decoder = new Decoder({
      onRecord() {
        records++;
        decoder.stop();
        return null;
      },
      onContent: () => expect.unreachable(),
      onRecordEnd: () => expect.unreachable(),
      onMalformed: () => expect.unreachable(),
    });
    const bytes = encode({ type: 4, id: 1, content: new Uint8Array(3), padding: 0 });
    decoder.push(Uint8Array.from([...bytes, ...bytes]));
    decoder.push(bytes);
    expect(records).toBe(1);
  });

  test("flushes on demand, so that an end can be acted upon after its bytes went out", () => {
    const order: string[] = [];
    const sink: RawSink = { onRaw: (_chunk, start, end) => void order.push(`raw ${start}-${end}`) };
    const decoder: Decoder = new Decoder({
      onRecord: () => sink,
      onContent() {},
      onRecordEnd() {
        decoder.flush();
        order.push("end");
      },
      onMalformed() {},
    });
    const bytes = encode({ type: RAW_TYPE, id: 1, content: new Uint8Array(0), padding: 0 });
    decoder.push(Uint8Array.from([...bytes, ...bytes]));
    expect(order).toEqual(["raw 0-8", "end", "raw 8-16", "end"]);
  });

  test("goes on for another owner from within the end of a record, wherever the stream is cut", () => {
    const record = (id: number) => encode({ type: RAW_TYPE, id, content: new Uint8Array(5), padding: 3 });
    const stream = Uint8Array.from([...record(1), ...record(2)]);
    for (let cut = 1; cut <= record(1).length; cut++) {
      const heard: string[] = [];
      const raw = (owner: string): RawSink => ({
        onRaw: (_chunk, start, end) => void heard.push(`${owner} ${end - start}`),
      });
      const [first, second] = [raw("first"), raw("second")];
      const sinkOf = (owner: RawSink, onRecordEnd: () => void): RecordSink => {
        return { onRecord: () => owner, onContent() {}, onRecordEnd, onMalformed() {} };
      };
      const decoder: Decoder = new Decoder(
        sinkOf(first, () => {
          decoder.flush();
          decoder.begin(sinkOf(second, () => {}));
        }),
      );
      for (const [from, to] of [
        [0, cut],
        [cut, record(1).length],
        [record(1).length, stream.length],
      ])
        if (from !== to) decoder.push(stream.slice(from, to));
      const bytes = (owner: string) => {
        const mine = heard.filter((each) => each.startsWith(owner));
        return mine.reduce((sum, each) => sum + Number(each.split(" ")[1]), 0);
      };
      expect([bytes("first"), bytes("second"), heard.at(-1)]).toEqual([16, 16, "second 16"]);
    }
  });

  test("lets go of its owner, from within a record as well: nobody is told of the rest", () => {
    const heard: string[] = [];
    const raw: RawSink = { takesParts: true, onRaw: () => void heard.push("raw") };
    const decoder: Decoder = new Decoder({
      onRecord: () => raw,
      onContent() {
        heard.push("content");
        decoder.rest();
      },
      onRecordEnd: () => void heard.push("end"),
      onMalformed: () => void heard.push("malformed"),
    });
    const bytes = encode({ type: RAW_TYPE, id: 1, content: new Uint8Array(5), padding: 3 });
    decoder.push(Uint8Array.from([...bytes, ...bytes, 7]));
    expect(heard).toEqual(["content"]);
    decoder.push(Uint8Array.of(9));
    expect(heard).toEqual(["content"]);
  });

  test("does not go on for another owner before all of a chunk is told", () => {
    const other = { onRecord: () => null, onContent() {}, onRecordEnd() {}, onMalformed() {} };
    const decoder: Decoder = new Decoder({ ...other, onRecordEnd: () => decoder.begin(other) });
    const bytes = encode({ type: 4, id: 1, content: new Uint8Array(0), padding: 0 });
    expect(() => decoder.push(Uint8Array.from([...bytes, 1]))).toThrow(
      "another request begins within a record",
    );
  });

  test("does not go on for another owner within a record: that would get the rest of it", () => {
    for (const came of [1, 8, 10]) {
      const decoder = new Decoder({
        onRecord: () => null,
        onContent() {},
        onRecordEnd() {},
        onMalformed() {},
      });
      decoder.push(encode({ type: 4, id: 1, content: new Uint8Array(5), padding: 3 }).slice(0, came));
      const other = { onRecord: () => null, onContent() {}, onRecordEnd() {}, onMalformed() {} };
      expect(() => decoder.begin(other)).toThrow("another request begins within a record");
    }
  });
});
