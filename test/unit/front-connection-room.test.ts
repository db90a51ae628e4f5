import { describe, expect, test } from "bun:test";
import { encodeRecord } from "../../src/fcgi/encoder.ts";
import { latin1 } from "../../src/fcgi/params.ts";
import { FCGI_GET_VALUES } from "../../src/fcgi/protocol.ts";
import {
  answer,
  bodyOf,
  getOf,
  headOf,
  listenTo,
  openConnection,
  uploadOf,
} from "../support/connection-world.ts";

const MIB = 1024 * 1024;
type World = ReturnType<typeof openConnection>;

/** A request that has had its answer. */
function served(world: World, keepConn = true) {
  world.push(getOf({ keepConn }));
  answer(world.request(world.requests.length));
}

describe("for another connection one gives way", () => {
  const givesWay = (world: World, idleMs = 1000) => {
    const isClosed = world.connection.giveWay(idleMs);
    expect(world.happened()).toEqual(isClosed ? ["end", "closed"] : []);
    return isClosed;
  };

  test("that was idle for long enough", () => {
    using world = openConnection();
    world.clock.advance(5000);
    served(world);
    world.clock.advance(999);
    expect(givesWay(world)).toBe(false);
    world.clock.advance(1);
    expect(givesWay(world)).toBe(true);
    expect(givesWay(world)).toBe(false);
  });

  test("not one with a request, or a part of one, that is newer than its time", () => {
    for (const bytes of [getOf(), getOf().subarray(0, 3)]) {
      using world = openConnection();
      world.clock.advance(10_000);
      world.push(bytes);
      world.clock.advance(10_000);
      expect(givesWay(world)).toBe(false);
    }
  });

  test("not one whose client has not read all, or has sent something", () => {
    using world = openConnection();
    served(world);
    world.clock.advance(10_000);
    world.leaveUnread(1);
    expect(givesWay(world)).toBe(false);
    world.pair.readBack(1);
    world.pair.sendBack(1);
    expect(givesWay(world)).toBe(false);
  });

  test("not one of whose answer something waits", () => {
    using world = openConnection();
    world.socket.room = 10;
    served(world);
    world.clock.advance(5000);
    expect(givesWay(world)).toBe(false);
  });

  test("the one that is idle, and not the one at work", () => {
    using world = openConnection({ maxConnections: 1 });
    const other = { previous: undefined, next: undefined, admit() {}, wait() {}, giveWay: () => false };
    world.push(getOf());
    world.clock.advance(10_000);
    world.places.enter(other, 10);
    expect(world.happened()).toEqual([]);
    answer(world.request(1));
    world.clock.advance(1249);
    expect(world.happened()).toEqual(["end", "closed"]);
  });
});

describe("when std-fpm is to end, a connection is ended", () => {
  const retired = (world: World, idleMs: number) => {
    world.connection.retire(idleMs);
    return world.happened();
  };

  test("that nobody has waited on for long enough, so that its client can read all and close", () => {
    using world = openConnection();
    served(world);
    world.clock.advance(499);
    expect(retired(world, 500)).toEqual([]);
    world.clock.advance(1);
    expect(retired(world, 500)).toEqual(["shutdown"]);
  });

  test("that is new when its client has had a second for its first request, or none is to be had", () => {
    using world = openConnection();
    world.clock.advance(999);
    expect(retired(world, 100)).toEqual([]);
    expect(retired(world, 0)).toEqual(["shutdown"]);
    using other = openConnection();
    other.clock.advance(1000);
    expect(retired(other, 100)).toEqual(["shutdown"]);
    using third = openConnection();
    third.clock.advance(1000);
    expect(retired(third, 2000)).toEqual([]);
  });

  test("not before its requests are answered", () => {
    using world = openConnection();
    world.push(getOf(), headOf({ id: 2 }));
    world.clock.advance(10_000);
    expect(retired(world, 0)).toEqual([]);
    answer(world.request(1));
    expect(retired(world, 0)).toEqual([]);
  });

  test("not soon after it was asked something itself", () => {
    using world = openConnection();
    world.clock.advance(5000);
    world.push(encodeRecord(FCGI_GET_VALUES, 0, new Uint8Array(0)));
    world.clock.advance(999);
    expect(retired(world, 1000)).toEqual([]);
    world.clock.advance(1);
    expect(retired(world, 1000)).toEqual(["shutdown"]);
  });

  test("not with a request that waits to be read", () => {
    using world = openConnection();
    served(world);
    world.pair.sendBack(1);
    world.clock.advance(10_000);
    expect(retired(world, 100)).toEqual([]);
  });

  test("with one that was answered and whose body goes on, some time after the last of it", () => {
    using world = openConnection();
    world.clock.advance(1000);
    world.push(uploadOf());
    world.clock.advance(1000);
    answer(world.request(1));
    world.clock.advance(99);
    world.pair.sendBack(1);
    expect(retired(world, 100)).toEqual([]);
    world.clock.advance(1);
    expect(retired(world, 100)).toEqual(["shutdown"]);
  });

  test("that is about to close when its client has read all, and has sent nothing for a while", () => {
    using world = openConnection();
    world.push(uploadOf({ keepConn: false }));
    answer(world.request(1));
    world.clock.advance(1000);
    world.push(bodyOf(10, false));
    world.leaveUnread(1);
    expect(world.happened()).toEqual(["shutdown"]);
    world.clock.advance(100);
    expect(retired(world, 100)).toEqual([]);
    world.pair.readBack(1);
    expect(retired(world, 101)).toEqual([]);
    expect(retired(world, 100)).toEqual(["end", "closed"]);
  });
});

