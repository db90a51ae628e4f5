import { describe, expect, test } from "bun:test";
import { encodeRecord } from "../../src/fcgi/encoder.ts";
import { latin1 } from "../../src/fcgi/params.ts";
import { FCGI_BEGIN_REQUEST, FCGI_GET_VALUES } from "../../src/fcgi/protocol.ts";
import {
  answer,
  bodyOf,
  connectionWorld,
  getOf,
  HEAD_TIMEOUT_MS,
  headOf,
  listenTo,
  openConnection,
  uploadOf,
} from "../support/connection-world.ts";

const MIB = 1024 * 1024;

describe("a connection that waits for a place", () => {
  test("is not read from until it has one", () => {
    using world = connectionWorld({ maxConnections: 1 });
    const other = { previous: undefined, next: undefined, admit() {}, wait() {}, giveWay: () => false };
    world.places.enter(other, 10);
    world.enter();
    expect(world.happened()).toEqual(["pause"]);
    world.places.leave(other);
    expect(world.happened()).toEqual(["resume"]);
    world.push(getOf());
    expect(world.requests.length).toBe(1);
  });

  test("has its first request awaited from then on", () => {
    using world = connectionWorld({ maxConnections: 0 });
    world.enter();
    world.clock.advance(10_000);
    world.places.use({ maxConnections: 1, descriptors: 1e6 });
    world.connection.retire(500);
    expect(world.happened()).toEqual(["pause", "resume"]);
  });

  test("with a place at once is read from all the time", () => {
    using world = openConnection();
    expect(world.happened()).toEqual([]);
  });
});

describe("after its last request a connection", () => {
  test("that the web server keeps stays open", () => {
    using world = openConnection();
    world.push(getOf());
    answer(world.request(1));
    expect(world.happened()).toEqual([]);
    world.push(getOf());
    expect(world.requests.length).toBe(2);
  });

  test("is closed at once where nothing is left to be read", () => {
    using world = openConnection();
    world.push(getOf({ keepConn: false }));
    answer(world.request(1));
    expect(world.happened()).toEqual(["end", "closed"]);
  });

  test("takes no other one that has come together with that", () => {
    using world = openConnection({ isPrompt: true });
    world.push(getOf({ keepConn: false }), getOf({ id: 2 }));
    expect([world.requests.length, world.happened()]).toEqual([1, ["end", "closed"]]);
  });

  test("goes on where another request is at work", () => {
    using world = openConnection();
    world.push(getOf({ keepConn: false }), getOf({ id: 2 }));
    answer(world.request(1));
    expect(world.happened()).toEqual([]);
  });

  test("has our side shut down where the body goes on, and is closed when the client has closed", () => {
    using world = openConnection();
    world.push(uploadOf({ keepConn: false }));
    answer(world.request(1));
    expect(world.happened()).toEqual(["shutdown"]);
    world.push(bodyOf(1000, true));
    expect(world.happened()).toEqual([]);
    world.connection.onEnd();
    expect(world.happened()).toEqual(["end", "closed"]);
  });

  test("has our side shut down when the client has taken all", () => {
    using world = openConnection();
    world.socket.room = 10;
    world.push(uploadOf({ keepConn: false }));
    answer(world.request(1), 100);
    expect(world.happened()).toEqual([]);
    world.socket.room = 1000;
    world.connection.onDrain();
    expect(world.happened()).toEqual(["shutdown"]);
    expect(world.socket.sent.length).toBe(8 + 100 + 16);
  });

  test("is closed when its client has not closed it in half a minute, or has sent more than 256 MiB", () => {
    for (const isLate of [true, false]) {
      using world = openConnection();
      world.push(uploadOf({ keepConn: false }));
      answer(world.request(1));
      world.happened();
      const piece = new Uint8Array(MIB);
      for (let i = 0; i < 256; i++) world.connection.onData(piece);
      world.clock.advance(29_999);
      expect(world.happened()).toEqual([]);
      if (isLate) world.clock.advance(1);
      else world.push(Uint8Array.of(1));
      expect(world.happened()).toEqual(["end", "closed"]);
    }
  });

  test("is closed at once where the web server has shut its side down", () => {
    using world = openConnection();
    world.push(getOf());
    world.connection.onEnd();
    expect(world.happened()).toEqual([]);
    answer(world.request(1));
    expect(world.happened()).toEqual(["end", "closed"]);
  });
});

describe("a web server that sends no more", () => {
  test("loses the requests whose bodies are not complete, and is answered the others", () => {
    using world = openConnection();
    world.push(uploadOf({ id: 1 }), getOf({ id: 2 }), headOf({ id: 3 }));
    const heard = [1, 2].map((nth) => listenTo(world.request(nth)));
    world.connection.onEnd();
    expect([...heard, world.happened()]).toEqual([["left"], [], ["3 dismissed: client-left"]]);
    answer(world.request(2));
    expect(world.happened()).toEqual(["end", "closed"]);
  });

  test("on an idle connection ends that", () => {
    using world = openConnection();
    world.connection.onEnd();
    expect(world.happened()).toEqual(["end", "closed"]);
  });
});

