import { describe, expect, test } from "bun:test";
import { FpmError } from "../../src/base/errors.ts";
import { Decoder } from "../../src/fcgi/decoder.ts";
import { encodeHead, encodeRecord, encodeStream } from "../../src/fcgi/encoder.ts";
import { encodeParams, latin1 } from "../../src/fcgi/params.ts";
import {
  FCGI_ABORT_REQUEST,
  FCGI_BEGIN_REQUEST,
  FCGI_DATA,
  FCGI_PARAMS,
  FCGI_STDIN,
} from "../../src/fcgi/protocol.ts";
import { Intake, type IntakeOwner } from "../../src/front/intake.ts";
import { type FrontRequest, MAX_HEAD_BYTES, MAX_HELD_BYTES } from "../../src/front/request.ts";

/** A connection that writes down what its requests do. */
function connection() {
  const log: string[] = [];
  const ready: FrontRequest[] = [];
  let sent = "";
  const owner: IntakeOwner = {
    onBegin: () => void log.push("begin"),
    onBeginRefused: (id, { code }) => void log.push(`refused ${id}: ${code}`),
    onManagement: (type) => void log.push(`management ${type}`),
    onMalformed: (problem) => void log.push(`malformed: ${problem}`),
    send(chunk, start, end) {
      sent += latin1(chunk.subarray(start, end));
      return false;
    },
    onReady(request) {
      log.push("ready");
      ready.push(request);
    },
    onEnded(request) {
      log.push("ended");
      intake.remove(request);
    },
    onDraining: () => void log.push("draining"),
    onRejected: (code) => void log.push(`rejected ${code}`),
    onOverrun: () => void log.push("overrun"),
    onTruncated: () => void log.push("truncated"),
    pause: () => void log.push("pause"),
    resume: () => void log.push("resume"),
  };
  const intake: Intake = new Intake(owner);
  return { intake, log, ready, sent: () => sent, notes: () => log.filter((note) => note !== "resume") };
}

const head = (params: Record<string, string> = {}, id = 1, role = 1) =>
  encodeHead(id, role, true, encodeParams(Object.entries(params)));
const begin = (id: number) => encodeRecord(FCGI_BEGIN_REQUEST, id, Uint8Array.of(0, 1, 1, 0, 0, 0, 0, 0));
const stdin = (bytes: number, end: boolean, id = 1) =>
  encodeStream(FCGI_STDIN, id, new Uint8Array(bytes), end);
const ofLength = (length: number) => head({ CONTENT_LENGTH: String(length) });

describe("a request is ready", () => {
  test("when its small body is complete, not before", () => {
    const { intake, notes } = connection();
    intake.push(ofLength(MAX_HELD_BYTES));
    intake.push(stdin(MAX_HELD_BYTES, false));
    expect(notes()).toEqual(["begin"]);
    intake.push(stdin(0, true));
    expect(notes().at(-1)).toBe("ready");
  });

  test("when a body one byte larger has begun", () => {
    const { intake, notes } = connection();
    intake.push(ofLength(MAX_HELD_BYTES + 1));
    expect(notes()).toEqual(["begin"]);
    intake.push(stdin(1, false));
    expect(notes().at(-1)).toBe("ready");
  });

  test("when a body of unknown length has begun", () => {
    const { intake, notes } = connection();
    intake.push(head({ CONTENT_LENGTH: "-1" }));
    intake.push(stdin(1, false));
    expect(notes().at(-1)).toBe("ready");
  });

  test("when far more comes than was announced", () => {
    const { intake, notes } = connection();
    intake.push(ofLength(10));
    intake.push(stdin(MAX_HELD_BYTES, false));
    expect(notes()).not.toContain("ready");
    intake.push(stdin(MAX_HELD_BYTES, false));
    expect(notes()).toContain("ready");
  });

  test("as an Authorizer with its head", () => {
    const { intake, notes, ready } = connection();
    intake.push(head({}, 1, 2));
    expect(notes().at(-1)).toBe("ready");
    expect(ready[0]?.isBodyComplete).toBe(true);
    expect(ready[0]?.isInputDone).toBe(false);
  });
});

describe("a request that waits for a process", () => {
  test("stops its client when more than 128 KiB of records are held, and keeps them all", () => {
    const { intake, ready, log } = connection();
    intake.push(ofLength(10_000_000));
    intake.push(stdin(1, false));
    intake.push(stdin(MAX_HELD_BYTES, false));
    expect(log).not.toContain("pause");
    intake.push(stdin(MAX_HELD_BYTES, false));
    expect(log).toContain("pause");
    expect(ready[0]?.isHeld).toBe(true);
    expect(ready[0]?.body.bytes).toBeGreaterThan(2 * MAX_HELD_BYTES);
  });

  test("tells when its client leaves, once", () => {
    const { intake, ready } = connection();
    intake.push(head());
    intake.push(stdin(0, true));
    let left = 0;
    ready[0]?.whenLeft(() => void left++);
    ready[0]?.lose();
    ready[0]?.lose();
    expect([left, ready[0]?.isGone]).toEqual([1, true]);
  });
});

