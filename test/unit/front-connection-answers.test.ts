import { describe, expect, test } from "bun:test";
import { encodeRecord } from "../../src/fcgi/encoder.ts";
import { latin1 } from "../../src/fcgi/params.ts";
import { FCGI_GET_VALUES } from "../../src/fcgi/protocol.ts";
import {
  answer,
  BODY_TIMEOUT_MS,
  bodyOf,
  getOf,
  listenTo,
  openConnection,
  respond,
  uploadOf,
} from "../support/connection-world.ts";

const KIB = 1024;

describe("a web server that is slow to take its answers", () => {
  test("is told so to who answers when more than 256 KiB wait, and when it has taken all", () => {
    using world = openConnection();
    world.push(getOf());
    const heard = listenTo(world.request(1));
    world.socket.room = 0;
    expect([respond(world.request(1), 60_000), respond(world.request(1), 60_000)]).toEqual([false, false]);
    for (let i = 0; i < 3; i++) respond(world.request(1), 60_000);
    expect(world.request(1).forwardStderr(Uint8Array.of(1), 0, 1)).toBe(true);
    world.socket.room = 100_000;
    world.connection.onDrain();
    expect(heard).toEqual([]);
    world.socket.room = 1e9;
    world.connection.onDrain();
    expect(heard).toEqual(["drain"]);
  });

  test("is not read from while answers to what it asks pile up", () => {
    using world = openConnection();
    const question = encodeRecord(FCGI_GET_VALUES, 0, Uint8Array.of(14, 0, ...Buffer.from("FCGI_MAX_CONNS")));
    world.socket.room = 0;
    world.push(...Array.from({ length: 8000 }, () => question));
    expect(world.happened()).toEqual([]);
    world.push(...Array.from({ length: 3000 }, () => question));
    expect(world.happened()).toEqual(["pause"]);
    world.socket.room = 1e9;
    world.connection.onDrain();
    expect(world.happened()).toEqual(["resume"]);
  });

  test("is not read from while refusals pile up, nor when it begins another request then", () => {
    for (const begun of [255, 256]) {
      using world = openConnection();
      for (let id = 1; id <= begun; id++) world.push(uploadOf({ id }));
      world.happened();
      world.socket.room = 0;
      world.connection.send(new Uint8Array(300 * KIB), 0, 300 * KIB);
      world.push(getOf({ id: 300 }));
      expect(world.happened()).toEqual(begun === 256 ? ["rejected QUEUE_FULL", "pause"] : ["pause"]);
    }
  });
});

describe("a web server that takes nothing of its answer", () => {
  const STILL = "closed a connection: the web server took no byte of an answer within body_timeout";

  test("loses it after body_timeout, and an eighth of that", () => {
    using world = openConnection();
    world.push(getOf());
    world.socket.room = 0;
    respond(world.request(1), 100);
    world.clock.advance(1.125 * BODY_TIMEOUT_MS - 1);
    expect([world.happened(), world.lines]).toEqual([[], []]);
    world.clock.advance(1);
    expect([world.happened(), world.lines]).toEqual([["end", "closed"], [STILL]]);
  });

  test("keeps it as long as it takes a byte in that time, whatever the kernel tells of it", () => {
    using world = openConnection();
    world.push(getOf());
    world.socket.room = 0;
    world.leaveUnread(100);
    respond(world.request(1), 100);
    for (let i = 0; i < 10; i++) {
      world.clock.advance(BODY_TIMEOUT_MS);
      world.pair.readBack(1);
    }
    expect(world.happened()).toEqual([]);
    world.clock.advance(2 * BODY_TIMEOUT_MS);
    expect(world.happened()).toEqual(["end", "closed"]);
  });

  test("has the time anew when the kernel has taken some, and no limit when that has taken all", () => {
    using world = openConnection();
    world.push(getOf());
    world.socket.room = 0;
    respond(world.request(1), 100);
    for (let i = 0; i < 3; i++) {
      world.clock.advance(BODY_TIMEOUT_MS);
      world.socket.room = 1;
      world.connection.onDrain();
    }
    expect(world.happened()).toEqual([]);
    world.socket.room = 1e9;
    world.connection.onDrain();
    world.clock.advance(10 * BODY_TIMEOUT_MS);
    expect([world.happened(), world.clock.timers]).toEqual([[], 0]);
  });

  test("does not get more of it, nor more time, by what is added meanwhile", () => {
    using world = openConnection();
    world.push(getOf());
    world.socket.room = 0;
    for (let i = 0; i < 9; i++) {
      respond(world.request(1), 100);
      world.clock.advance(BODY_TIMEOUT_MS / 8);
    }
    expect(world.happened()).toEqual(["end", "closed"]);
  });
});