describe("a connection that is paused", () => {
  test("is read from when nobody wants that any more, and closed when its client has left", () => {
    using world = openConnection();
    world.push(uploadOf(), uploadOf({ id: 2 }));
    for (const nth of [1, 2]) world.request(nth).pauseBody();
    expect(world.happened()).toEqual(["pause"]);
    world.request(1).resumeBody();
    expect(world.happened()).toEqual([]);
    world.clock.advance(10_000);
    expect(world.happened()).toEqual([]);
    world.pair.hangUp();
    world.clock.advance(1000);
    expect(world.happened().slice(-2)).toEqual(["end", "closed"]);
  });

  test("is read from when the request is over that wanted no more", () => {
    using world = openConnection();
    world.push(uploadOf());
    world.request(1).pauseBody();
    world.request(1).truncate();
    expect(world.happened().slice(0, 2)).toEqual(["pause", "resume"]);
  });
});

describe("where too much is held", () => {
  const refusals = ({ socket }: World) => latin1(socket.sent).split("Status: 503").length - 1;
  /** A request of which so much is held before a program is asked for. */
  const holding = (id: number) => [
    headOf({ id, params: { CONTENT_LENGTH: "60000" } }),
    bodyOf(60_000, false, id),
  ];

  test("on one connection, its newest requests are refused that no program is asked for yet", () => {
    using world = openConnection();
    world.push(getOf({ id: 200 }));
    const heard = listenTo(world.request(1));
    for (let id = 1; id <= 139; id++) world.push(...holding(id));
    expect(world.happened()).toEqual([]);
    world.push(...holding(140));
    expect([world.happened(), refusals(world), heard]).toEqual([["140 dismissed: refused"], 1, []]);
  });

  test("by all, so many are refused that there is room again, those with their head among them", () => {
    using world = openConnection({ bufferLimit: 150_000 });
    world.push(...holding(1));
    world.push(...holding(2));
    world.push(...holding(3).slice(0, 1));
    expect(world.happened()).toEqual([]);
    world.buffers.hold(60_000);
    world.push(headOf({ id: 4 }).subarray(0, 20));
    expect(world.happened()).toEqual([
      "rejected BUFFER_FULL",
      "3 dismissed: refused",
      "2 dismissed: refused",
    ]);
  });

  test("one that is ready only then is refused, too", () => {
    using world = openConnection({ bufferLimit: 1000 });
    world.buffers.hold(2000);
    world.push(getOf());
    expect([world.happened(), world.requests.length, refusals(world)]).toEqual([
      ["1 dismissed: refused"],
      0,
      1,
    ]);
    world.buffers.release(2000);
    world.push(getOf());
    expect(world.requests.length).toBe(1);
  });
});

test("a megabyte of a body that nobody asks for yet stays where it is", () => {
  using world = openConnection();
  world.push(uploadOf());
  for (let i = 0; i < 16; i++) world.push(bodyOf(MIB / 16 - 1, false));
  expect(world.happened()).toContain("pause");
  expect(world.buffers.heldBytes).toBeGreaterThan(MIB - 1000);
});
