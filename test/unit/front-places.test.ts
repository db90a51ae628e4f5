import { describe, expect, test } from "bun:test";
import type { Log } from "../../src/base/log.ts";
import { type Occupant, Places } from "../../src/front/places.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** Places with a gate and connections that note what becomes of them. */
function world(maxConnections: number, descriptors = 10_000) {
  const clock = new FakeClock();
  const notes: string[] = [];
  const lines: [string, unknown][] = [];
  const line = (message: string, fields?: unknown) => void lines.push([message, fields]);
  const log: Log = { isDebug: false, debug: line, info: line, warn: line, error: line };
  const gate = {
    opens: true,
    openGate() {
      notes.push(gate.opens ? "open" : "cannot open");
      return gate.opens;
    },
    closeGate: () => void notes.push("close"),
  };
  const places: Places = new Places({ maxConnections, descriptors }, { clock, log, gate });
  const come = (name: string, fd = 10) => {
    let idleSince = clock.now();
    const connection = {
      previous: undefined as Occupant | undefined,
      next: undefined as Occupant | undefined,
      isIdle: true,
      admit: () => void notes.push(`${name} in`),
      wait: () => void notes.push(`${name} waits`),
      giveWay(idleMs: number) {
        if (!connection.isIdle || clock.now() - idleSince < idleMs) return false;
        notes.push(`${name} gives way`);
        places.leave(connection);
        return true;
      },
      work() {
        connection.isIdle = false;
        places.onBusy(connection);
      },
      rest() {
        connection.isIdle = true;
        idleSince = clock.now();
        places.onIdle(connection);
      },
    };
    places.enter(connection, fd);
    return connection;
  };
  /** What has happened since the last time. */
  const happened = () => notes.splice(0);
  return { clock, places, gate, come, happened, lines };
}

describe("at the limit", () => {
  test("who comes waits, and is let in when another one leaves, in the order they came", () => {
    const { places, come, happened } = world(2);
    const [a, b] = [come("a"), come("b")];
    a.work();
    b.work();
    const c = come("c");
    const d = come("d");
    expect(happened()).toEqual(["a in", "b in", "c waits", "d waits"]);
    places.leave(a);
    expect(happened()).toEqual(["c in"]);
    places.leave(d);
    places.leave(b);
    expect([happened(), places.waiting]).toEqual([[], 0]);
    places.leave(c);
  });

  test("sixteen are taken that wait; who comes then waits in the backlog until all of them are in", () => {
    const { places, come, happened } = world(1);
    let current = come("first");
    current.work();
    const waiting = Array.from({ length: 15 }, (_, i) => come(`${i}`));
    expect(happened()).not.toContain("close");
    waiting.push(come("last"));
    expect(happened().at(-1)).toBe("close");
    for (const next of waiting) {
      expect(happened()).not.toContain("open");
      places.leave(current);
      current = next;
      current.work();
    }
    expect(happened()).toEqual(["last in", "open"]);
  });

  test("nothing is accepted until the last one has gone that waits, also where they give up", () => {
    const { places, come, happened } = world(1);
    come("first").work();
    const waiting = Array.from({ length: 16 }, (_, i) => come(`${i}`));
    happened();
    for (const each of waiting) {
      expect(happened()).toEqual([]);
      places.leave(each);
    }
    expect(happened()).toEqual(["open"]);
  });

  test("the longest idle ones give way, no more of them than have to, and no one twice", () => {
    const { clock, places, come, happened } = world(3);
    const gone = come("gone");
    for (const name of ["a", "b"]) come(name).rest();
    places.leave(gone);
    come("c").rest();
    clock.advance(5000);
    happened();
    come("d").work();
    expect([happened(), clock.timers]).toEqual([["d waits", "a gives way", "d in"], 0]);
    for (const name of ["e", "f", "g", "h"]) come(name).work();
    expect(happened()).toEqual([
      ...["e waits", "b gives way", "e in", "f waits", "c gives way", "f in"],
      ...["g waits", "h waits"],
    ]);
    expect(clock.timers).toBe(1);
  });

  test("sixteen are asked at a time, at the most, whether they can", () => {
    const { clock, come, happened } = world(17);
    // With something that waits to be read.
    for (let i = 0; i < 16; i++) come(`${i}`).isIdle = false;
    come("idle");
    clock.advance(5000);
    happened();
    come("next");
    expect(happened()).toEqual(["next waits"]);
  });

  test("the one that is idle for longest gives way, a second after its last request at the earliest", () => {
    const { clock, come, happened } = world(3);
    const [a, b, c] = [come("a"), come("b"), come("c")];
    for (const each of [c, a, b]) {
      each.work();
      clock.advance(500);
      each.rest();
    }
    happened();
    come("d");
    expect(happened()).toEqual(["d waits", "c gives way", "d in"]);
    come("e");
    expect(happened()).toEqual(["e waits"]);
    clock.advance(499);
    expect(happened()).toEqual([]);
    clock.advance(250);
    expect(happened()).toEqual(["a gives way", "e in"]);
  });

  test("those at work give no way", () => {
    const { clock, come, happened } = world(2);
    for (const each of [come("a"), come("b")]) each.work();
    come("c");
    clock.advance(60_000);
    expect(happened()).toEqual(["a in", "b in", "c waits"]);
  });

  test("a higher limit lets in who waits, a lower one nobody until enough have left", () => {
    const { places, come, happened } = world(1);
    const a = come("a");
    a.work();
    for (const name of ["b", "c", "d"]) come(name).work();
    happened();
    places.use({ maxConnections: 3, descriptors: 10_000 });
    expect(happened()).toEqual(["b in", "c in"]);
    places.use({ maxConnections: 1, descriptors: 10_000 });
    places.leave(a);
    expect(happened()).toEqual([]);
  });
});

