import { describe, expect, test } from "bun:test";
import { encodeGetValuesResult, encodeUnknownType } from "../../src/fcgi/encoder.ts";
import { encodeParams } from "../../src/fcgi/params.ts";
import { FCGI_GET_VALUES } from "../../src/fcgi/protocol.ts";
import { answerManagement } from "../../src/front/management.ts";
import { Reading } from "../../src/front/reading.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { socketPair } from "../support/socket-pair.ts";

/** A connection that notes whether it is read from. */
function world() {
  const clock = new FakeClock();
  const notes: string[] = [];
  const pair = socketPair();
  const socket = {
    fd: pair.fd,
    pause: () => void notes.push("pause"),
    resume: () => void notes.push("resume"),
  };
  const reading = new Reading(socket, clock, () => void notes.push("left"));
  return { clock, notes, reading, pair, [Symbol.dispose]: pair[Symbol.dispose] };
}

describe("a connection is read from", () => {
  test("again when the last one wants it who wanted no more", () => {
    using all = world();
    const [one, two] = [{}, {}];
    for (const who of [one, one, two]) all.reading.pause(who);
    all.reading.resume(two);
    all.reading.resume(two);
    expect(all.notes).toEqual(["pause"]);
    all.reading.resume(one);
    all.reading.resume(one);
    expect([all.notes, all.clock.timers]).toEqual([["pause", "resume"], 0]);
    all.reading.pause(one);
    expect(all.notes.at(-1)).toBe("pause");
  });

  test("not when its client has left while nobody read: that is seen within a second", () => {
    using all = world();
    all.reading.pause(all);
    all.clock.advance(3000);
    all.pair.hangUp();
    all.clock.advance(999);
    expect(all.notes).toEqual(["pause"]);
    all.clock.advance(1);
    expect([all.notes, all.clock.timers]).toEqual([["pause", "left"], 0]);
  });
});

describe("what a web server may ask", () => {
  const asked = (...names: string[]) =>
    answerManagement(FCGI_GET_VALUES, encodeParams(names.map((name) => [name, ""])), { maxConns: 7 });

  test("is answered in its order, each once, whatever else it asks", () => {
    expect(asked("FCGI_MPXS_CONNS", "OTHER", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS", "FCGI_MAX_CONNS")).toEqual(
      encodeGetValuesResult([
        ["FCGI_MPXS_CONNS", "1"],
        ["FCGI_MAX_REQS", "7"],
        ["FCGI_MAX_CONNS", "7"],
      ]),
    );
    expect(asked()).toEqual(encodeGetValuesResult([]));
  });

  test("by a type of record that nobody knows is unknown", () => {
    expect(answerManagement(77, new Uint8Array(3), { maxConns: 7 })).toEqual(encodeUnknownType(77));
  });
});
