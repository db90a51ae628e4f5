import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ByteBudget } from "../../src/base/byte-budget.ts";
import { FpmError } from "../../src/base/errors.ts";
import { LimitedLog } from "../../src/base/limited-log.ts";
import type { Log } from "../../src/base/log.ts";
import { encodeEndRequest, encodeHead, encodeStream } from "../../src/fcgi/encoder.ts";
import { encodeParams, latin1, ParamCursor } from "../../src/fcgi/params.ts";
import {
  FCGI_AUTHORIZER,
  FCGI_BEGIN_REQUEST,
  FCGI_DATA,
  FCGI_END_REQUEST,
  FCGI_FILTER,
  FCGI_PARAMS,
  FCGI_RESPONDER,
  FCGI_STDIN,
  FCGI_STDOUT,
} from "../../src/fcgi/protocol.ts";
import { Connection, type FrontSocket } from "../../src/front/connection.ts";
import { Places } from "../../src/front/places.ts";
import type { FrontRequest } from "../../src/front/request.ts";
import { FakeClock } from "../support/fake-clock.ts";
import {
  cutUp,
  encodePadded,
  mutate,
  mutations,
  type PlainRecord,
  readRecords,
  tries,
} from "../support/record-streams.ts";

// Connections as they are, a socket that takes everything, and programs that are a word: what each request on a connection gets and
// gives is compared with what a plain reading of the same bytes says.

/** What becomes of a request. */
type Conduct = "answer" | "answer early" | "refuse" | "break" | "wait";

interface Plan {
  readonly id: number;
  readonly role: number;
  readonly keepConn: boolean;
  /** CONTENT_LENGTH: above 64 KiB the request is worked on when the first bytes have come. */
  readonly announced: string;
  readonly pieces: readonly number[];
  readonly padding: number;
  /** All of it is one piece: what a web server sends of a request without a body. */
  readonly isShort: boolean;
  readonly conduct: Conduct;
}

/** A request that came, and how it went on. */
interface Served {
  readonly id: number;
  readonly role: number;
  readonly params: string;
  /** The raw bytes of its body. */
  readonly body: Uint8Array[];
  isComplete: boolean;
  readonly ends: string[];
}

const NOTHING = new Uint8Array(0);
const IDS = [1, 2, 3, 0x100, 0xffff];
const END_KINDS = ["answered", "refused", "broken", "left"];

const plan = (conduct: fc.Arbitrary<Conduct>, keepConn: fc.Arbitrary<boolean>): fc.Arbitrary<Plan> =>
  fc.record({
    id: fc.constantFrom(...IDS),
    role: fc.constantFrom(FCGI_RESPONDER, FCGI_RESPONDER, FCGI_AUTHORIZER, FCGI_FILTER),
    keepConn,
    announced: fc.constantFrom("", "0", "100", "100000", "-1"),
    pieces: fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 3 }),
    padding: fc.nat(9),
    isShort: fc.boolean(),
    conduct,
  });

/** The records of a request, or all of them in one; every byte of its body is its number. */
function recordsOf(plan: Plan, number: number): Uint8Array[] {
  const { id, role, keepConn, announced, pieces, padding, isShort } = plan;
  const params = encodeParams([
    ["NUMBER", String(number)],
    ["CONTENT_LENGTH", announced],
  ]);
  if (isShort)
    return [
      Buffer.concat([
        encodeHead(id, FCGI_RESPONDER, keepConn, params),
        encodeStream(FCGI_STDIN, id, NOTHING, true),
      ]),
    ];
  const record = (type: number, content: Uint8Array) => encodePadded({ type, id, content, padding });
  const stream = (type: number) =>
    [...pieces, 0].map((length) => record(type, new Uint8Array(length).fill(number)));
  const body = [...stream(FCGI_STDIN), ...(role === FCGI_FILTER ? stream(FCGI_DATA) : [])];
  return [
    record(FCGI_BEGIN_REQUEST, Uint8Array.of(0, role, keepConn ? 1 : 0, 0, 0, 0, 0, 0)),
    record(FCGI_PARAMS, params.subarray(0, 9)),
    record(FCGI_PARAMS, params.subarray(9)),
    record(FCGI_PARAMS, new Uint8Array(0)),
    ...(role === FCGI_AUTHORIZER ? [] : body),
  ];
}

