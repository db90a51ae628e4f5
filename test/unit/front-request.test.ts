import { describe, expect, test } from "bun:test";
import { FpmError } from "../../src/base/errors.ts";
import { encodeRecord, encodeStream } from "../../src/fcgi/encoder.ts";
import { FCGI_ABORT_REQUEST, FCGI_BEGIN_REQUEST, FCGI_PARAMS } from "../../src/fcgi/protocol.ts";
import type { Intake } from "../../src/front/intake.ts";
import { MAX_DRAINED_BYTES, MAX_HEAD_BYTES, SMALL_BODY_BYTES } from "../../src/front/request.ts";
import { begin, head, notingConnection, ofLength, stdin } from "../support/noting-connection.ts";

describe("a request is ready", () => {
  test("when its small body is complete, not before", () => {
    const { intake, notes } = notingConnection();
    intake.push(ofLength(SMALL_BODY_BYTES));
    intake.push(stdin(SMALL_BODY_BYTES, false));
    expect(notes()).toEqual(["begin"]);
    intake.push(stdin(0, true));
    expect(notes().at(-1)).toBe("ready");
  });

  test("when a body one byte larger has begun", () => {
    const { intake, notes } = notingConnection();
    intake.push(ofLength(SMALL_BODY_BYTES + 1));
    expect(notes()).toEqual(["begin"]);
    intake.push(stdin(1, false));
    expect(notes().at(-1)).toBe("ready");
  });

  test("when a body of unknown length has begun", () => {
    const { intake, notes } = notingConnection();
    intake.push(head({ CONTENT_LENGTH: "-1" }));
    intake.push(stdin(1, false));
    expect(notes().at(-1)).toBe("ready");
  });

  test("when far more comes than was announced", () => {
    const { intake, notes } = notingConnection();
    intake.push(ofLength(10));
    intake.push(stdin(SMALL_BODY_BYTES, false));
    expect(notes()).not.toContain("ready");
    intake.push(stdin(SMALL_BODY_BYTES, false));
    expect(notes()).toContain("ready");
  });

  test("with its head where the program is to get the body as it comes", () => {
    const { intake, notes, wereComplete } = notingConnection(true);
    intake.push(ofLength(10));
    expect(notes()).toEqual(["begin", "ready"]);
    expect(wereComplete).toEqual([false]);
  });

  test("as an Authorizer with its head", () => {
    const { intake, notes, ready } = notingConnection();
    intake.push(head({}, 1, 2));
    expect(notes().at(-1)).toBe("ready");
    expect(ready[0]?.isBodyComplete).toBe(true);
    expect(ready[0]?.isInputDone).toBe(false);
  });
});