describe("in time", () => {
  const times = { headTimeoutMs: 1000, bodyTimeoutMs: 1000 };
  const lookAt = (intake: Intake, ...moments: number[]) => {
    for (const now of moments) for (const request of intake.requests) request.checkOverdue(now, times);
  };

  test("a body that must be complete first may stand still for the time limit, not longer; each byte begins it anew", () => {
    const { intake, sent } = connection();
    intake.push(ofLength(10));
    lookAt(intake, 0, 999);
    intake.push(stdin(1, false));
    lookAt(intake, 1500, 2499);
    expect(sent()).toBe("");
    lookAt(intake, 2500);
    expect(sent()).toContain("Status: 408");
  });

  test("a head must be complete, whatever else comes on its connection", () => {
    const { intake, sent, notes } = connection();
    intake.push(begin(7));
    lookAt(intake, 0);
    for (let id = 1; id <= 6; id++) {
      intake.push(head({}, id));
      intake.push(encodeRecord(FCGI_PARAMS, 7, new Uint8Array(10)));
      lookAt(intake, 166 * id);
    }
    expect(sent()).toBe("");
    lookAt(intake, 1000);
    expect(notes().filter((note) => note.startsWith("rejected"))).toEqual(["rejected HEAD_TIMEOUT"]);
    expect(sent()).toContain("Status: 408");
  });

  test("the rest of a body that nobody wants must end, half a minute after the answer", () => {
    const { intake, ready, log } = connection();
    intake.push(ofLength(1_000_000));
    intake.push(stdin(1000, false));
    ready[0]?.complete();
    lookAt(intake, 0);
    intake.push(stdin(1000, false));
    lookAt(intake, 29_999);
    expect(log).not.toContain("overrun");
    lookAt(intake, 30_000);
    expect(log).toContain("overrun");
  });

  test("a request has no limit once it can be worked on, and the next one with its id has limits of its own", () => {
    const { intake, ready, log, sent } = connection();
    intake.push(ofLength(1_000_000));
    intake.push(stdin(1000, false));
    ready[0]?.complete();
    lookAt(intake, 0);
    intake.push(head());
    intake.push(stdin(0, true));
    lookAt(intake, 30_000, 60_000, 90_000);
    expect([log.includes("overrun"), sent()]).toEqual([false, ""]);
  });
});

describe("an answered request", () => {
  test("whose body goes on is drained until STDIN ends", () => {
    const { intake, ready, notes } = connection();
    intake.push(ofLength(1_000_000));
    intake.push(stdin(1000, false));
    ready[0]?.complete();
    expect(notes().at(-1)).toBe("draining");
    intake.push(stdin(1000, false));
    intake.push(stdin(0, true));
    expect(notes().at(-1)).toBe("ended");
    expect(intake.isIdle).toBe(true);
  });

  test("may be followed by the next one with the same id, over a body that was given up", () => {
    const { intake, ready } = connection();
    intake.push(ofLength(1_000_000));
    intake.push(stdin(1000, false));
    ready[0]?.complete();
    intake.push(head());
    expect([ready[0]?.isGone, intake.size]).toEqual([true, 1]);
    intake.push(stdin(0, true));
    expect(ready.length).toBe(2);
  });

  test("is over when the client aborts it in the middle of its body", () => {
    const { intake, ready, notes, sent } = connection();
    intake.push(ofLength(1_000_000));
    intake.push(stdin(1000, false));
    ready[0]?.complete();
    intake.push(encodeRecord(FCGI_ABORT_REQUEST, 1, new Uint8Array(0)));
    expect([notes().at(-1), intake.size, sent()]).toEqual(["ended", 0, ""]);
  });

  test("can be neither refused nor answered again", () => {
    const { intake, ready, sent } = connection();
    intake.push(head());
    intake.push(stdin(0, true));
    ready[0]?.complete();
    ready[0]?.refuse(new FpmError("QUEUE_FULL", "daemon", "x"));
    ready[0]?.respond(Uint8Array.of(1), 0, 1);
    expect(sent()).toBe("");
  });
});

describe("a head", () => {
  test("of 256 KiB is taken, one byte more is a 400", () => {
    for (const [over, answer] of [
      [0, ""],
      [1, "Status: 400"],
    ] as const) {
      const { intake, sent, ready } = connection();
      intake.push(begin(1));
      for (let left = MAX_HEAD_BYTES + over; left > 0; left -= 60_000) {
        intake.push(encodeRecord(FCGI_PARAMS, 1, new Uint8Array(Math.min(left, 60_000))));
      }
      expect(sent()).toContain(answer);
      expect(ready.length).toBe(0);
    }
  });

  test("that is malformed is a 400, and the connection goes on", () => {
    const { intake, sent, ready } = connection();
    intake.push(begin(1));
    intake.push(encodeStream(FCGI_PARAMS, 1, Uint8Array.of(200), true));
    expect(sent()).toContain("Status: 400 Bad Request");
    intake.push(stdin(0, true));
    intake.push(head());
    intake.push(stdin(0, true));
    expect(ready.length).toBe(1);
  });

  test("with an unknown role is answered with UNKNOWN_ROLE", () => {
    const { intake, sent } = connection();
    intake.push(head({}, 1, 4));
    expect(sent()).toContain("Unknown FastCGI role");
    expect(sent().charCodeAt(sent().length - 4)).toBe(3);
  });
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
    const { intake, log } = connection();
    for (const chunk of chunks) intake.push(chunk);
    expect(log.at(-1)).toStartWith(`malformed: ${problem}`);
  });

  test("STDIN and ABORT for a request that is over are ignored", () => {
    const { intake, log } = connection();
    intake.push(stdin(5, true, 9));
    intake.push(encodeRecord(FCGI_ABORT_REQUEST, 9, new Uint8Array(0)));
    expect(log).toEqual([]);
  });

  test("more than 256 requests at once on one connection are refused, and nothing of them is kept", () => {
    const { intake, notes, ready } = connection();
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
    const { intake, notes, ready } = connection();
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

describe("what comes after the end of a stream", () => {
  /** The types of the records that a program would get of such a body. */
  function forwarded(role: number, ...records: Uint8Array[]) {
    const { intake, ready } = connection();
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
    ready[0]?.body.visit((piece) => decoder.push(piece));
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