/** The records of all requests, mixed as `picks` say; those with the same id come one after the other. */
function interleave(plans: readonly Plan[], picks: readonly number[]): Uint8Array[] {
  const queues = new Map<number, Uint8Array[]>();
  for (const [number, each] of plans.entries()) {
    queues.set(each.id, [...(queues.get(each.id) ?? []), ...recordsOf(each, number)]);
  }
  const mixed: Uint8Array[] = [];
  for (let turn = 0; queues.size > 0; turn++) {
    const ids = [...queues.keys()];
    const id = ids[(picks[turn % (picks.length || 1)] ?? turn) % ids.length] as number;
    const queue = queues.get(id) as Uint8Array[];
    mixed.push(queue.shift() as Uint8Array);
    if (queue.length === 0) queues.delete(id);
  }
  return mixed;
}

/** Feeds a connection; its requests are treated as told, one after the other in the order they can be worked on. */
function serve(chunks: readonly Uint8Array[], conductOf: (request: FrontRequest, nth: number) => Conduct) {
  const served: Served[] = [];
  const sent: Uint8Array[] = [];
  const bugs: string[] = [];
  const nothing = () => {};
  const log: Log = {
    isDebug: false,
    debug: nothing,
    info: nothing,
    warn: nothing,
    error: (line) => void bugs.push(line),
  };
  const clock = new FakeClock();
  const gate = { openGate: () => true, closeGate: nothing };
  const places = new Places({ maxConnections: 1, descriptors: 100 }, { clock, log, gate });
  const buffers = new ByteBudget(Number.POSITIVE_INFINITY);
  let isClosed = false;
  const socket = {
    write(bytes: Uint8Array) {
      sent.push(bytes.slice());
      return bytes.length;
    },
    pause: nothing,
    resume: nothing,
    shutdown: nothing,
    end: nothing,
  };
  const connection = new Connection(socket as unknown as FrontSocket, {
    headTimeoutMs: 1000,
    bodyTimeoutMs: 1000,
    clock,
    log,
    clientLog: new LimitedLog(clock, log),
    places,
    buffers,
    onRejected: nothing,
    onDismissed: nothing,
    isStreamed: () => false,
    onRequest(request) {
      const each = begin(request);
      served.push(each);
      treat(request, each, conductOf(request, served.length - 1));
    },
    onClosed(closed) {
      isClosed = true;
      places.leave(closed);
    },
    onSpent: () => new FpmError("BUFFER_FULL", "daemon", "full"),
  });
  places.enter(connection, 10);
  for (const chunk of chunks) if (!isClosed) connection.onData(chunk);
  if (!isClosed) connection.onEnd();
  // A broken answer is read to its end, and a client that is slow to close is waited for.
  connection.close();
  return { served, sent: Buffer.concat(sent), bugs, isClosed, heldBytes: buffers.heldBytes };
}

function begin(request: FrontRequest): Served {
  const { id, head } = request;
  return {
    id,
    role: head.role,
    params: JSON.stringify([...head.pairs()]),
    body: [],
    isComplete: false,
    ends: [],
  };
}

/** Takes the body and ends the request, as whoever works on one does. */
function treat(request: FrontRequest, served: Served, conduct: Conduct): void {
  const end = (how: string, act: () => void) => {
    served.ends.push(how);
    request.listen(undefined);
    act();
  };
  const answer = () => {
    const page = encodeStream(FCGI_STDOUT, request.id, Buffer.from(served.params), true);
    const bytes = Buffer.concat([page, encodeEndRequest(request.id, 0, 0)]);
    request.respond(bytes, 0, bytes.length);
    request.complete();
  };
  const take = (chunk: Uint8Array, start: number, to: number) =>
    void served.body.push(chunk.slice(start, to));
  const finish = () => {
    served.isComplete = true;
    if (conduct === "answer") end("answered", answer);
  };
  request.body.visit(take);
  request.listen({
    onBody: take,
    onBodyEnd: finish,
    onBodyFailed: () => expect.unreachable(),
    mayBeUnseen: false,
    onClientDrain() {},
    onClientLeft: () => void served.ends.push("left"),
  });
  if (request.isBodyComplete) finish();
  if (conduct === "answer early") end("answered", answer);
  else if (conduct === "refuse")
    end("refused", () => request.refuse(new FpmError("QUEUE_FULL", "daemon", "x")));
  else if (conduct === "break") {
    end("broken", () => {
      const part = encodeStream(FCGI_STDOUT, request.id, Buffer.from(served.params), false);
      request.respond(part, 0, part.length);
      request.truncate();
    });
  }
}

