import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FpmError } from "../../src/base/errors.ts";
import { Decoder } from "../../src/fcgi/decoder.ts";
import { encodeRecord } from "../../src/fcgi/encoder.ts";
import { FCGI_ABORT_REQUEST, FCGI_DATA, FCGI_STDIN } from "../../src/fcgi/protocol.ts";
import { begin, head, notingConnection, ofLength, stdin } from "../support/noting-connection.ts";

test("a connection is idle between two requests, not within one, nor in the middle of a record", () => {
  const { intake } = notingConnection();
  const isIdleAfter = (bytes: Uint8Array) => {
    intake.push(bytes);
    return intake.isIdle;
  };
  expect(intake.isIdle).toBe(true);
  expect([isIdleAfter(begin(1).slice(0, 3)), isIdleAfter(begin(1).slice(3))]).toEqual([false, false]);
  expect(isIdleAfter(encodeRecord(FCGI_ABORT_REQUEST, 1, new Uint8Array(0)))).toBe(true);
});

describe("records out of order", () => {
  test.each([
    [
      "a second BEGIN for a request at work",
      [begin(1), begin(1)],
      "a second FCGI_BEGIN_REQUEST for request 1",
    ],
    ["a BEGIN of 7 bytes", [encodeRecord(1, 1, new Uint8Array(7))], "an FCGI_BEGIN_REQUEST of 7 bytes"],
    ["STDIN before the end of PARAMS", [begin(1), stdin(1, false)], "FCGI_STDIN for request 1 (head)"],
    ["PARAMS after their end", [head(), head().slice(16)], "FCGI_PARAMS for request 1 (body)"],
    [
      "an answer from the web server",
      [encodeRecord(6, 1, new Uint8Array(1))],
      "FCGI_STDOUT for request 1 (not begun)",
    ],
    [
      "a type that does not exist",
      [encodeRecord(77, 1, new Uint8Array(1))],
      "type 77 for request 1 (not begun)",
    ],
    ["another protocol", [Buffer.from("GET / HTTP/1.0\r\n\r\n")], "a record of FastCGI version 71"],
  ])("%s ends the connection", (_what, chunks, problem) => {
    const { intake, log } = notingConnection();
    for (const chunk of chunks) intake.push(chunk);
    expect(log.at(-1)).toStartWith(`malformed: ${problem}`);
  });

  test("STDIN and ABORT for a request that is over are ignored", () => {
    const { intake, log } = notingConnection();
    intake.push(stdin(5, true, 9));
    intake.push(encodeRecord(FCGI_ABORT_REQUEST, 9, new Uint8Array(0)));
    expect(log).toEqual([]);
  });

  test("more than 256 requests at once on one connection are refused, and nothing of them is kept", () => {
    const { intake, notes, ready } = notingConnection();
    for (let id = 1; id <= 256; id++) intake.push(head({}, id));
    expect(notes()).not.toContain("refused 257: QUEUE_FULL");
    for (let id = 257; id <= 65_535; id++) intake.push(begin(id));
    expect(notes().filter((note) => note.startsWith("refused")).length).toBe(65_535 - 256);
    expect(intake.size).toBe(256);
    // The rest of a refused one belongs to nobody.
    intake.push(head({}, 300).subarray(16));
    intake.push(stdin(100, true, 300));
    intake.push(stdin(0, true, 1));
    expect(ready.map(({ id }) => id)).toEqual([1]);
    ready[0]?.complete();
    intake.push(head({}, 300));
    expect(intake.size).toBe(256);
  });

  test("256 answered requests whose bodies go on leave room for those that supersede them", () => {
    const { intake, notes, ready } = notingConnection();
    for (let id = 1; id <= 256; id++) {
      intake.push(head({ CONTENT_LENGTH: "1000000" }, id));
      intake.push(stdin(1, false, id));
    }
    for (const request of ready) request.complete();
    for (let id = 1; id <= 256; id++) intake.push(head({}, id));
    expect(notes().filter((note) => note.startsWith("refused"))).toEqual([]);
    expect(intake.size).toBe(256);
  });
});

describe("a request that comes in one chunk", () => {
  /** What becomes of such bytes, and what is left of them. */
  function understood(chunks: readonly Uint8Array[]) {
    const { intake, budget, log, ready, wereComplete, sent } = notingConnection();
    for (const chunk of chunks) intake.push(chunk);
    const requests = ready.map(({ id, head, body, bodyBytes, isBodyComplete }) => {
      const params = [...head.pairs()];
      return { id, params, label: head.label, body: body.join(), bodyBytes, isBodyComplete };
    });
    const { size, isIdle } = intake;
    // A header that was put together is held until its record has come.
    const held = ready.length > 0 ? budget.heldBytes : undefined;
    return { log, requests, wereComplete, sent: sent(), size, isIdle, held };
  }

  test("is understood as the same that comes in two, in order or not", () => {
    const params = fc.constantFrom<Record<string, string>>(
      { SCRIPT_FILENAME: "/a.fcgi", REQUEST_METHOD: "GET" },
      { CONTENT_LENGTH: "0" },
      { CONTENT_LENGTH: "5" },
      { CONTENT_LENGTH: "x" },
      { X: "x".repeat(300) },
    );
    const change = fc.record({ at: fc.nat(), value: fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 255) });
    fc.assert(
      fc.property(
        params,
        fc.array(change, { maxLength: 2 }),
        fc.constantFrom(-1, 0, 0, 0, 1),
        (each, changes, more) => {
          const whole = Buffer.concat([head(each, 3), stdin(0, true, 3), Buffer.alloc(8)]);
          const bytes = whole.subarray(0, whole.length - 8 + more);
          for (const { at, value } of changes) bytes[at % bytes.length] = value;
          const [inOne, first, rest] = [bytes, bytes.subarray(0, 1), bytes.subarray(1)].map((each) =>
            Uint8Array.from(each),
          ) as [Uint8Array, Uint8Array, Uint8Array];
          const inTwo = understood([first, rest]);
          expect(understood([inOne])).toEqual(inTwo);
        },
      ),
      { numRuns: 3000, includeErrorInReport: true },
    );
  });

  test("is ready with its end, also where its program is to get a body as it comes", () => {
    const { intake, wereComplete } = notingConnection(true);
    intake.push(Uint8Array.from(Buffer.concat([head({ A: "1" }, 3), stdin(0, true, 3)])));
    expect(wereComplete).toEqual([true]);
  });

  test("waits for its turn among others as any does, and none is taken where none may begin", () => {
    const whole = Buffer.concat([head({ A: "1" }, 3), stdin(0, true, 3)]);
    const { intake, notes } = notingConnection();
    intake.push(Uint8Array.from(whole));
    intake.push(Uint8Array.from(whole));
    expect(notes()).toEqual(["begin", "ready", "malformed: a second FCGI_BEGIN_REQUEST for request 3"]);
    const closing = notingConnection();
    closing.intake.takesMore = false;
    closing.intake.push(Uint8Array.from(whole));
    expect([closing.notes(), closing.intake.size]).toEqual([["refused 3: QUEUE_FULL"], 0]);
  });
});

