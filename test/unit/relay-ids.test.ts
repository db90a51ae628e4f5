import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Decoder } from "../../src/fcgi/decoder.ts";
import { encodeEndRequest } from "../../src/fcgi/encoder.ts";
import { latin1 } from "../../src/fcgi/params.ts";
import {
  END_REQUEST_LENGTH,
  FCGI_END_REQUEST,
  FCGI_STDERR,
  FCGI_STDIN,
  FCGI_STDOUT,
} from "../../src/fcgi/protocol.ts";
import { AnswerHead } from "../../src/relay/answer-head.ts";
import { ResponseWatch } from "../../src/relay/response-watch.ts";
import {
  cutUp,
  encodePadded,
  mutate,
  mutations,
  type PlainRecord,
  type ReadRecord,
  readRecords,
  tries,
} from "../support/record-streams.ts";

// A program's records, mixed at their boundaries with those of its earlier requests, of others and of nobody: what a client gets of
// them is compared with what a plain reading of the same bytes says.

/** The request's id on the connection to the program, where 1 to 4 were earlier ones, and on that of the web server. */
const LINK = 5;
const CLIENT = 0x1234;
const STALE = [1, 2, 3, 4];
const FOREIGN = [0, 6, 0x105, 0xffff];
/** What stands in records of other requests, and in no own one. */
const OTHERS = 0xff;

/** What a client gets, by stream: STDERR may come before a header that is not complete yet. */
interface Passed {
  answer: string;
  stderr: string;
}

interface Result {
  readonly passed: Passed;
  readonly events: readonly string[];
}

/** What a plain reading makes of it. */
interface Expected extends Result {
  /** What is passed where the last record before one of no answer comes at once with that: others may have written into it. */
  readonly sure: Passed;
}

/** What becomes of a program's bytes. */
function watch(chunks: readonly Uint8Array[]): Result {
  const events: string[] = [];
  const passed: Passed = { answer: "", stderr: "" };
  const watched = new ResponseWatch(
    { requestId: LINK, isStale: (id) => STALE.includes(id), decoderFor: (sink) => new Decoder(sink) },
    CLIENT,
    {
      onRecords(chunk, start, end) {
        passed.answer += latin1(chunk.subarray(start, end));
      },
      onStderr(chunk, start, end) {
        passed.stderr += latin1(chunk.subarray(start, end));
      },
      onTrailing() {},
      onEnd: (appStatus, protocolStatus) => void events.push(`end ${appStatus} ${protocolStatus}`),
      onStderrContent() {},
      onUnanswered: () => void events.push("unanswered"),
      onBadAnswer: () => void events.push("bad"),
      onStaleRecord: (type) => void events.push(`stale ${type}`),
    },
    new AnswerHead(false),
  );
  // After the end nobody reads.
  for (const chunk of chunks) if (!events.some((event) => event.startsWith("end"))) watched.push(chunk);
  return { passed, events };
}

/** The same, read plainly: record by record, up to the first that decides. */
function read(bytes: Uint8Array): Expected {
  const { records, rest } = readRecords(bytes);
  const events: string[] = [];
  const own: ReadRecord[] = [];
  let isLastOwn = false;
  const isHeaderComplete = (records = own) => {
    const stdout = records.filter(({ type }) => type === FCGI_STDOUT);
    return /\n\r*\n/.test(latin1(Buffer.concat(stdout.map(({ content }) => content))));
  };
  const passedOf = (records: ReadRecord[], isOver: boolean): Passed => {
    const sent = (isStderr: boolean) =>
      records
        .filter(({ type }) => (type === FCGI_STDERR) === isStderr)
        .map(asSent)
        .join("");
    return { answer: !isOver || isHeaderComplete(records) ? sent(false) : "", stderr: sent(true) };
  };
  const end = (event: string): Expected => ({
    passed: passedOf(own, true),
    sure: passedOf(isLastOwn ? own.slice(0, -1) : own, true),
    events: [...events, event],
  });
  for (const record of records) {
    const { type, id, content } = record;
    const isAnswer = [FCGI_STDOUT, FCGI_STDERR, FCGI_END_REQUEST].includes(type);
    if (isAnswer && STALE.includes(id)) {
      events.push(`stale ${type}`);
      isLastOwn = false;
      continue;
    }
    if (!isAnswer || id !== LINK) return end("bad");
    if (type === FCGI_END_REQUEST && content.length !== END_REQUEST_LENGTH) return end("bad");
    own.push(record);
    isLastOwn = true;
    if (type !== FCGI_END_REQUEST) continue;
    const status = Buffer.from(content);
    return end(isHeaderComplete() ? `end ${status.readUInt32BE(0)} ${status.readUInt8(4)}` : "unanswered");
  }
  // A header decides when it is there, whatever follows; its first byte alone, where that is wrong.
  if (isDecisive(rest)) return end("bad");
  const passed = passedOf(own, false);
  return { passed, sure: passed, events };
}

