import { describe, expect, test } from "bun:test";
import { encodeEndRequest, encodeRecord } from "../../src/fcgi/encoder.ts";
import { latin1 } from "../../src/fcgi/params.ts";
import { FCGI_ABORT_REQUEST, FCGI_BEGIN_REQUEST, FCGI_PARAMS } from "../../src/fcgi/protocol.ts";
import { type FrontRequest, MAX_DRAINED_BYTES, MAX_HEAD_BYTES } from "../../src/front/request.ts";
import { begin, head, notingConnection, ofLength, stdin } from "../support/noting-connection.ts";

const KIB = 1024;
/** What may be held of a body, with the headers of its records. */
const MOST_HELD = 128 * KIB;

/** A request with a body that goes on, of which so many bytes of records have come. */
function uploading(bytes: number) {
  const connection = notingConnection();
  connection.intake.push(ofLength(10_000_000));
  const come = (more: number) => {
    for (let left = more; left > 0; left -= 32 * KIB) {
      connection.intake.push(stdin(Math.min(left, 32 * KIB) - 8, false));
    }
  };
  come(bytes);
  return { ...connection, come, request: connection.ready[0] as FrontRequest };
}

/** Who works on it, and notes what it hears. */
function listenTo(request: FrontRequest, mayBeUnseen = false) {
  const heard: string[] = [];
  request.listen({
    onBody: (_chunk, start, end) => void heard.push(`body ${end - start}`),
    onBodyEnd: () => void heard.push("end"),
    onClientDrain: () => void heard.push("drain"),
    onClientLeft: () => void heard.push("left"),
    onBodyFailed: ({ code }) => void heard.push(`failed ${code}`),
    mayBeUnseen,
  });
  return heard;
}

describe("a body for a program that works on its request", () => {
  test("is passed on as it comes, to the middle of a record, and then its end", () => {
    const { intake, request } = uploading(100);
    const heard = listenTo(request);
    const record = stdin(1000, false);
    intake.push(record.subarray(0, 300));
    expect(heard).toEqual(["body 300"]);
    intake.push(record.subarray(300));
    intake.push(stdin(0, true));
    expect(heard).toEqual(["body 300", `body ${record.length - 300}`, "body 8", "end"]);
  });

  test("is kept as far as 128 KiB, and then let go, unless the program may not have seen it", () => {
    for (const mayBeUnseen of [true, false]) {
      const { request, come } = uploading(MOST_HELD - 100);
      listenTo(request, mayBeUnseen);
      come(100);
      expect([request.isHeld, request.body.bytes]).toEqual([true, MOST_HELD]);
      come(100);
      expect([request.isHeld, request.body.bytes]).toEqual(
        mayBeUnseen ? [true, MOST_HELD + 100] : [false, 0],
      );
    }
  });

  test("that is larger than it may be is for the program's side to refuse", () => {
    const { request, come, sent } = uploading(1008);
    const heard = listenTo(request);
    request.limitBody(1500);
    come(508);
    expect(heard).toEqual(["body 508"]);
    come(9);
    expect([heard[1], sent()]).toEqual(["failed BODY_TOO_LARGE", ""]);
  });

  test("that is larger than it may be is refused where nobody has begun with it", () => {
    const { request, come, sent } = uploading(1008);
    request.limitBody(1000);
    come(9);
    expect(sent()).toContain("Status: 413");
  });

  test("is read on with when somebody takes it, when it is wanted again, and when the request is over", () => {
    const { request, log } = uploading(100);
    const resumed = (act: () => void) => {
      log.length = 0;
      act();
      return log.includes("resume");
    };
    expect(resumed(() => request.listen(undefined))).toBe(false);
    expect(resumed(() => listenTo(request))).toBe(true);
    expect(resumed(() => request.pauseBody())).toBe(false);
    expect(resumed(() => request.resumeBody())).toBe(true);
    expect(resumed(() => request.complete())).toBe(true);
  });
});

describe("a body that nobody takes yet", () => {
  test("is not read beyond 128 KiB of records", () => {
    const { log, come } = uploading(MOST_HELD);
    expect(log).not.toContain("pause");
    come(100);
    expect(log).toContain("pause");
  });

  test("and of which too little was announced is worked on beyond 128 KiB", () => {
    const { intake, ready } = notingConnection();
    intake.push(ofLength(10));
    for (let i = 0; i < 4; i++) intake.push(stdin(32 * KIB - 8, false));
    expect(ready.length).toBe(0);
    intake.push(stdin(1, false));
    expect(ready.length).toBe(1);
  });

  test("and nobody will is drained as far as 256 MiB, however its records lie in what comes", () => {
    const { request, log } = uploading(100);
    request.complete();
    const chunk = new Uint8Array(KIB * KIB + 100);
    for (let i = 0; i < MAX_DRAINED_BYTES / KIB / KIB; i++) request.onRaw(chunk, 100, chunk.length);
    expect(log).not.toContain("overrun");
    request.onRaw(chunk, 0, 1);
    expect(log).toContain("overrun");
  });
});

describe("a request that is aborted", () => {
  const abort = encodeRecord(FCGI_ABORT_REQUEST, 1, new Uint8Array(0));
  const END = latin1(encodeEndRequest(1, 0, 0));

  test("ends with END_REQUEST, and the program's side hears of it", () => {
    const { intake, request, notes, sent } = uploading(100);
    const heard = listenTo(request);
    intake.push(abort);
    expect([heard, sent(), notes().slice(-2)]).toEqual([["left"], END, ["ready", "ended"]]);
    expect([request.isGone, request.respond(Uint8Array.of(1), 0, 1)]).toEqual([true, false]);
    expect([request.forwardStderr(Uint8Array.of(1), 0, 1), sent()]).toEqual([false, END]);
  });

  test("before it can be worked on counts as one whose client has left", () => {
    const { intake, notes, sent } = notingConnection();
    intake.push(ofLength(10));
    intake.push(abort);
    expect([notes(), sent()]).toEqual([["begin", "dismissed: client-left", "ended"], END]);
  });

  test("before its head has come counts for nothing", () => {
    const { intake, notes, sent } = notingConnection();
    intake.push(begin(1));
    intake.push(abort);
    expect([notes(), sent()]).toEqual([["begin", "ended"], END]);
  });
});

test("a request whose head is too large keeps its connection, also where all of it comes at once", () => {
  const { intake, all } = notingConnection();
  const records = [encodeRecord(FCGI_BEGIN_REQUEST, 1, Uint8Array.of(0, 1, 1, 0, 0, 0, 0, 0))];
  for (let bytes = 0; bytes <= MAX_HEAD_BYTES; bytes += 64_000) {
    records.push(encodeRecord(FCGI_PARAMS, 1, new Uint8Array(64_000)));
  }
  intake.push(Buffer.concat(records));
  const [request] = all();
  expect([request?.phase, request?.keepConn]).toEqual(["draining", true]);
});

test("error output reaches the web server as it is, and is no answer", () => {
  const { intake, ready, sent } = notingConnection();
  intake.push(head());
  intake.push(stdin(0, true));
  expect(ready[0]?.forwardStderr(Uint8Array.of(1, 2, 3), 1, 3)).toBe(false);
  expect([sent(), ready[0]?.isAnswered]).toEqual(["\x02\x03", false]);
});
