import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ByteQueue } from "../../src/base/byte-queue.ts";
import { encodeHead, encodeRecord, encodeStream } from "../../src/fcgi/encoder.ts";
import { RequestHead, readHead } from "../../src/fcgi/head.ts";
import { encodeParams, latin1, ParamCursor } from "../../src/fcgi/params.ts";
import { FCGI_AUTHORIZER, FCGI_BEGIN_REQUEST, FCGI_PARAMS, FCGI_STDIN } from "../../src/fcgi/protocol.ts";
import { WantedParameters } from "../../src/fcgi/wanted-parameters.ts";

type Pairs = [string, string][];

function headOf(pairs: Pairs, keepConn = false): RequestHead {
  return new RequestHead(encodeHead(7, 1, keepConn, encodeParams(pairs)));
}

function joined(...pieces: Uint8Array[]): Uint8Array {
  return Uint8Array.from(pieces.flatMap((piece) => [...piece]));
}

const byteString = fc.uint8Array({ maxLength: 300 }).map((bytes) => latin1(bytes));

describe("name-value pairs", () => {
  test("come back as they went in, with any bytes and lengths above 127", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(byteString, byteString)), (pairs) => {
        const cursor = new ParamCursor(encodeParams(pairs));
        const found: Pairs = [];
        while (cursor.next()) found.push([cursor.name(), cursor.value()]);
        expect(found).toEqual(pairs);
        expect(cursor.malformed).toBe(false);
      }),
    );
  });

  test("of 127 bytes take one length byte, of 128 four", () => {
    expect(encodeParams([["a", "x".repeat(127)]]).length).toBe(2 + 128);
    expect(encodeParams([["a", "x".repeat(128)]]).length).toBe(5 + 129);
    expect(encodeParams([["n".repeat(127), "x"]]).length).toBe(2 + 128);
    expect(encodeParams([["n".repeat(128), "x"]]).length).toBe(5 + 129);
  });

  test("that reach beyond the end are malformed, wherever they are cut", () => {
    const bytes = encodeParams([["NAME", "v".repeat(200)]]);
    for (let length = 1; length < bytes.length; length++) {
      const cursor = new ParamCursor(bytes.slice(0, length));
      expect(cursor.next()).toBe(false);
      expect(cursor.malformed).toBe(true);
    }
  });

  test("may be longer than 16 MiB", () => {
    const value = new Uint8Array(2 ** 24 + 5).fill(65);
    const bytes = new Uint8Array(6 + value.length);
    bytes.set([1, 0x81, 0, 0, 5, 0x42]);
    bytes.set(value, 6);
    const cursor = new ParamCursor(bytes);
    expect([cursor.next(), cursor.name(), cursor.value().length]).toEqual([true, "B", value.length]);
    expect([cursor.next(), cursor.malformed]).toEqual([false, false]);
  });

  test("with a length of 2 GiB are malformed, not an allocation", () => {
    const cursor = new ParamCursor(Uint8Array.of(1, 0xff, 0xff, 0xff, 0xff, 65));
    expect(cursor.next()).toBe(false);
    expect(cursor.malformed).toBe(true);
  });
});