describe("the log", () => {
  test("has one line when connections begin to wait, and one when none has had to for ten seconds", () => {
    const { clock, places, come, lines } = world(1);
    clock.advance(100_000);
    let current = come("first");
    current.work();
    for (let i = 0; i < 100; i++) {
      const next = come(`${i}`);
      clock.advance(50);
      places.leave(current);
      current = next;
      current.work();
      places.look();
    }
    expect(lines).toEqual([["max_connections reached: new connections wait", { max_connections: 1 }]]);
    clock.advance(9000);
    places.look();
    expect(lines.length).toBe(1);
    clock.advance(949);
    places.look();
    expect(lines.length).toBe(1);
    clock.advance(1);
    places.look();
    expect(lines[1]).toEqual(["connections wait no more", { times: 100, seconds: 5 }]);
    expect(places.waited).toBe(100);
  });
});

describe("when descriptors run out", () => {
  test("who comes waits although there is a place, and is let in when there are some again", () => {
    const { places, come, happened, lines } = world(100, 1000);
    come("a", 967);
    come("b", 968);
    expect(happened()).toEqual(["a in", "b waits"]);
    expect(lines[0]?.[0]).toBe("descriptors are running out: new connections wait");
    places.look();
    expect(happened()).toEqual(["b in"]);
  });

  test("nothing is accepted, also when nobody has come", () => {
    const { places, happened, lines } = world(100, 0);
    places.look();
    places.look();
    expect(happened()).toEqual(["close"]);
    expect(lines.length).toBe(1);
    places.use({ maxConnections: 100, descriptors: 10_000 });
    places.look();
    expect(happened()).toEqual(["open"]);
  });

  test("are an eighth of all of them where there are few", () => {
    const { come, happened } = world(100, 100);
    come("a", 87);
    come("b", 88);
    expect(happened()).toEqual(["a in", "b waits"]);
  });

  test("nothing is accepted until they are looked for again, whoever leaves", () => {
    const { places, come, happened } = world(100);
    const a = come("a");
    places.use({ maxConnections: 100, descriptors: 0 });
    places.look();
    places.leave(a);
    expect(happened()).toEqual(["a in", "close"]);
  });

  test("accepting begins again when it can, not when it was tried", () => {
    const { places, gate, happened } = world(100, 0);
    places.look();
    gate.opens = false;
    places.use({ maxConnections: 100, descriptors: 10_000 });
    places.look();
    gate.opens = true;
    places.look();
    places.look();
    expect(happened()).toEqual(["close", "cannot open", "cannot open", "open"]);
  });
});