describe("an answer that breaks off", () => {
  const NGINX = { SERVER_SOFTWARE: "nginx/1.22.1" };

  test.each(["nginx/1.22.1", "HAProxy 2.6.12-1+deb12u4"])(
    "for %s ends with a header of version 0, and the connection with that",
    (server) => {
      using world = openConnection();
      world.push(getOf({ params: { SERVER_SOFTWARE: server } }));
      respond(world.request(1), 10);
      const before = world.socket.sent.length;
      world.request(1).truncate();
      expect(world.socket.sent.subarray(before)).toEqual(Buffer.alloc(8));
      expect(world.happened()).toEqual(["end", "closed"]);
    },
  );

  test("for others ends with a header of which the rest never comes, and the connection when that was read", () => {
    for (const params of [{}, { SERVER_SOFTWARE: "Apache/2.4 (nginx)" }]) {
      using world = openConnection();
      world.push(getOf({ params }));
      respond(world.request(1), 10);
      const before = world.socket.sent.length;
      world.leaveUnread(3);
      world.request(1).truncate();
      expect(world.socket.sent.subarray(before)).toEqual(Buffer.of(1));
      world.clock.advance(10_000);
      expect(world.happened()).toEqual([]);
      world.pair.readBack(3);
      world.clock.advance(49);
      expect(world.happened()).toEqual([]);
      world.clock.advance(1);
      expect(world.happened()).toEqual(["end", "closed"]);
    }
  });

  test("has the connection closed when nothing of it is taken for half a minute, and not before", () => {
    using world = openConnection();
    world.push(getOf({ params: NGINX }));
    world.socket.room = 0;
    // Part of it is always taken, so that no other limit holds.
    const take = () => {
      world.socket.room = 1;
      world.connection.onDrain();
    };
    respond(world.request(1), 100);
    world.request(1).truncate();
    for (let seconds = 0; seconds < 25; seconds += 5) {
      world.clock.advance(5000);
      take();
    }
    world.clock.advance(4999);
    expect(world.happened()).toEqual([]);
    world.clock.advance(1);
    expect(world.happened()).toEqual(["end", "closed"]);
  });

  test("is followed by nothing more of its request, and has that end", () => {
    using world = openConnection();
    world.push(uploadOf());
    const heard = listenTo(world.request(1));
    world.request(1).truncate();
    const sent = world.socket.sent.length;
    respond(world.request(1), 10);
    world.push(bodyOf(10, true));
    expect([world.socket.sent.length - sent, heard]).toEqual([0, ["left"]]);
  });

  test("has the others on its connection answered before, in whatever order, and no new ones", () => {
    for (const order of [
      [2, 3],
      [3, 2],
    ]) {
      using world = openConnection();
      world.push(getOf({ id: 1, params: NGINX }), getOf({ id: 2 }), uploadOf({ id: 3 }));
      respond(world.request(1), 10);
      world.request(1).truncate();
      world.push(getOf({ id: 4 }));
      expect(world.happened()).toEqual(["rejected QUEUE_FULL"]);
      expect(latin1(world.socket.sent)).toContain("Status: 503");
      // The rest of a body is not waited for.
      for (const nth of order) {
        expect(world.happened()).toEqual([]);
        answer(world.request(nth));
      }
      expect(world.socket.sent.subarray(-8)).toEqual(Buffer.alloc(8));
      expect(world.happened()).toEqual(["end", "closed"]);
    }
  });

  test("has nothing taken or sent any more on its connection", () => {
    using world = openConnection();
    world.push(getOf());
    world.leaveUnread(1);
    world.request(1).truncate();
    const sent = world.socket.sent.length;
    world.push(getOf({ id: 5 }));
    expect([world.happened(), world.requests.length, world.socket.sent.length]).toEqual([[], 1, sent]);
  });

  test("and a web server that sends no more need not be waited for", () => {
    using world = openConnection();
    world.push(getOf({ id: 1, params: NGINX }), uploadOf({ id: 2 }));
    respond(world.request(1), 10);
    world.request(1).truncate();
    world.connection.onEnd();
    // The header and the content of the record, and what breaks it.
    expect(world.socket.sent.length).toBe(8 + 10 + 8);
    expect(world.happened()).toEqual(["end", "closed"]);
  });
});

describe("an answered request whose body goes on without end", () => {
  const overrun = (world: ReturnType<typeof openConnection>) => {
    answer(world.request(1));
    world.connection.checkOverdue(0);
    for (const moment of [1, 30_001]) world.connection.checkOverdue(moment);
    return world.happened();
  };

  test("ends its connection where it is the only one", () => {
    using world = openConnection();
    world.push(uploadOf());
    expect(overrun(world)).toEqual(["end", "closed"]);
    expect(world.lines).toEqual(["the body of a request that was answered does not end"]);
  });

  test("is dropped where others are at work on it", () => {
    using world = openConnection();
    world.push(uploadOf(), getOf({ id: 2 }));
    expect(overrun(world)).toEqual([]);
    answer(world.request(2));
    world.push(getOf({ id: 1 }));
    expect(world.requests.length).toBe(3);
  });
});