function isDecisive(header: Uint8Array): boolean {
  if (header.length > 0 && header[0] !== 1) return true;
  if (header.length < 8) return false;
  const [, type = 0, high = 0, low = 0, long = 0, short = 0] = header;
  const id = (high << 8) | low;
  const isAnswer = [FCGI_STDOUT, FCGI_STDERR, FCGI_END_REQUEST].includes(type);
  if (isAnswer && STALE.includes(id)) return false;
  const isEndOfOtherLength = type === FCGI_END_REQUEST && ((long << 8) | short) !== END_REQUEST_LENGTH;
  return !isAnswer || id !== LINK || isEndOfOtherLength;
}

function asSent({ raw }: ReadRecord): string {
  const sent = raw.slice();
  sent.set([CLIENT >> 8, CLIENT & 0xff], 2);
  return latin1(sent);
}

const padding = fc.nat(9);
const own = fc.record({
  type: fc.constantFrom(FCGI_STDOUT, FCGI_STDOUT, FCGI_STDOUT, FCGI_STDERR),
  id: fc.constant(LINK),
  content: fc
    .array(fc.constantFrom(..."ab\r\n\n\n"), { maxLength: 12 })
    .map((letters) => Buffer.from(letters.join(""))),
  padding,
});
const ofOthers = (types: readonly number[], ids: readonly number[]) =>
  fc.record({
    type: fc.constantFrom(...types),
    id: fc.constantFrom(...ids),
    content: fc.nat(40).map((length) => new Uint8Array(length).fill(OTHERS)),
    padding,
  });
const stale = ofOthers([FCGI_STDOUT, FCGI_STDERR, FCGI_END_REQUEST], STALE);
const foreign = fc.oneof(
  ofOthers([FCGI_STDOUT, FCGI_STDERR, FCGI_END_REQUEST], FOREIGN),
  ofOthers([0, 1, 2, 4, FCGI_STDIN, 9, 10, 11, 200], [...STALE, LINK, 0]),
);
const end = fc
  .record({ appStatus: fc.constantFrom(0, 1, 0xf1020304), protocolStatus: fc.nat(3) })
  .map(({ appStatus, protocolStatus }) => encodeEndRequest(LINK, appStatus, protocolStatus));
const cuts = fc.array(fc.nat(400), { maxLength: 10 });
const mixed = (...kinds: fc.Arbitrary<PlainRecord>[]) =>
  fc.array(fc.oneof(...kinds), { maxLength: 14 }).map((records) => records.map(encodePadded));

/** The same by all ways to cut it. */
function expectSame(records: readonly Uint8Array[], at: readonly number[]): Expected {
  const bytes = Uint8Array.from(Buffer.concat(records));
  const expected = read(bytes);
  const ways = [[bytes.slice()], cutUp(records, at), [...bytes].map((byte) => Uint8Array.of(byte))];
  for (const chunks of ways) {
    const result = watch(chunks);
    const isOver = /^(end|unanswered|bad)/.test(result.events.at(-1) ?? "");
    if (!isOver && expected.passed.answer.startsWith(result.passed.answer)) {
      // How much of it was handed on before the end depends on the cuts.
      result.passed.answer = expected.passed.answer;
    }
    const { passed, sure, events } = expected;
    const isSure = events.at(-1) === "bad" && Bun.deepEquals(result.passed, sure);
    expect(result).toEqual({ passed: isSure ? sure : passed, events });
  }
  return expected;
}

describe("of what a program sends, its client gets", () => {
  test("its own records, all of them, and none of those of earlier requests between them", () => {
    fc.assert(
      fc.property(mixed(own, own, stale), end, cuts, (records, last, at) => {
        const { passed, events } = expectSame([...records, last], at);
        expect(events.at(-1)).toMatch(/^(end|unanswered)/);
        expect(passed.answer + passed.stderr).not.toContain(String.fromCharCode(OTHERS).repeat(2));
      }),
      tries(1000),
    );
  });

  test("the records before one of another request or of no answer, but not the one right before it, and the attempt ends as a bad one", () => {
    fc.assert(
      fc.property(
        mixed(own, stale),
        foreign,
        mixed(own, stale, foreign),
        cuts,
        (before, other, after, at) => {
          const { passed, events } = expectSame([...before, encodePadded(other), ...after], at);
          expect(events.at(-1)).toBe("bad");
          expect(passed.answer + passed.stderr).not.toContain(String.fromCharCode(OTHERS).repeat(10));
        },
      ),
      tries(1000),
    );
  });

  test("what a plain reading says, where bytes were changed, lost, doubled or put in", () => {
    fc.assert(
      fc.property(mixed(own, own, stale), end, mutations, cuts, (records, last, changes, at) => {
        expectSame(mutate([...records, last], changes, [LINK, ...STALE, ...FOREIGN]), at);
      }),
      tries(1500),
    );
  });
});