describe("what is held of requests", () => {
  test("is given back when they are over, however they end and wherever their bytes are cut", () => {
    const ends = ["complete", "refuse", "lose", "abort", "answer"] as const;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(3), fc.constantFrom(...ends), fc.nat(3)), { maxLength: 6 }),
        fc.array(fc.nat(2000), { maxLength: 8 }),
        (requests, cuts) => {
          const { intake, budget, all } = notingConnection();
          const bytes = Buffer.concat(
            requests.flatMap(([stage], index) => {
              const id = index + 1;
              const whole = [
                head({ CONTENT_LENGTH: "70000" }, id),
                stdin(100, false, id),
                stdin(0, true, id),
              ];
              return stage === 0 ? [begin(id)] : whole.slice(0, stage);
            }),
          );
          const edges = [
            0,
            ...cuts.filter((cut) => cut < bytes.length).toSorted((a, b) => a - b),
            bytes.length,
          ];
          for (let i = 1; i < edges.length; i++)
            intake.push(Uint8Array.from(bytes.subarray(edges[i - 1], edges[i])));
          for (const [index, request] of [...all()].entries()) {
            const how = requests[index]?.[1] ?? "lose";
            if (how === "refuse") request.refuse(new FpmError("QUEUE_FULL", "daemon", "x"));
            else if (how === "answer") request.respond(Uint8Array.of(1), 0, 1);
            else request[how]();
            request.lose();
          }
          intake.stop();
          expect(budget.heldBytes).toBe(0);
        },
      ),
    );
  });

  test("is the whole head and body of each, until then, and no record that goes nowhere", () => {
    const { intake, budget } = notingConnection();
    const whole = Buffer.concat([ofLength(10), stdin(9, false)]);
    intake.push(whole);
    expect(budget.heldBytes).toBe(whole.length);
    intake.push(stdin(60_000, false, 77).subarray(0, 50_000));
    expect(budget.heldBytes).toBe(whole.length);
  });
});

describe("what comes after the end of a stream", () => {
  /** The types of the records that a program would get of such a body. */
  function forwarded(role: number, ...records: Uint8Array[]) {
    const { intake, ready } = notingConnection();
    intake.push(head({ CONTENT_LENGTH: "100000" }, 1, role));
    for (const record of records) intake.push(record);
    const types: number[] = [];
    const decoder = new Decoder({
      onRecord(type) {
        types.push(type);
        return null;
      },
      onContent() {},
      onRecordEnd() {},
      onMalformed() {},
    });
    ready[0]?.body.visit((piece, start, end) => decoder.push(piece.subarray(start, end)));
    return { isComplete: ready[0]?.isBodyComplete, types };
  }
  const stdinRecord = (bytes: number) => encodeRecord(FCGI_STDIN, 1, new Uint8Array(bytes));
  const dataRecord = (bytes: number) => encodeRecord(FCGI_DATA, 1, new Uint8Array(bytes));
  const [STDIN, DATA] = [FCGI_STDIN, FCGI_DATA];

  test("belongs to nobody: STDIN of a Responder", () => {
    const { isComplete, types } = forwarded(
      1,
      stdinRecord(1),
      stdinRecord(0),
      stdinRecord(9),
      stdinRecord(0),
    );
    expect([isComplete, types]).toEqual([true, [STDIN, STDIN]]);
  });

  test("and DATA of a Responder neither reaches a program nor ends the body", () => {
    const { isComplete, types } = forwarded(1, stdinRecord(1), dataRecord(5), dataRecord(0), stdinRecord(2));
    expect([isComplete, types]).toEqual([false, [STDIN, STDIN]]);
  });

  test("and the body of a Filter is complete when both streams are", () => {
    const early = forwarded(3, stdinRecord(1), dataRecord(0), dataRecord(1));
    expect([early.isComplete, early.types]).toEqual([false, [STDIN, DATA]]);
    const whole = forwarded(3, stdinRecord(1), stdinRecord(0), dataRecord(1), dataRecord(0), dataRecord(7));
    expect([whole.isComplete, whole.types]).toEqual([true, [STDIN, STDIN, DATA, DATA]]);
  });

  test("and an Authorizer has no body", () => {
    const { isComplete, types } = forwarded(2, stdinRecord(0), stdinRecord(3));
    expect([isComplete, types]).toEqual([true, []]);
  });
});
