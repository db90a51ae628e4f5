import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Decoder } from "../../src/fcgi/decoder.ts";
import { encodeEndRequest, encodeRecord, encodeStream } from "../../src/fcgi/encoder.ts";
import { latin1 } from "../../src/fcgi/params.ts";
import { FCGI_END_REQUEST, FCGI_STDERR, FCGI_STDIN, FCGI_STDOUT } from "../../src/fcgi/protocol.ts";
import { AnswerHead } from "../../src/relay/answer-head.ts";
import { ResponseWatch } from "../../src/relay/response-watch.ts";
import { encodePadded } from "../support/record-streams.ts";

const text = (words: string) => new TextEncoder().encode(words);
const joined = (...pieces: Uint8Array[]) => Uint8Array.from(pieces.flatMap((piece) => [...piece]));

/** Feeds an answer to request 5 and writes down what comes of it; requests 1 to 4 were on the connection before. */
function watch(chunks: readonly Uint8Array[], client = 5) {
  const events: string[] = [];
  let passed = "";
  const watched = new ResponseWatch(
    { requestId: 5, isStale: (id) => id >= 1 && id < 5, decoderFor: (sink) => new Decoder(sink) },
    client,
    {
      onRecords(chunk, start, end) {
        passed += latin1(chunk.subarray(start, end));
      },
      onTrailing: () => void events.push("trailing"),
      onEnd: (appStatus, protocolStatus) => void events.push(`end ${appStatus} ${protocolStatus}`),
      onStderr(chunk, start, end) {
        passed += latin1(chunk.subarray(start, end));
      },
      onStderrContent() {},
      onUnanswered: (problem) => void events.push(`unanswered: ${problem}`),
      onBadAnswer: (problem) => void events.push(`bad: ${problem}`),
      onStaleRecord: (type) => void events.push(`stale ${type}`),
    },
    new AnswerHead(false),
  );
  // What is fed may be changed on the way.
  for (const chunk of chunks) watched.push(chunk.slice());
  return { events, passed };
}

test("an end without an answer is the last that is told, also where it comes at once", () => {
  const end = encodeEndRequest(5, 0, 0);
  const told = { events: ["unanswered: ended the request without a byte of an answer"], passed: "" };
  for (const first of [end.length, 3])
    expect(watch([end.slice(0, first), end.slice(first), stdout, Uint8Array.of(71, 69, 84)])).toEqual(told);
});

const stdout = encodeStream(FCGI_STDOUT, 5, text("Content-Type: text/plain\r\n\r\nhello"), true);

