import { describe, expect, test } from "bun:test";
import { ByteBudget } from "../../src/base/byte-budget.ts";
import { LimitedLog } from "../../src/base/limited-log.ts";
import type { Log } from "../../src/base/log.ts";
import { latin1 } from "../../src/fcgi/params.ts";
import { Admission } from "../../src/front/admission.ts";
import type { FrontSocket } from "../../src/front/connection.ts";
import { Connections, type FrontLimits } from "../../src/front/connections.ts";
import type { FrontRequest } from "../../src/front/request.ts";
import { answer, bodyOf, getOf, headOf, uploadOf } from "../support/connection-world.ts";
import { FakeClock } from "../support/fake-clock.ts";

const LIMITS: FrontLimits = {
  maxConnections: 17,
  descriptors: 1e6,
  headTimeoutMs: 2000,
  bodyTimeoutMs: 8000,
  admission: new Admission([], []),
};

/** Connections over sockets that take everything, and note what is done with them. */
function world(changes: Partial<FrontLimits> = {}, bufferLimit = 1e9) {
  const clock = new FakeClock();
  const lines: string[] = [];
  const line = (message: string, fields: unknown) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const log: Log = { isDebug: false, debug: line, info: line, warn: line, error: line };
  const requests: FrontRequest[] = [];
  const notes: string[] = [];
  const buffers = new ByteBudget(bufferLimit);
  const connections = new Connections(
    { ...LIMITS, ...changes },
    {
      ...{ clock, log, buffers },
      clientLog: new LimitedLog(clock, log),
      onRejected: (code) => void notes.push(`rejected ${code}`),
      onDismissed: (_request, { kind }) => void notes.push(`dismissed: ${kind}`),
      isStreamed: () => false,
      onRequest: (request) => void requests.push(request),
    },
    { openGate: () => true, closeGate: () => void notes.push("gate closed") },
  );
  const come = (isUnix = true, remoteAddress = "") => {
    const did: string[] = [];
    const socket = {
      data: undefined as FrontSocket["data"] | undefined,
      ...{ fd: -1, remoteAddress, sent: "" },
      write(bytes: Uint8Array) {
        this.sent += latin1(bytes);
        return bytes.length;
      },
      pause: () => void did.push("pause"),
      resume: () => void did.push("resume"),
      shutdown: () => void did.push("shutdown"),
      end: () => void did.push("end"),
      setKeepAlive: (isOn: boolean, afterMs: number) => void did.push(`keep alive ${isOn} ${afterMs}`),
    };
    connections.open(socket as unknown as FrontSocket, isUnix);
    const push = (...bytes: Uint8Array[]) => socket.data?.onData(Buffer.concat(bytes));
    return { did, push, sent: () => socket.sent };
  };
  return { clock, lines, requests, notes, buffers, connections, come };
}

describe("a connection that comes", () => {
  test("over TCP has its machine asked from time to time whether it is still there", () => {
    const { come } = world();
    expect([come(false).did, come(true).did]).toEqual([["keep alive true 60000"], []]);
  });

  test("is counted, and closed at once when std-fpm ends, be it that it waits", () => {
    const { come, clock, connections } = world({ maxConnections: 1 });
    const [one, two] = [come(), come()];
    expect(connections.size).toBe(2);
    connections.abandon();
    expect([one.did, two.did.at(-1), connections.size, clock.timers]).toEqual([["end"], "end", 0, 0]);
  });

  test("from somebody who may not is closed, counts for nothing, and is told of once in a while", () => {
    const { come, lines, connections } = world({ admission: new Admission(["10.0.0.1"], []) });
    expect([come(false, "10.0.0.2").did, come(false, "10.0.0.3").did]).toEqual([["end"], ["end"]]);
    expect([connections.size, lines]).toEqual([
      0,
      ['refused a connection: 10.0.0.2 is not in allowed_clients {"code":"NOT_ALLOWED","times":1}'],
    ]);
    expect(come(false, "10.0.0.1").did).not.toContain("end");
  });

  test("above the limit waits until another one has gone", () => {
    const { come, connections } = world({ maxConnections: 1 });
    const first = come();
    const second = come();
    expect([second.did, connections.places.waiting]).toEqual([["pause"], 1]);
    first.push(Buffer.from("nonsense"));
    expect([first.did, second.did, connections.places.waiting]).toEqual([["end"], ["pause", "resume"], 0]);
  });

  test("is let in by a higher limit", () => {
    const { come, connections } = world({ maxConnections: 1 });
    come();
    const second = come();
    connections.limit({ ...LIMITS, maxConnections: 2 });
    expect([second.did, connections.places.limit]).toEqual([["pause", "resume"], 2]);
  });
});