/** What a plain reading of the stream says of the requests with this id: everything after each of its BEGINs. */
function requestsIn(records: readonly PlainRecord[], id: number) {
  const mine = records.filter((record) => record.id === id);
  return mine.flatMap(({ type, content }, at) => {
    if (type !== FCGI_BEGIN_REQUEST) return [];
    const role = ((content[0] ?? 0) << 8) | (content[1] ?? 0);
    const next = mine.findIndex((record, index) => index > at && record.type === FCGI_BEGIN_REQUEST);
    const own = mine.slice(at + 1, next === -1 ? mine.length : next);
    const params = untilEnd(own.filter((record) => record.type === FCGI_PARAMS)).map((each) => each.content);
    const stdin = untilEnd(own.filter((record) => record.type === FCGI_STDIN));
    const data = untilEnd(own.filter((record) => record.type === FCGI_DATA));
    const streams = role === FCGI_AUTHORIZER ? [] : role === FCGI_FILTER ? [...stdin, ...data] : stdin;
    const body = own.filter((record) => streams.includes(record));
    return [{ role, params: pairsOf(Buffer.concat(params)), body: body.map(asText) }];
  });
}

/** A stream's records, its empty one the last. */
function untilEnd(records: readonly PlainRecord[]): PlainRecord[] {
  const end = records.findIndex(({ content }) => content.length === 0);
  return records.slice(0, end === -1 ? records.length : end + 1);
}

function pairsOf(params: Uint8Array): string {
  const cursor = new ParamCursor(params);
  const pairs: [string, string][] = [];
  try {
    while (cursor.next()) pairs.push([cursor.name(), cursor.value()]);
  } catch {
    return "malformed";
  }
  return JSON.stringify(pairs);
}

function asText({ type, content, padding }: PlainRecord): string {
  return `${type}+${padding} ${latin1(content)}`;
}

/** What is wrong with what a request got: it may be the beginning of what a plain reading says, and nothing else. */
function problemsOf(each: Served, records: readonly PlainRecord[]): string[] {
  const body = readRecords(Buffer.concat(each.body));
  // A request that ends while a record is handed on in its pieces has seen a part of it.
  const isCut = body.rest.length > 0 && each.isComplete;
  const foreign = body.records.filter(({ id }) => id !== each.id);
  const texts = body.records.map(asText);
  const isIn = requestsIn(records, each.id).some((read) => {
    const isBeginning = texts.every((text, index) => text === read.body[index]);
    const isWhole = !each.isComplete || texts.length === read.body.length;
    return read.role === each.role && read.params === each.params && isBeginning && isWhole;
  });
  return [
    ...(foreign.length > 0 ? [`records of ${foreign.map(({ id }) => id)} in the body of ${each.id}`] : []),
    ...(isCut ? ["a part of a record in a body"] : []),
    ...(isIn ? [] : [`nothing like request ${each.id} ${each.params} ${texts} was sent`]),
    ...(each.ends.length === 1 && END_KINDS.includes(each.ends[0] ?? "") ? [] : [`ended: ${each.ends}`]),
  ];
}

/** The END_REQUESTs and pages with this id that the client got. */
function answersTo(id: number, sent: Uint8Array) {
  const mine = readRecords(sent).records.filter((record) => record.id === id);
  return {
    ends: mine.filter(({ type }) => type === FCGI_END_REQUEST).length,
    pages: mine
      .filter(({ type, content }) => type === FCGI_STDOUT && content.length > 0)
      .map((each) => latin1(each.content)),
  };
}