describe("a request's head", () => {
  test("is read where it stands in a chunk, under an id of two bytes", () => {
    const records = encodeHead(0x1234, 2, true, encodeParams([["REQUEST_METHOD", "PUT"]]));
    const chunk = Uint8Array.from([0xaa, 0xbb, 0xcc, ...records, 0xdd]);
    const head = readHead(chunk, 3, 3 + records.length);
    expect([head.requestId, head.role, head.keepConn, head.method]).toEqual([0x1234, 2, true, "PUT"]);
    const queue = new ByteQueue();
    head.sendTo(queue, false, new Map());
    // An Authorizer has no body, and is told so.
    const sent = queue.join();
    expect(sent.subarray(records.length)).toEqual(encodeRecord(FCGI_STDIN, 0x1234, new Uint8Array(0)));
    expect(head.role).toBe(FCGI_AUTHORIZER);
    expect([chunk[2], chunk[13], chunk[3 + records.length]]).toEqual([0xcc, 0, 0xdd]);
  });

  test("goes on as it came when nothing in it must change", () => {
    const records = encodeHead(
      7,
      1,
      true,
      encodeParams([
        ["SCRIPT_FILENAME", "/a.fcgi"],
        ["HTTP_X", "1"],
        ["HTTP_X", "2"],
      ]),
    );
    const head = new RequestHead(records);
    expect(head.isVerbatim(new Map())).toBe(true);
    expect(head.keepConn).toBe(true);
    const queue = new ByteQueue();
    head.sendTo(queue, false, new Map());
    const sent = queue.join();
    expect(sent).toBe(records);
    expect(new RequestHead(sent).keepConn).toBe(false);
    expect([...new RequestHead(sent).pairs()]).toEqual([
      ["SCRIPT_FILENAME", "/a.fcgi"],
      ["HTTP_X", "1"],
      ["HTTP_X", "2"],
    ]);
  });

  test("tells the values of any parameters, of one that is sent twice the last, and its path as text", () => {
    const head = headOf([
      ["A", "1"],
      ["HTTP_X", "2"],
      ["A", "3"],
      ["B", "4"],
      ["REQUEST_URI", "/caf\xc3\xa9?q=1"],
    ]);
    const names = ["A", "HTTP_X", "HTTP_Y", "LONGER_THAN_ALL", "B"];
    const wanted = new WantedParameters(names);
    wanted.look(head);
    const values = ["3", "2", undefined, undefined, "4"];
    expect(names.map((name) => head.parameter(name))).toEqual(values);
    expect(names.map((name) => wanted.value(name))).toEqual(values);
    expect(wanted.value("REQUEST_URI")).toBeUndefined();
    // What one head said is not known of the next.
    wanted.look(headOf([["HTTP_Y", ""]]));
    expect(names.map((name) => wanted.value(name))).toEqual([undefined, undefined, "", undefined, undefined]);
    expect([head.path, head.label]).toEqual(["/café", "GET /café"]);
    expect(headOf([["REQUEST_URI", "/\xff"]]).path).toBe("/\xff");
    expect(headOf([]).path).toBeUndefined();
  });

  test("goes on as it came with two REQUEST_URI, of which the last counts", () => {
    const head = headOf([
      ["REQUEST_URI", "/a"],
      ["REQUEST_URI", "/b"],
    ]);
    expect([head.isVerbatim(new Map()), head.value("REQUEST_URI")]).toEqual([true, "/b"]);
  });

  test("keeps the last of two SCRIPT_FILENAMEs, and only that goes on", () => {
    const head = headOf([
      ["SCRIPT_FILENAME", "/one"],
      ["A", "1"],
      ["SCRIPT_FILENAME", "/two"],
    ]);
    expect(head.value("SCRIPT_FILENAME")).toBe("/two");
    expect(head.isVerbatim(new Map())).toBe(false);
    const again = new RequestHead(head.encode(true, new Map()));
    expect([...again.pairs()]).toEqual([
      ["SCRIPT_FILENAME", "/two"],
      ["A", "1"],
    ]);
    expect(again.keepConn).toBe(true);
    expect(again.requestId).toBe(7);
  });

  test.each(["CONTENT_LENGTH", "REQUEST_METHOD", "PATH_INFO", "SCRIPT_NAME", "PATH_TRANSLATED"])(
    "forwards exactly one %s",
    (name) => {
      const head = headOf([
        [name, "1"],
        [name, "2"],
        [name, "3"],
      ]);
      expect([...new RequestHead(head.encode(false, new Map())).pairs()]).toEqual([[name, "3"]]);
    },
  );

  test("loses HTTP_PROXY, which programs take for their own setting, and ORIG_SCRIPT_FILENAME", () => {
    const head = headOf([
      ["HTTP_PROXY", "http://evil"],
      ["ORIG_SCRIPT_FILENAME", "/etc/passwd"],
      ["HTTP_PROXY_X", "kept"],
    ]);
    expect(head.isVerbatim(new Map())).toBe(false);
    expect([...new RequestHead(head.encode(false, new Map())).pairs()]).toEqual([["HTTP_PROXY_X", "kept"]]);
  });

  test("takes changes: a value set, a value added, a value removed", () => {
    const head = headOf([
      ["A", "1"],
      ["B", "2"],
      ["C", "3"],
    ]);
    const changes = new Map([
      ["B", "changed"],
      ["D", "added"],
      ["C", undefined],
    ]);
    expect(head.isVerbatim(changes)).toBe(false);
    expect([...new RequestHead(head.encode(false, changes)).pairs()]).toEqual([
      ["A", "1"],
      ["B", "changed"],
      ["D", "added"],
    ]);
  });

  test("is put anew when a pair straddles two records, with records that end between pairs", () => {
    const params = encodeParams([
      ["AAAA", "1"],
      ["BBBB", "2"],
    ]);
    const begin = encodeRecord(FCGI_BEGIN_REQUEST, 7, Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 0));
    const cutInPair = joined(
      begin,
      encodeRecord(FCGI_PARAMS, 7, params.subarray(0, 3)),
      encodeRecord(FCGI_PARAMS, 7, params.subarray(3)),
      encodeRecord(FCGI_PARAMS, 7, new Uint8Array(0)),
    );
    expect(new RequestHead(cutInPair).isVerbatim(new Map())).toBe(false);
    const cutBetween = joined(
      begin,
      encodeRecord(FCGI_PARAMS, 7, params.subarray(0, 7)),
      encodeRecord(FCGI_PARAMS, 7, params.subarray(7)),
      encodeRecord(FCGI_PARAMS, 7, new Uint8Array(0)),
    );
    expect(new RequestHead(cutBetween).isVerbatim(new Map())).toBe(true);
    expect([...new RequestHead(cutInPair).pairs()]).toEqual([...new RequestHead(cutBetween).pairs()]);
  });

  test("is made anew where BEGIN_REQUEST has padding, which libfcgi takes for the next record", () => {
    const records = encodeHead(7, 1, true, encodeParams([["A", "b"]]));
    const padded = joined(
      records.slice(0, 6),
      Uint8Array.of(3, 0),
      records.slice(8, 16),
      Uint8Array.of(0, 0, 0),
      records.slice(16),
    );
    const head = new RequestHead(padded);
    expect(head.isVerbatim(new Map())).toBe(false);
    expect(head.encode(true, new Map())).toEqual(records);
  });

  test("above 64 KiB is encoded in records that cut no pair", () => {
    const pairs: Pairs = Array.from({ length: 40 }, (_, i) => [`N${i}`, "v".repeat(4000)]);
    const records = encodeHead(1, 1, false, encodeParams(pairs));
    const head = new RequestHead(records);
    expect([...head.pairs()]).toEqual(pairs);
    expect(head.isVerbatim(new Map())).toBe(true);
  });

  test("with one pair above 64 KiB is still encoded whole", () => {
    const pairs: Pairs = [
      ["A", "1"],
      ["BIG", "v".repeat(150_000)],
      ["C", "3"],
    ];
    expect([...headOf(pairs).pairs()]).toEqual(pairs);
  });

  test("with pairs that do not fit is malformed", () => {
    const params = encodeParams([["NAME", "value"]]).subarray(0, 6);
    const records = joined(
      encodeRecord(FCGI_BEGIN_REQUEST, 1, Uint8Array.of(0, 1, 0, 0, 0, 0, 0, 0)),
      encodeStream(FCGI_PARAMS, 1, params, true),
    );
    expect(() => new RequestHead(records)).toThrow(
      "Malformed PARAMS: a parameter reaches beyond the 6 bytes",
    );
  });

  test("takes a name of 4,096 bytes and refuses one of 4,097", () => {
    expect(() => headOf([["N".repeat(4096), ""]])).not.toThrow();
    expect(() => headOf([["N".repeat(4097), ""]])).toThrow("at most 4096 are taken");
  });

  test.each([
    ["12", 12],
    ["0", 0],
    ["", undefined],
    ["-1", undefined],
    ["00000000000000000012", 12],
    [String(Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER],
  ])("reads a CONTENT_LENGTH of %j as %p", (text, length) => {
    expect(headOf([["CONTENT_LENGTH", text]]).contentLength).toBe(length);
  });

  test.each(["+10", " 10", "10 ", "10,10", "0x10", "1e3", "-2", "1.0", "x", "\0"])(
    "is malformed with a CONTENT_LENGTH of %j",
    (text) => {
      expect(() => headOf([["CONTENT_LENGTH", text]])).toThrow("CONTENT_LENGTH is");
    },
  );

  test.each(["9007199254740992", "99999999999999999999"])("announces too large a body with %j", (text) => {
    expect(() => headOf([["CONTENT_LENGTH", text]])).toThrow("bytes is announced");
  });

  test("without CONTENT_LENGTH has a body of unknown length, and without a method it is GET", () => {
    expect(headOf([]).contentLength).toBeUndefined();
    expect(headOf([]).method).toBe("GET");
  });

  test.each([
    ["", true],
    ["GET", true],
    ["HEAD", true],
    ["OPTIONS", true],
    ["POST", false],
    ["get", false],
    ["GETS", false],
    ["GE", false],
    ["HEAD ", false],
  ])("method %j may be asked twice: %p", (method, isSafe) => {
    expect(headOf([["REQUEST_METHOD", method]]).isSafe).toBe(isSafe);
    expect(headOf([]).isSafe).toBe(true);
  });

  test("keeps every byte of a value", () => {
    const all = latin1(Uint8Array.from({ length: 256 }, (_, i) => i));
    expect([...headOf([["X", all]]).pairs()]).toEqual([["X", all]]);
  });
});