describe("the watch over an answer", () => {
  test("passes every record as it is and sees END_REQUEST, wherever the bytes are cut", () => {
    const answer = joined(
      encodeRecord(FCGI_STDERR, 5, text("warning")),
      stdout,
      encodeEndRequest(5, 0x01020304, 0),
    );
    fc.assert(
      fc.property(fc.array(fc.nat(answer.length)), (cuts) => {
        const edges = [0, ...cuts.sort((a, b) => a - b), answer.length];
        const chunks = edges.slice(1).map((end, i) => answer.slice(edges[i], end));
        expect(watch(chunks)).toEqual({ events: [`end ${0x01020304} 0`], passed: latin1(answer) });
      }),
    );
  });

  test("tells of bytes that come at once behind END_REQUEST, wherever they are cut, and of none in its padding", () => {
    const end = encodePadded({ type: FCGI_END_REQUEST, id: 5, content: new Uint8Array(8), padding: 3 });
    const answer = joined(stdout, end);
    for (let bytes = 1; bytes <= 20; bytes++) {
      const more = encodeStream(FCGI_STDOUT, 4, text("late and more of it"), false).subarray(0, bytes);
      expect(watch([joined(answer, more)]).events).toEqual(["trailing", "end 0 0"]);
      expect(watch([answer.subarray(0, -bytes), joined(answer.subarray(-bytes), more)]).events[0]).toBe(
        "trailing",
      );
    }
    expect(watch([answer]).events).toEqual(["end 0 0"]);
  });

  test("gives the client's id to every record, and drops those of earlier requests, wherever the bytes are cut", () => {
    const leak = joined(
      encodeStream(FCGI_STDOUT, 2, text("Status: 200\n\nanother's page"), true),
      encodeEndRequest(2, 0, 0),
    );
    const answer = (id: number) =>
      joined(encodeStream(FCGI_STDOUT, id, text("Status: 200\n\nmine"), true), encodeEndRequest(id, 7, 0));
    const stream = joined(
      leak,
      encodeRecord(FCGI_STDERR, 5, text("warning")),
      encodeRecord(FCGI_STDERR, 3, text("old")),
      answer(5),
    );
    const expected = {
      events: ["stale 6", "stale 6", "stale 3", "stale 7", "end 7 0"],
      passed: latin1(joined(encodeRecord(FCGI_STDERR, 0x1234, text("warning")), answer(0x1234))),
    };
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length)), (cuts) => {
        const edges = [0, ...cuts.sort((a, b) => a - b), stream.length];
        const chunks = edges.slice(1).map((end, i) => stream.slice(edges[i], end));
        expect(watch(chunks, 0x1234)).toEqual(expected);
      }),
    );
    expect(
      watch(
        [...stream].map((byte) => Uint8Array.of(byte)),
        0x1234,
      ),
    ).toEqual(expected);
  });

  test("drops what comes after END_REQUEST", () => {
    const end = encodeEndRequest(5, 0, 0);
    expect(watch([joined(stdout, end, stdout)]).passed).toBe(latin1(joined(stdout, end)));
  });

  const END = encodeEndRequest(5, 0, 0);
  const header = (words: string) => encodeRecord(FCGI_STDOUT, 5, text(words));

  test.each([
    ["a lone END_REQUEST", [END], "ended the request without a byte of an answer"],
    [
      "an empty STDOUT",
      [encodeStream(FCGI_STDOUT, 5, text(""), true), END],
      "ended the request without a byte",
    ],
    ["a header cut in mid-line", [header("Content-Ty"), END], "in the middle of the header"],
    ["a body without a header", [header("\nbody"), END], "in the middle of the header"],
    ["a header without its empty line", [header("Status: 200 OK\r\n"), END], "in the middle of the header"],
    ["a header cut before its last newline", [header("A: b\r\n\r"), END], "in the middle of the header"],
    [
      "a rejection",
      [encodeEndRequest(5, 0, 2)],
      "did not take the request: END_REQUEST with protocol status 2",
    ],
  ])("hands on nothing of %s, which Apache would show as an empty 200", (_what, records, problem) => {
    const { events, passed } = watch([joined(...records)]);
    expect([events.length, passed]).toEqual([1, ""]);
    expect(events[0]).toContain(`unanswered: `);
    expect(events[0]).toContain(problem);
    expect(watch([...joined(...records)].map((byte) => Uint8Array.of(byte)))).toEqual({ events, passed });
  });

  test("hands STDERR on at once, also where no answer follows", () => {
    const stderr = encodeRecord(FCGI_STDERR, 5, text("no database"));
    const { events, passed } = watch([joined(stderr, END)]);
    expect([events.length, passed]).toEqual([1, latin1(stderr)]);
  });

  test("hands on a header that comes in many records when it is complete, with all that is before and behind", () => {
    const answer = joined(
      header("Content-Type: te"),
      header("xt/plain\n"),
      header("\nbo"),
      header("dy"),
      END,
    );
    const seen: string[] = [];
    for (let at = 0; at <= answer.length; at++) seen.push(watch([answer.slice(0, at)]).passed);
    expect(seen.at(-1)).toBe(latin1(answer));
    // With the third record, whose first byte is the newline that ends it.
    expect(seen.findIndex((passed) => passed !== "")).toBe(3 * 8 + 16 + 9 + 3);
    expect(watch([answer]).events).toEqual(["end 0 0"]);
  });

  test("holds back a header that has 64 KiB with the headers of its records, and not a byte more", () => {
    const records = [header(`X: ${"y".repeat(40_000)}`), header("y".repeat(64 * 1024 - 40_003 - 16))];
    expect(joined(...records).length).toBe(64 * 1024);
    expect(watch(records).passed).toBe("");
    expect(watch([...records, header("")]).passed.length).toBe(64 * 1024 + 8);
    expect(watch([...records, header(""), header("z")]).passed.length).toBe(64 * 1024 + 17);
  });

  test("gives up a header that does not end at 64 KiB, and hands it on", () => {
    const line = header(`X: ${"y".repeat(8000)}\n`);
    const lines = Array.from({ length: 9 }, () => line);
    expect(watch(lines.slice(0, 8)).passed).toBe("");
    expect(watch(lines).passed.length).toBe(9 * line.length);
  });

  test("passes a protocol status that comes with an answer", () => {
    expect(watch([joined(stdout, encodeEndRequest(5, 0, 2))]).events).toEqual(["end 0 2"]);
  });

  test.each([
    [
      "another request's record",
      encodeRecord(FCGI_STDOUT, 6, text("x")),
      "FCGI_STDOUT for request 6, while it works on 5",
    ],
    ["a record that only clients send", encodeRecord(FCGI_STDIN, 5, text("x")), "FCGI_STDIN for request 5"],
    ["an END_REQUEST of 7 bytes", encodeRecord(3, 5, new Uint8Array(7)), "an FCGI_END_REQUEST of 7 bytes"],
    ["plain text", text("Content-Type: text/html\r\n\r\n"), "a record of FastCGI version 67"],
  ])("takes %s for a bad answer, after passing what was good", (_what, bytes, problem) => {
    const last = encodeRecord(FCGI_STDOUT, 5, text("the last record"));
    const chunks = [joined(stdout, last, bytes, encodeEndRequest(5, 0, 0))];
    const { events, passed } = watch(chunks);
    expect(events.length).toBe(1);
    expect(events[0]).toStartWith(`bad: ${problem}`);
    expect(passed).toBe(latin1(stdout));
    // Nor the header, where others may have written into it.
    expect(watch([joined(encodeRecord(FCGI_STDOUT, 5, text("A: b\n\n")), bytes)]).passed).toBe("");
    const inTwo = [encodeRecord(FCGI_STDOUT, 5, text("A: b\n")), encodeRecord(FCGI_STDOUT, 5, text("\n"))];
    expect(watch([joined(...inTwo, bytes)]).passed).toBe("");
  });

  test.each([1, 8, 9, 50, 20_000, 40_000])(
    "never passes what others have written into a record, cut at %i",
    (cut) => {
      const page = encodeRecord(FCGI_STDOUT, 5, text(`A: b\n\n${"own ".repeat(10_000)}`));
      const others = encodeRecord(FCGI_STDOUT, 2, text("secret ".repeat(100)));
      for (const at of [8, 20, 32_768, page.length - 1]) {
        const mixed = joined(page.subarray(0, at), others, page.subarray(at), encodeEndRequest(5, 0, 0));
        for (const chunks of [[mixed], [mixed.slice(0, cut), mixed.slice(cut)]]) {
          const { events, passed } = watch(chunks);
          expect(events.at(-1)).toStartWith("bad: ");
          expect(passed).toBe("");
        }
      }
    },
  );
});