const cuts = fc.array(fc.nat(3000), { maxLength: 12 });
/** Cut at these places; with none each record comes by itself, and short requests are whole. */
const chunksOf = (records: readonly Uint8Array[], at: readonly number[]) =>
  at.length > 0 ? cutUp(records, at) : records.filter(({ length }) => length > 0).map((each) => each.slice());
const picks = fc.array(fc.nat(20), { maxLength: 40 });

describe("requests that share a connection", () => {
  test("get all of their own bytes and no others, and one answer each, however they are mixed and cut", () => {
    const plans = plan(fc.constantFrom("answer", "answer", "answer early", "refuse"), fc.constant(true));
    fc.assert(
      fc.property(fc.array(plans, { minLength: 1, maxLength: 8 }), picks, cuts, (each, order, at) => {
        const records = interleave(each, order);
        const conductOf = (_request: FrontRequest, nth: number) => each[nth]?.conduct ?? "answer";
        const result = serve(chunksOf(records, at), conductOf);
        const read = readRecords(Buffer.concat(records)).records;
        expect(result.served.flatMap((served) => problemsOf(served, read))).toEqual([]);
        expect(result.served.length).toBe(each.length);
        for (const id of IDS) {
          const wanted = result.served.filter((served) => served.id === id && served.ends[0] === "answered");
          const { ends, pages } = answersTo(id, result.sent);
          expect(ends).toBe(each.filter((one) => one.id === id).length);
          for (const { params } of wanted) expect(pages).toContain(params);
        }
        expect([result.bugs, result.heldBytes]).toEqual([[], 0]);
      }),
      tries(600),
    );
  });
});

describe("a stream that was changed on its way", () => {
  const plans = plan(
    fc.constantFrom("answer", "answer", "answer early", "refuse", "break", "wait"),
    fc.constantFrom(true, true, true, false),
  );

  test("mixes no two requests up, ends each in one way, and leaves nothing held", () => {
    fc.assert(
      fc.property(
        fc.array(plans, { minLength: 1, maxLength: 8 }),
        picks,
        cuts,
        mutations,
        (each, order, at, changes) => {
          const records = mutate(interleave(each, order), changes, [...IDS, 0, 77]);
          const conductOf = (_request: FrontRequest, nth: number) => each[nth]?.conduct ?? "answer";
          const result = serve(chunksOf(records, at), conductOf);
          const read = readRecords(Buffer.concat(records)).records;
          expect(result.served.flatMap((served) => problemsOf(served, read))).toEqual([]);
          for (const id of [...IDS, 77]) {
            const begun = read.filter((record) => record.type === FCGI_BEGIN_REQUEST && record.id === id);
            expect(answersTo(id, result.sent).ends).toBeLessThanOrEqual(begun.length);
          }
          expect([result.bugs, result.heldBytes, result.isClosed]).toEqual([[], 0, true]);
        },
      ),
      tries(1500),
    );
  });

  test("is understood the same wherever it is cut", () => {
    fc.assert(
      fc.property(
        fc.array(plans, { minLength: 1, maxLength: 8 }),
        picks,
        cuts,
        mutations,
        (each, order, at, changes) => {
          const records = mutate(interleave(each, order), changes, [...IDS, 0, 77]);
          const understood = (chunks: readonly Uint8Array[]) => {
            const { served, sent } = serve(chunks, () => "answer");
            const answered = served.filter(({ ends }) => ends[0] === "answered");
            return [
              answered.map(({ id, params, body }) => [id, params, latin1(Buffer.concat(body))]),
              latin1(sent),
            ];
          };
          const bytes = Buffer.concat(records);
          const whole = understood([Uint8Array.from(bytes)]);
          expect(understood(cutUp(records, at))).toEqual(whole);
          expect(understood(chunksOf(records, []))).toEqual(whole);
          if (bytes.length < 1500)
            expect(understood([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(whole);
        },
      ),
      tries(500),
    );
  });
});