describe("a connection that is closed", () => {
  test("has all its requests lose their client, once, and holds nothing more", () => {
    using world = openConnection();
    world.push(uploadOf({ id: 1 }), getOf({ id: 2 }), headOf({ id: 3 }));
    const heard = [1, 2].map((nth) => listenTo(world.request(nth)));
    world.socket.room = 0;
    answer(world.request(1));
    world.connection.pause(world.request(2));
    world.connection.close();
    world.connection.close();
    const happened = world.happened().filter((note) => note !== "pause" && note !== "resume");
    expect(happened).toEqual(["3 dismissed: client-left", "end", "closed"]);
    expect(heard).toEqual([[], ["left"]]);
    expect([world.buffers.heldBytes, world.clock.timers]).toEqual([0, 0]);
  });

  test("ends also when one of its requests cannot be told", () => {
    using world = openConnection();
    world.push(uploadOf({ id: 1 }), getOf({ id: 2 }));
    const broken = world.request(1);
    listenTo(broken);
    broken.whenLeft({
      onLeft() {
        throw new Error("oops");
      },
    });
    const heard = listenTo(world.request(2));
    world.connection.close();
    expect([heard, world.happened()]).toEqual([["left"], ["end", "closed"]]);
    expect(world.lines).toEqual(["a bug in std-fpm: oops"]);
  });

  test("takes nothing more of an answer", () => {
    using world = openConnection();
    world.connection.close();
    expect(world.connection.send(new Uint8Array(1e6), 0, 1e6)).toBe(false);
    expect([world.socket.sent.length, world.buffers.heldBytes]).toEqual([0, 0]);
  });

  test("after an exception of ours says so", () => {
    using world = openConnection();
    world.connection.onBug(new Error("oops"));
    expect([world.lines, world.happened()]).toEqual([["a bug in std-fpm: oops"], ["end", "closed"]]);
  });

  test("after something that is not FastCGI counts and says so, and is read no more", () => {
    using world = openConnection();
    world.push(Buffer.from("GET / HTTP/1.0\r\n\r\n"));
    expect(world.happened()).toEqual(["rejected PROTOCOL", "end", "closed"]);
    expect(world.lines.length).toBe(1);
    expect(world.lines[0]).toStartWith(
      "closed a connection from a web server: it sent a record of FastCGI version 71",
    );
  });
});

describe("head_timeout", () => {
  const looked = (world: ReturnType<typeof openConnection>, ...moments: number[]) => {
    for (const moment of moments) world.connection.checkOverdue(moment);
    return world.happened();
  };

  test("holds for the first request of a connection", () => {
    using world = openConnection();
    expect(looked(world, 1000, 1000 + HEAD_TIMEOUT_MS - 1)).toEqual([]);
    expect(looked(world, 1000 + HEAD_TIMEOUT_MS)).toEqual(["shutdown"]);
  });

  test("does not hold for a kept connection between two requests, but for one of which the first bytes have come", () => {
    using world = openConnection();
    world.push(getOf());
    answer(world.request(1));
    expect(looked(world, 1000, 10_000, 100_000)).toEqual([]);
    world.push(getOf().subarray(0, 3));
    expect(looked(world, 101_000, 101_000 + HEAD_TIMEOUT_MS - 1)).toEqual([]);
    expect(looked(world, 101_000 + HEAD_TIMEOUT_MS)).toEqual(["shutdown"]);
  });

  test("frees the place of one that has read that it was refused, and says nothing, after five seconds", () => {
    using world = openConnection();
    expect(looked(world, 0, HEAD_TIMEOUT_MS)).toEqual(["shutdown"]);
    world.clock.advance(4999);
    world.leaveUnread(1);
    world.clock.advance(1);
    expect(looked(world, HEAD_TIMEOUT_MS + 5000)).toEqual([]);
    world.pair.readBack(1);
    world.push(Buffer.of(1));
    expect(looked(world, HEAD_TIMEOUT_MS + 5000)).toEqual([]);
    world.clock.advance(5000);
    expect(looked(world, HEAD_TIMEOUT_MS + 10_000)).toEqual(["end", "closed"]);
  });

  test("begins anew with the next request", () => {
    using world = openConnection();
    looked(world, 1000);
    world.push(getOf());
    looked(world, 1500);
    answer(world.request(1));
    world.push(getOf().subarray(0, 3));
    expect(looked(world, 2000, 1000 + HEAD_TIMEOUT_MS)).toEqual([]);
  });

  test("holds for each head that has begun", () => {
    using world = openConnection();
    world.push(encodeRecord(FCGI_BEGIN_REQUEST, 1, Uint8Array.of(0, 1, 1, 0, 0, 0, 0, 0)));
    expect(looked(world, 1000, 999 + HEAD_TIMEOUT_MS)).toEqual([]);
    expect(looked(world, 1000 + HEAD_TIMEOUT_MS)).toEqual(["rejected HEAD_TIMEOUT"]);
  });
});

describe("what is asked of the connection itself", () => {
  test("is how many connections are served: as many as have places", () => {
    using world = openConnection({ maxConnections: 12 });
    world.push(encodeRecord(FCGI_GET_VALUES, 0, Uint8Array.of(14, 0, ...Buffer.from("FCGI_MAX_CONNS"))));
    expect(latin1(world.socket.sent.subarray(8))).toStartWith("\x0e\x02FCGI_MAX_CONNS12");
  });
});