describe("the one idle connection gives way", () => {
  test("however many are at work", () => {
    const { come, clock } = world();
    for (let busy = 0; busy < 16; busy++) come().push(getOf());
    const idle = come();
    clock.advance(1000);
    const next = come();
    expect([idle.did, next.did]).toEqual([["end"], ["pause", "resume"]]);
  });

  test("however many have had their answer and are about to close", () => {
    const { come, clock, requests } = world();
    for (let old = 0; old < 16; old++) {
      come().push(uploadOf({ keepConn: false }));
      answer(requests[old] as FrontRequest);
    }
    const idle = come();
    clock.advance(1000);
    const next = come();
    expect([idle.did, next.did]).toEqual([["end"], ["pause", "resume"]]);
  });
});

describe("what is overdue", () => {
  test("is looked for often enough for the shortest time limit", () => {
    for (const [changes, atMs] of [
      [{ headTimeoutMs: 400 }, 500],
      [{ bodyTimeoutMs: 400, headTimeoutMs: 1000 }, 1100],
      [{ headTimeoutMs: 8000 }, 9000],
    ] as const) {
      const { come, clock } = world(changes);
      const { did } = come();
      clock.advance(atMs - 1);
      expect(did).toEqual([]);
      clock.advance(1);
      expect(did).toEqual(["shutdown"]);
    }
  });

  test("is looked for by other limits when these are set, for those who are there already", () => {
    const { come, clock, connections } = world({ headTimeoutMs: 100_000 });
    const { did } = come();
    connections.limit({ ...LIMITS, headTimeoutMs: 400 });
    expect(clock.timers).toBe(1);
    clock.advance(500);
    expect(did).toEqual(["shutdown"]);
  });

  test("is not held against a client when it was std-fpm that did not run", () => {
    const { come, clock } = world();
    const { did } = come();
    clock.advance(2400);
    clock.sleep(5000);
    expect(did).toEqual([]);
    clock.advance(500);
    expect(did).toEqual(["shutdown"]);
  });

  test("is the room for descriptors, too", () => {
    const { notes, clock } = world({ descriptors: 0 });
    clock.advance(500);
    expect(notes).toEqual(["gate closed"]);
  });
});

describe("a connection that is to end", () => {
  test("is ended with all others that are idle", () => {
    const { come, connections } = world();
    const [idle, busy] = [come(), come()];
    busy.push(getOf());
    connections.retire(0);
    expect([idle.did, busy.did]).toEqual([["shutdown"], []]);
  });
});

describe("where too much is held", () => {
  test("by all, it is told with the limit, once in a while", () => {
    const { come, buffers, lines, notes } = world({}, 1000);
    buffers.hold(2000);
    const { push, sent } = come();
    push(getOf(), getOf({ id: 2 }));
    expect(notes).toEqual(["dismissed: refused", "dismissed: refused"]);
    expect(lines.length).toBe(1);
    expect(lines[0]).toStartWith("buffer_limit reached: requests are refused ");
    expect(lines[0]).toContain('"buffer_limit":1000,"times":1');
    expect(sent()).toContain("Too much is waiting.");
  });

  test("on one connection, it is told of that", () => {
    const { come, lines } = world();
    const { push } = come();
    for (let id = 1; id <= 140; id++) {
      push(headOf({ id, params: { CONTENT_LENGTH: "60000" } }), bodyOf(60_000, false, id));
    }
    expect(lines).toEqual([
      'Requests on one connection hold more than 8 MiB before their programs are asked for. {"code":"BUFFER_FULL"}',
    ]);
  });
});