describe("a request that waits for a process", () => {
  test("stops its client when more than 128 KiB of records are held, and keeps them all", () => {
    const { intake, ready, log } = notingConnection();
    intake.push(ofLength(10_000_000));
    intake.push(stdin(1, false));
    intake.push(stdin(SMALL_BODY_BYTES, false));
    expect(log).not.toContain("pause");
    intake.push(stdin(SMALL_BODY_BYTES, false));
    expect(log).toContain("pause");
    expect(ready[0]?.isHeld).toBe(true);
    expect(ready[0]?.body.bytes).toBeGreaterThan(2 * SMALL_BODY_BYTES);
  });

  test("tells when more of its body comes than may, and leaves the refusal to who asked", () => {
    const { intake, ready, log } = notingConnection();
    intake.push(ofLength(1_000_000));
    intake.push(stdin(1000, false));
    const [request] = ready;
    const told: (string | undefined)[] = [];
    request?.limitBody(1500);
    request?.whenLeft({ onLeft: (error) => void told.push(error?.code) });
    intake.push(stdin(500, false));
    expect(told).toEqual([]);
    intake.push(stdin(1, false));
    expect([told, request?.isGone, request?.isAnswered]).toEqual([["BODY_TOO_LARGE"], false, false]);
    expect(log).not.toContain("send");
  });

  test("is worked on when its body is complete where that comes with its head, whatever length was announced", () => {
    for (const body of [[stdin(0, true)], [stdin(10, false), stdin(0, true)]]) {
      const { intake, wereComplete } = notingConnection();
      intake.push(Buffer.concat([head(), ...body]));
      expect(wereComplete).toEqual([true]);
    }
  });

  test("tells when its client leaves, once", () => {
    const { intake, ready } = notingConnection();
    intake.push(head());
    intake.push(stdin(0, true));
    let left = 0;
    ready[0]?.whenLeft({ onLeft: () => void left++ });
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
    const { intake, sent } = notingConnection();
    intake.push(ofLength(10));
    lookAt(intake, 0, 999);
    intake.push(stdin(1, false));
    lookAt(intake, 1500, 2499);
    expect(sent()).toBe("");
    lookAt(intake, 2500);
    expect(sent()).toContain("Status: 408");
  });

  test("a head must be complete, whatever else comes on its connection", () => {
    const { intake, sent, notes } = notingConnection();
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

  test("one that is refused without a head keeps its connection if that is what it has asked for", () => {
    for (const flags of [0, 1]) {
      const { intake, all } = notingConnection();
      intake.push(encodeRecord(FCGI_BEGIN_REQUEST, 7, Uint8Array.of(0, 1, flags, 0, 0, 0, 0, 0)));
      const [request] = all();
      lookAt(intake, 0, 1000);
      expect([request?.phase, request?.keepConn]).toEqual(["draining", flags === 1]);
    }
  });

  test("the rest of a body that nobody wants must end, half a minute after the answer", () => {
    const { intake, ready, log } = notingConnection();
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
    const { intake, ready, log, sent } = notingConnection();
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
  test("is held no more from the first byte of the answer on: it cannot be sent again", () => {
    const { intake, ready, budget } = notingConnection();
    intake.push(ofLength(1000));
    intake.push(stdin(1000, true));
    const [request] = ready;
    expect([request?.isHeld, request?.isAnswered, budget.heldBytes > 1000]).toEqual([true, false, true]);
    request?.respond(new Uint8Array(8), 0, 8);
    expect([request?.isHeld, request?.isAnswered, request?.body.bytes]).toEqual([false, true, 0]);
  });

  test("has 256 MiB of its body drained at the most, and nothing counts when it is over", () => {
    const { intake, ready, log } = notingConnection();
    intake.push(ofLength(1_000_000));
    intake.push(stdin(1000, false));
    ready[0]?.complete();
    const record = stdin(65_535, false);
    const most = Math.floor(MAX_DRAINED_BYTES / record.length);
    for (let i = 0; i < most; i++) intake.push(record);
    expect(log).not.toContain("overrun");
    intake.push(record);
    expect(log.at(-1)).toBe("overrun");
    ready[0]?.lose();
    const before = log.length;
    ready[0]?.onRaw(record, 0, record.length);
    expect(log.length).toBe(before);
  });

  test("whose body goes on is drained until STDIN ends", () => {
    const { intake, ready, notes } = notingConnection();
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
    const { intake, ready } = notingConnection();
    intake.push(ofLength(1_000_000));
    intake.push(stdin(1000, false));
    ready[0]?.complete();
    intake.push(head());
    expect([ready[0]?.isGone, intake.size]).toEqual([true, 1]);
    intake.push(stdin(0, true));
    expect(ready.length).toBe(2);
  });

  test("is over when the client aborts it in the middle of its body", () => {
    const { intake, ready, notes, sent } = notingConnection();
    intake.push(ofLength(1_000_000));
    intake.push(stdin(1000, false));
    ready[0]?.complete();
    intake.push(encodeRecord(FCGI_ABORT_REQUEST, 1, new Uint8Array(0)));
    expect([notes().at(-1), intake.size, sent()]).toEqual(["ended", 0, ""]);
  });

  test("can be neither refused nor answered again", () => {
    const { intake, ready, sent } = notingConnection();
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
      const { intake, sent, ready } = notingConnection();
      intake.push(begin(1));
      for (let left = MAX_HEAD_BYTES + over; left > 0; left -= 60_000) {
        intake.push(encodeRecord(FCGI_PARAMS, 1, new Uint8Array(Math.min(left, 60_000))));
      }
      if (answer === "") expect(sent()).toBe("");
      else expect(sent()).toContain(answer);
      expect(ready.length).toBe(0);
    }
  });

  test("that is malformed is a 400, and the connection goes on", () => {
    const { intake, sent, ready } = notingConnection();
    intake.push(begin(1));
    intake.push(encodeStream(FCGI_PARAMS, 1, Uint8Array.of(200), true));
    expect(sent()).toContain("Status: 400 Bad Request");
    intake.push(stdin(0, true));
    intake.push(head());
    intake.push(stdin(0, true));
    expect(ready.length).toBe(1);
  });

  test("with an unknown role is answered with UNKNOWN_ROLE", () => {
    const { intake, sent } = notingConnection();
    intake.push(head({}, 1, 4));
    expect(sent()).toContain("Unknown FastCGI role");
    expect(sent().charCodeAt(sent().length - 4)).toBe(3);
  });
});
