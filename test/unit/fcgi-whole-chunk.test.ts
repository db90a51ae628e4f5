import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { encodeEndRequest, encodeHead, encodeRecord } from "../../src/fcgi/encoder.ts";
import { FCGI_DATA, FCGI_STDERR, FCGI_STDIN, FCGI_STDOUT } from "../../src/fcgi/protocol.ts";
import { bodyOfWholeRequest, isWholeAnswer } from "../../src/fcgi/whole-chunk.ts";
import { encodePadded } from "../support/record-streams.ts";

const ID = 0x1234;
const NOTHING = new Uint8Array(0);
const PARAMS = Uint8Array.of(1, 1, 65, 66);
const joined = (...pieces: Uint8Array[]) => Uint8Array.from(pieces.flatMap((piece) => [...piece]));
const record = (type: number, content = NOTHING, id = ID) => encodeRecord(type, id, content);

describe("a chunk that is a whole request without a body", () => {
  const head = encodeHead(ID, 1, true, PARAMS);
  const request = joined(head, record(FCGI_STDIN));

  test("is known as that, with the place of its body, and with padding behind its parameters", () => {
    expect(bodyOfWholeRequest(request)).toBe(head.length);
    const params = encodePadded({ type: 4, id: ID, content: PARAMS, padding: 4 });
    const padded = joined(head.subarray(0, 16), params, record(4), record(FCGI_STDIN));
    expect(bodyOfWholeRequest(padded)).toBe(padded.length - 8);
  });

  test("is none with a byte more or less, or with any byte of its headers changed that says what it is", () => {
    for (let length = 0; length < request.length; length++)
      expect(bodyOfWholeRequest(request.slice(0, length))).toBe(0);
    expect(bodyOfWholeRequest(joined(request, Uint8Array.of(1)))).toBe(0);
    const params = [24, 25, 26, 27];
    // The flags, what is reserved there and in the headers, and the parameters themselves say nothing of it.
    const others = [7, 10, 11, 12, 13, 14, 15, 23, ...params, 35, 43];
    for (let at = 0; at < request.length; at++) {
      const changed = Uint8Array.from(request);
      changed[at] = (changed[at] as number) ^ 0x41;
      expect([at, bodyOfWholeRequest(changed) > 0]).toEqual([at, others.includes(at)]);
    }
  });

  test("is none in another role, without parameters, with a body, or for the connection itself", () => {
    const none = [
      ...[2, 3].map((role) => joined(encodeHead(ID, role, true, PARAMS), record(FCGI_STDIN))),
      joined(encodeHead(ID, 1, true, NOTHING), record(FCGI_STDIN)),
      joined(
        head.subarray(0, 16),
        encodePadded({ type: 4, id: ID, content: NOTHING, padding: 8 }),
        record(4),
        record(FCGI_STDIN),
      ),
      joined(head, record(FCGI_STDIN, Uint8Array.of(1)), record(FCGI_STDIN)),
      joined(head, record(FCGI_STDIN, Uint8Array.of(1))),
      joined(head, record(FCGI_DATA)),
      joined(encodeHead(0, 1, true, PARAMS), record(FCGI_STDIN, NOTHING, 0)),
      joined(request, request),
      NOTHING,
    ];
    expect(none.map(bodyOfWholeRequest)).toEqual(none.map(() => 0));
  });

  test("is what every web server sends of nearly every request without a body", () => {
    const folder = join(import.meta.dir, "../fixtures/captures");
    const { captures } = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as {
      captures: {
        file: string;
        requests: { role: number; stdin_bytes: number; stdin_complete: boolean }[];
      }[];
    };
    for (const server of ["nginx", "apache", "lighttpd", "caddy"]) {
      const isShort = ({ role, stdin_bytes }: (typeof captures)[0]["requests"][0]) =>
        role === 1 && stdin_bytes === 0;
      const alone = captures.filter(({ file, requests }) => {
        return file.startsWith(`${server}/`) && requests.length === 1 && requests.every(isShort);
      });
      const whole = alone.filter(({ file }) => bodyOfWholeRequest(readFileSync(join(folder, file))) > 0);
      expect(alone.length).toBeGreaterThan(40);
      expect(whole.length / alone.length).toBeGreaterThan(0.95);
    }
  });
});

describe("a chunk that is a whole answer", () => {
  const end = encodeEndRequest(ID, 0, 0);
  const page = record(FCGI_STDOUT, Uint8Array.of(65, 66, 67));

  test("is known as that, in one record or several, with padding, and where nothing comes before its end", () => {
    const padded = encodePadded({ type: FCGI_STDOUT, id: ID, content: PARAMS, padding: 4 });
    const answers = [
      joined(page, end),
      joined(page, padded, record(FCGI_STDOUT), end),
      joined(page, encodePadded({ type: 3, id: ID, content: new Uint8Array(8), padding: 5 })),
      end,
    ];
    expect(answers.map((each) => isWholeAnswer(each, ID))).toEqual([true, true, true, true]);
  });

  test("is none with a byte more or less, or with any byte of its headers changed that says what it is", () => {
    const answer = joined(page, end);
    for (let length = 0; length < answer.length; length++)
      expect(isWholeAnswer(answer.slice(0, length), ID)).toBe(false);
    expect(isWholeAnswer(joined(answer, Uint8Array.of(1)), ID)).toBe(false);
    const others = [7, 8, 9, 10, 18, 19, 20, 21, 22, 23, 24, 25, 26].map((at) => at);
    for (let at = 0; at < answer.length; at++) {
      const changed = Uint8Array.from(answer);
      changed[at] = (changed[at] as number) ^ 0x41;
      expect([at, isWholeAnswer(changed, ID)]).toEqual([at, others.includes(at)]);
    }
  });

  test("is none with errors, of another request, or without an end", () => {
    const none = [
      joined(record(FCGI_STDERR, PARAMS), page, end),
      joined(page, encodeEndRequest(ID + 1, 0, 0)),
      joined(record(FCGI_STDOUT, PARAMS, ID + 1), end),
      page,
      joined(page, record(3, new Uint8Array(9))),
      joined(page, end, end),
      NOTHING,
    ];
    expect(none.map((each) => isWholeAnswer(each, ID))).toEqual(none.map(() => false));
  });
});
